"""A file system that gets full while a command changes something, beside a service that answers phones."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.verification import verify
from tests.fixtures.certificates import certificate
from tests.fixtures.processes import asking, until
from tests.whole.faults.scenario import KNOWN, PHONES, UNKNOWN, Asking, answers, count, kill, until_trusted

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.disks import Disk
    from tests.whole.faults.scenario import ServeAt, Tvs, Workers
    from tvs.state import StateDirectory

NEW = certificate("CN=new", 0x84)
CASES = {
    "import": ("set cert import trust Phone-SAST-trust NEW", (0, 2, 4)),
    "update": ("utils ctl update CTLFile -y", (0, 1)),
    "regenerate": ("set cert regen CallManager -y", (0, 2, 4, 4)),
}
"""Commands, with the blocks of 4 KiB that are free when they begin: each time they fail at another step."""


def content(state: StateDirectory) -> tuple[object, ...]:
    """What phones and administrators find: certificates and lists, which verify."""
    with closing(state.store()) as store:
        entries = [(entry.name, entry.certificate.der) for entry in store.entries()]
    lists = [path.read_bytes() for path in (state.ctl_file, state.itl_file)]
    assert all(verify(data).ok for data in lists)
    return entries, lists


def keys(state: StateDirectory) -> set[str]:
    """Names of the files of keys."""
    return {path.name for path in state.keys.iterdir()}


def new_certificate(state: StateDirectory, name: str) -> bytes:
    """The certificate that the command has made or imported."""
    if name == "import":
        return NEW
    with closing(state.store()) as store:
        return store.entry(Purpose.CallManager, "CallManager").certificate.der


@pytest.mark.parametrize("name", CASES)
async def test_command_on_a_full_disk(
    serve_at: ServeAt,
    small_disk: Disk,
    small_state: StateDirectory,
    workers: Workers,
    tvs: Tvs,
    tmp_path: Path,
    name: str,
) -> None:
    """It fails with a sentence and changes nothing, and phones get the last good answers, also from new workers.

    With room it succeeds, and phones get the new answers.
    """
    (tmp_path / "new.cer").write_bytes(NEW)
    disk, state = small_disk, small_state
    words, rooms = CASES[name]
    command = [*words.replace("NEW", str(tmp_path / "new.cer")).split(), "--state", str(state.path)]
    service = serve_at(state)("--workers", "2", "--log-level", "info")
    before, kept = content(state), keys(state)
    async with asking(Asking(service), phones=PHONES) as phones:
        for room in rooms:
            disk.fill(leave=room)
            done = tvs(*command)
            assert done.returncode == 1, (room, done)
            assert done.stderr.startswith("tvs: ")
            assert "No space left on device; nothing was changed" in done.stderr or "the disk is full" in done.stderr
            assert done.stderr.count("\n") == 1
            await kill(service, workers, room % 2)
            await phones.more(5)
            disk.empty()
            assert content(state) == before
            assert kept <= keys(state)
            assert len(keys(state) - kept) <= 2, "a key and a kept certificate of the last attempt at most"
        loaded = count(service, "ctl_reloaded")
        done = tvs(*command)
        assert (done.returncode, done.stderr) == (0, "")
        assert content(state) != before
        if name == "update":
            await until(lambda: count(service, "ctl_reloaded") >= loaded + 2, "both workers have the new list")
        else:
            await until_trusted(service, new_certificate(state, name))
    assert len(phones.failures) <= PHONES * len(rooms), phones.failures
    assert await answers(service, KNOWN, UNKNOWN) == [True, False]
