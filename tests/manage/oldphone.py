"""A phone without TVS beside an administrator, and ways out followed by command."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctlcache.entries import token_entry
from ctlcache.verification import verify
from tvs.cluster.commit import commit
from tvs.cluster.lists import token_source
from tvs.cluster.proposals import propose_ctl
from tvs.phone import DirectorySource, ListKind, ListOutcome, Phone, find_model
from tvs.phone.boot import boot

if TYPE_CHECKING:
    from certstore.purposes import Purpose
    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tvs.plan.model import Code


def own(admin: Administrator, unit: Purpose) -> bytes:
    """An own certificate of the publisher."""
    return admin.situation().require(unit)


def signers(admin: Administrator) -> tuple[bytes | None, bytes | None]:
    """The certificates that signed the CTL and the ITL file."""
    lists = (verify(path.read_bytes()) for path in (admin.state.ctl_file, admin.state.itl_file))
    ctl, itl = (verification.signer.certificate if verification.signer else None for verification in lists)
    return ctl, itl


@dataclass
class OldPhone:
    """An emulated 7960 that boots with the files of the TFTP directory, without any TVS server."""

    admin: Administrator
    phone: Phone = field(default_factory=lambda: Phone("001DA23B4C5D", find_model("7960")))

    async def boots(self) -> bool:
        """Boots; whether it has the current CTL file now."""
        report = await boot(self.phone, DirectorySource(self.admin.state.tftp))
        assert report.itl.outcome is ListOutcome.NOT_USED
        return self.phone.flash.installed(ListKind.CTL) == self.admin.state.ctl_file.read_bytes()


def commands(way_out: str) -> list[list[str]]:
    """The commands that a way out names, in their order, without `tvs`."""
    return [found.split() for found in re.findall(r"tvs ((?:[\w-]+ ?)+(?:--[\w]+(?: current)?)?)", way_out)]


def refused(admin: Administrator, *words: object, code: Code) -> str:
    """The way out of a change that is stopped."""
    before = admin.situation()
    stopped = admin(*words)
    assert stopped.status == 1, stopped.out
    assert admin.situation() == before
    lines = [line for line in stopped.err.splitlines() if line.startswith(f"tvs: {code}: ")]
    (way_out,) = {line.partition("Way out: ")[2] for line in lines}
    return way_out


def by_token(admin: Administrator, tokens: tuple[KeyFileSigner, KeyFileSigner]) -> None:
    """Signs the CTL file with the second of two tokens."""
    entries = [token_entry(token.certificate) for token in tokens]
    with admin.state.lock(), admin.store() as store:
        source = lambda given: token_source(given, entries, tokens[1], add_token=True)  # noqa: E731 - short
        commit(admin.state, store, propose_ctl(admin.state, admin.situation(), source))


async def follow(phone: OldPhone, way_out: str) -> None:
    """Runs the commands of a way out, one after the other; the phone boots after each and has the lists."""
    assert commands(way_out)
    for words in commands(way_out):
        phone.admin.does(*words)
        assert await phone.boots(), words
