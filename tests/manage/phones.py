"""Emulated phones beside a plan, and the comparison of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.phone import BootReport, DirectorySource, ListKind, Phone, Voucher
from tvs.phone import ListOutcome as Emulated
from tvs.phone.boot import boot as boot_emulator
from tvs.phone.trust import Refused, inspect
from tvs.plan.boot import Decision, PlannedList, boot
from tvs.plan.phones import HeldLists, PhoneKind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running
    from tvs.phone.reports import ListUpdate


def held_by_phones(admin: Administrator) -> HeldLists:
    """The present lists, as phones hold them from now on."""
    return HeldLists(
        ctl=admin.state.ctl_file.read_bytes(),
        itl=admin.state.itl_file.read_bytes(),
        ctl_name="CTLFile.tlv",
        itl_name="ITLFile.tlv",
    )


async def agree(
    admin: Administrator, service: Running, held: HeldLists
) -> dict[PhoneKind, tuple[PlannedList, PlannedList]]:
    """Boots a phone of each kind against the running service; each does what the plan says, list by list."""
    situation = admin.situation()
    outcomes = {}
    for kind in PhoneKind:
        said = boot(held, situation, kind)
        report = await emulated(held, kind, service, admin.state.tftp)
        assert_same(said.ctl, report.ctl)
        assert_same(said.itl, report.itl)
        outcomes[kind] = (said.ctl, said.itl)
    return outcomes


async def emulated(held: HeldLists, kind: PhoneKind, service: Running, directory: Path) -> BootReport:
    """The boot of an emulated phone that holds these lists."""
    return await boot_emulator(installed(held, kind, service), DirectorySource(directory))


def installed(held: HeldLists, kind: PhoneKind, service: Running) -> Phone:
    """An emulated phone that holds those of these lists that it can verify, and asks this TVS server."""
    phone = Phone("001DA23B4C5D", kind.model)
    phone.flash.servers = (service.endpoint,)
    for list_kind, data in ((ListKind.CTL, held.ctl), (ListKind.ITL, held.itl if kind.model.tvs else None)):
        if data is not None and verifies(data, kind):
            phone.flash.install(list_kind, data)
    return phone


def verifies(data: bytes, kind: PhoneKind) -> bool:
    """Whether a phone can verify a list: with another digest, damaged or too large, it was never installed."""
    try:
        inspect(data, kind.model)
    except Refused:
        return False
    return True


def assert_same(said: PlannedList, report: ListUpdate) -> None:
    """The emulated phone did what the plan says."""
    if report.outcome is Emulated.UPDATED:
        assert report.vouched is not None
        expected = {Voucher.FIRST: Decision.FIRST, Voucher.TVS: Decision.TVS}
        assert said.decision is expected.get(report.vouched.voucher, Decision.OWN_LIST)
        return
    others = {
        Emulated.UNCHANGED: Decision.UNCHANGED,
        Emulated.REFUSED: Decision.REFUSES,
        Emulated.NOT_FOUND: Decision.NOT_FOUND,
        Emulated.NOT_USED: Decision.NOT_USED,
    }
    assert said.decision is others[report.outcome], report
    assert said.refusal is report.refusal, report.sentence
