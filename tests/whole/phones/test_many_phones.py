"""Clusters with many phones, some of which sleep: rollovers lose nobody unnamed, and careless orders are stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.administrator import PUBLISHER, Administrator
from tests.fixtures.clusterphones import ClusterPhone, import_phones
from tests.rollovers.careless import run_careless
from tests.rollovers.run import OLD, run_rollover
from tvs.manage.provision import initialise
from tvs.phone import find_model
from tvs.units import ROLLED_OVER

if TYPE_CHECKING:
    from pathlib import Path

PHONES = 40
"""`make rollovers` has 2,000."""


@pytest.mark.parametrize("unit", ROLLED_OVER)
async def test_a_rollover_loses_nobody_unnamed(tmp_path: Path, unit: Purpose) -> None:
    """Phones with TVS may sleep through every stage; those without that slept are lost, and were named before."""
    story = await run_rollover(tmp_path, unit, PHONES, "1")
    assert story.asked == set()
    assert story.unnamed == set()
    assert story.refused, "a stage waits for the phones that hold the lists of before"
    assert len(story.lost) <= OLD


async def test_a_careless_order_is_stopped_and_loses_whom_it_named(tmp_path: Path) -> None:
    """CallManager, then TVS while phones sleep: both are refused by name; forced, exactly the named ones are lost."""
    story = await run_careless(tmp_path, PHONES, "1")
    assert story.stopped == [Purpose.CallManager, Purpose.TVS]
    assert story.wrong == set()
    assert story.named & story.lost, "phones with TVS that slept"


def test_careless_orders_are_stopped_by_name(tmp_path: Path) -> None:
    """A signer that phones without TVS do not know, and two certificates at once, are refused with phones' names."""
    admin = Administrator(initialise(tmp_path / "state", PUBLISHER))
    assert admin("utils", "ctl", "set-cluster", "mixed-mode", "--yes", "--force").status == 0
    assert admin("set", "signer", "CallManager", "--force").status == 0
    old, new = ClusterPhone("00000000000A", find_model("7960")), ClusterPhone("00000000000B", find_model("8861"))
    import_phones(admin, [old, new])
    refused = admin("set", "cert", "regen", "CallManager", "--yes", "--held", "current")
    assert refused.status == 1
    assert f"would be lost: 1 of 2 recorded phones ({old.name})" in refused.err
    import_phones(admin, [new])
    assert admin("fleet", "forget", f"SEP{old.mac}").status == 0
    assert admin("set", "cert", "regen", "TVS", "--yes").status == 0
    refused = admin("set", "cert", "regen", "CallManager", "--yes")
    assert refused.status == 1
    assert "changed-together" in refused.err
    assert new.name in refused.err
