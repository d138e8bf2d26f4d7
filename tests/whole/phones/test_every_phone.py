"""A fresh cluster with phones of each kind: first lists, then a new CallManager certificate, without any TVS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tvs.phone import DirectorySource, ListKind, ListOutcome, Voucher
from tvs.phone.boot import boot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.cluster import Cluster
    from tvs.phone import Phone


@pytest.mark.parametrize("model", ["CP-7960", "CP-7975", "CP-8861"])
async def test_a_new_call_manager_certificate_costs_no_phone(
    today: Cluster, make_phone: Callable[..., Phone], model: str
) -> None:
    """Each phone takes the first lists, and after `regen CallManager` and `update CTLFile` the new ones.

    No service runs and no phone knows a TVS server: the signer, ITLRecovery, stays. Nothing is forced.
    """
    phone, source = make_phone(model), DirectorySource(today.state.tftp)
    first = await boot(phone, source)
    assert first.ctl.vouched is not None
    assert first.ctl.vouched.voucher is Voucher.FIRST
    expected = ListOutcome.UPDATED if phone.model.tvs else ListOutcome.NOT_USED
    assert first.itl.outcome is expected
    old = today.own(Purpose.CallManager)

    today.command("set", "phones", "with-tvs", "tls1.0", "without-tvs")
    today.command("set", "cert", "regen", "CallManager", "--yes")
    after_regeneration = await boot(phone, source)
    assert after_regeneration.ctl.outcome is ListOutcome.UNCHANGED
    assert after_regeneration.itl.outcome is expected
    today.command("utils", "ctl", "update", "CTLFile", "--yes")
    second = await boot(phone, source)
    assert second.ctl.outcome is ListOutcome.UPDATED
    assert second.ctl.vouched is not None
    assert second.ctl.vouched.voucher is Voucher.CTL
    assert today.own(Purpose.CallManager) != old
    assert today.own(Purpose.CallManager).der in (phone.flash.installed(ListKind.CTL) or b"")
