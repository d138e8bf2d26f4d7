"""A service that starts while the file system of its state directory is full, or mounted read-only."""

from __future__ import annotations

import os
import re
import signal
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.certificates import certificate
from tests.fixtures.processes import children, until
from tests.fixtures.running import PATIENCE
from tests.whole.faults.scenario import KNOWN, UNKNOWN, add, answers, kill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.disks import Disk
    from tests.fixtures.processes import Probe
    from tests.whole.faults.scenario import ServeAt, Tvs, Workers
    from tvs.state import StateDirectory

NEW = certificate("CN=new", 0x84)
FULL = re.compile("(No space left on device|the disk is full); nothing was changed")
"""What a command says for which there is no room, for a file or in the database."""


@pytest.mark.parametrize("crashed", [False, True], ids=["stopped", "crashed"])
async def test_start_on_a_full_disk(
    serve_at: ServeAt,
    small_disk: Disk,
    small_state: StateDirectory,
    probe: Probe,
    workers: Workers,
    tvs: Tvs,
    tmp_path: Path,
    *,
    crashed: bool,
) -> None:
    """A service starts, and its workers are replaced, from what an earlier one and a failed command left there.

    With room, imports work again, and reach phones.
    """
    disk, state, serve = small_disk, small_state, serve_at(small_state)
    (tmp_path / "new.cer").write_bytes(NEW)
    command = ("set", "cert", "import", "trust", "Phone-SAST-trust", tmp_path / "new.cer", "--state", state.path)
    first = serve("--log-level", "info")
    add(state, UNKNOWN)  # it stands in the journal, unless the service ends in order
    disk.fill(leave=2)
    assert tvs(*command).returncode == 1
    if crashed:
        os.kill(first.process.pid, signal.SIGSTOP)
        for process in (*children(first.process.pid), first.process.pid):
            os.kill(process, signal.SIGKILL)
        first.process.wait(PATIENCE)
        assert state.database.with_name("tvs.db-wal").stat().st_size > 0
    else:
        assert first.stop() == 0
    disk.empty()
    disk.fill()
    service = serve("--workers", "2", "--log-level", "info")
    assert await answers(service, KNOWN, UNKNOWN, NEW) == [True, True, False]
    await kill(service, workers, 0)
    assert await answers(service, KNOWN, UNKNOWN, NEW) == [True, True, False]
    status, readiness = probe(service, "/readyz")
    assert (status, readiness["reasons"]) == (200, [])
    assert tvs("show", "cert", "list", "own", "--state", state.path).returncode == 0
    if not crashed:  # the journal has room for it otherwise
        done = tvs(*command)
        assert (done.returncode, FULL.search(done.stderr) is not None) == (1, True), done
    disk.empty()
    assert tvs(*command).returncode == 0
    with closing(state.store()) as store:
        number = sum(1 for _ in store.trusted())

    def in_use() -> bool:
        found = probe(service, "/readyz")[1]["db"]
        return bool(found["up"]) and found["certificates"] == number

    await until(in_use, "all workers have read the database again")
    assert await answers(service, KNOWN, UNKNOWN, NEW) == [True, True, True]


async def test_start_on_a_read_only_file_system(
    serve_at: ServeAt, small_disk: Disk, small_state: StateDirectory, tvs: Tvs
) -> None:
    """The service and the commands say that the mount is the cause; once it is writable, the service starts."""
    state = ("--state", small_state.path)
    small_disk.make_read_only()
    for command in (
        ("serve", *state, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"),
        ("show", "cert", "list", "own", *state),
        ("set", "cert", "regen", "TVS", "-y", *state),
    ):
        done = tvs(*command)
        assert (done.returncode, "mount it read-write" in done.stderr) == (1, True), done
    small_disk.make_writable()
    assert await answers(serve_at(small_state)(), KNOWN) == [True]
