"""Lists that phones cannot verify: the plan beside emulated phones from the factory, which never install them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ctlcache.digests import Digest
from ctlcache.trustlist import PHONE_LIMIT
from tests.manage.phones import assert_same, held_by_phones
from tvs.cluster.keys import list_signer
from tvs.cluster.lists import build_ctl, build_itl, tokenless_source
from tvs.phone import DirectorySource, Phone
from tvs.phone.boot import boot as boot_emulator
from tvs.plan.boot import Decision, PlannedBoot, boot
from tvs.plan.phones import HeldLists, PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running

    Serve = Callable[..., Running]


def put(admin: Administrator, lists: tuple[bytes, bytes]) -> None:
    """Puts a CTL and an ITL where phones fetch them."""
    admin.state.ctl_file.write_bytes(lists[0])
    admin.state.itl_file.write_bytes(lists[1])


def signed_with(admin: Administrator, digest: Digest) -> tuple[bytes, bytes]:
    """The cluster's lists with this digest."""
    situation = replace(admin.situation(), digest=digest)
    signer = list_signer(admin.state, situation)
    return build_ctl(situation, tokenless_source(situation, signer)), build_itl(situation, signer)


async def boots_as_planned(phone: Phone, admin: Administrator, held: HeldLists, kind: PhoneKind) -> PlannedBoot:
    """Boots the emulated phone; it does what the plan says of phones that hold these lists."""
    said = boot(held, admin.situation(), kind)
    report = await boot_emulator(phone, DirectorySource(admin.state.tftp))
    assert_same(said.ctl, report.ctl)
    assert_same(said.itl, report.itl)
    return said


@pytest.mark.parametrize("kind", PhoneKind)
@pytest.mark.parametrize("fault", ["digest", "damaged", "too-large"])
async def test_a_phone_from_the_factory(for_all: Administrator, serve: Serve, kind: PhoneKind, fault: str) -> None:
    """A phone that cannot verify the current lists has none of them, at every boot; the next that it can are its first.

    Phones that can verify SHA-512 have those lists after the first boot, and take the next by their own lists.
    """
    admin = for_all
    good = admin.state.ctl_file.read_bytes(), admin.state.itl_file.read_bytes()
    faulty = {
        "digest": lambda: signed_with(admin, Digest.SHA512),
        "damaged": lambda: (good[0][:-9], good[1][:-9]),
        "too-large": lambda: (good[0] + bytes(PHONE_LIMIT), good[1] + bytes(PHONE_LIMIT)),
    }[fault]()
    phone = Phone("001DA23B4C5D", kind.model)
    phone.flash.servers = (serve(admin.state).endpoint,)
    put(admin, faulty)
    await boots_as_planned(phone, admin, HeldLists(), kind)
    held = held_by_phones(admin)
    said = await boots_as_planned(phone, admin, held, kind)
    knows = fault == "digest" and kind is PhoneKind.WITH_TVS
    assert said.ctl.decision is (Decision.UNCHANGED if knows else Decision.REFUSES)
    put(admin, good)
    assert (await boots_as_planned(phone, admin, held, kind)).ctl.decision is (
        Decision.OWN_LIST if knows else Decision.FIRST
    )
