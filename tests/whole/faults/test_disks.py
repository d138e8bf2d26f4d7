"""File systems that are full or read-only: of the state directory, of the log, of the files in which workers count."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.fixtures.processes import until
from tests.whole.faults.scenario import WORKERS, Fault, count, run
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.disks import Disk, MakeDisk
    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running

    Workers = Callable[[Running], list[int]]


@dataclass(kw_only=True)
class DiskFault(Fault):
    """Something about a file system.

    Attributes:
        disk: the file system.
    """

    disk: Disk


class Full(DiskFault):
    """The file system of the state directory is full: there is nothing that the service writes there."""

    changes_arrive: ClassVar = False

    def break_it(self) -> None:
        """Fills it."""
        self.disk.fill()

    def mend(self) -> None:
        """Makes room."""
        self.disk.empty()


class ReadOnly(DiskFault):
    """The file system of the state directory is read-only: a reload has nothing to write there, and is taken."""

    def break_it(self) -> None:
        """Covers it."""
        self.disk.make_read_only()

    def mend(self) -> None:
        """Uncovers it."""
        self.disk.make_writable()


class Counting(DiskFault):
    """The file system of the files in which workers count."""

    changes_arrive: ClassVar = True
    at_start: ClassVar = "metrics_not_shared"

    def prepare(self) -> None:
        """The files are on it."""
        self.start = {"environment": {"RUNTIME_DIRECTORY": str(self.disk.path)}}

    async def mended(self) -> None:
        """Workers count in files again."""
        await until(lambda: count(self.service, "metrics_files_restored") >= WORKERS, "files")


class CountingFull(Counting):
    """It is full, and the files are removed: a worker that maps new ones and writes to them would die by SIGBUS."""

    def break_it(self) -> None:
        """Removes the files but not their room, and fills the rest."""
        with contextlib.ExitStack() as files:
            for path in self.disk.path.glob("tvs-metrics-*/*.db"):
                files.enter_context(path.open("rb"))
                path.unlink()
            self.disk.fill()
            self._files = files.pop_all()

    def mend(self) -> None:
        """Makes room."""
        self._files.close()
        self.disk.empty()


class CountingReadOnly(Counting):
    """It is read-only."""

    def break_it(self) -> None:
        """Covers it."""
        self.disk.make_read_only()

    def mend(self) -> None:
        """Uncovers it."""
        self.disk.make_writable()


FAULTS: list[type[DiskFault]] = [Full, ReadOnly, CountingFull, CountingReadOnly]


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_last_good_answers(
    serve_at: Callable[[StateDirectory], Serve],
    made_state: Path,
    make_disk: MakeDisk,
    probe: Probe,
    workers: Workers,
    tmp_path: Path,
    kind: type[DiskFault],
) -> None:
    """Phones are answered correctly while the file system takes nothing; new changes come after it."""
    disk = make_disk(4096)
    place = tmp_path if issubclass(kind, Counting) else disk.path
    state = StateDirectory(place / "state")
    shutil.copytree(made_state, state.path)
    await run(kind(state=state, folder=tmp_path, disk=disk), serve_at(state), probe, workers)
