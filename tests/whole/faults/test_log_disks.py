"""The file system of log and TLS key log is full or read-only, or its files or their directory are removed."""

from __future__ import annotations

import asyncio
import shutil
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.fixtures.processes import until
from tests.fixtures.running import PATIENCE
from tests.whole.faults.logs import LogFault
from tests.whole.faults.scenario import KNOWN, UNKNOWN, answers

if TYPE_CHECKING:
    from tests.fixtures.disks import Disk, MakeDisk
    from tests.fixtures.processes import Scrape, Serve
    from tests.whole.faults.scenario import GoThrough

NOT_WRITTEN = 'tvs_log_dropped_total{reason="not_written"}'
BOTH = 20
"""Conversations with two requests each."""


class Removed(LogFault):
    """Both files are removed: new workers make new ones, the other processes write to the old ones until a reload."""

    at_start: ClassVar = ""
    refusal: ClassVar = ""
    lost: ClassVar = False

    def break_it(self) -> None:
        """Removes them."""
        for path in self.paths:
            path.unlink()

    def mend(self) -> None:
        """There is nothing to mend."""


class DirectoryRemoved(LogFault):
    """Their directory is removed."""

    def break_it(self) -> None:
        """Removes it."""
        assert self.place is not None
        shutil.rmtree(self.place)

    def mend(self) -> None:
        """Makes it again, empty."""
        assert self.place is not None
        self.place.mkdir()


@dataclass(kw_only=True)
class ReadOnly(LogFault):
    """The file system becomes read-only for what is opened from now on."""

    disk: Disk

    def break_it(self) -> None:
        """Covers it."""
        self.disk.make_read_only()

    def mend(self) -> None:
        """Uncovers it."""
        self.disk.make_writable()


@dataclass(kw_only=True)
class Full(LogFault):
    """The file system is full: the files can be opened, and nothing can be written to them. A reload is taken.

    The log says nothing, so the service manager's end of sd_notify(3) says how the reload ended.
    """

    disk: Disk
    scrape: Scrape
    at_start: ClassVar = ""
    refusal: ClassVar = ""
    lost: ClassVar = False
    _manager: socket.socket = field(init=False)

    def prepare(self) -> None:
        """Listens as the service manager."""
        super().prepare()
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(self.folder / "notify"))
        self._manager.settimeout(PATIENCE)
        self.start["environment"] = {"NOTIFY_SOCKET": str(self.folder / "notify")}

    def break_it(self) -> None:
        """Fills it."""
        self.disk.fill()

    async def reload(self) -> None:
        """It is taken, and lines were lost before."""
        await until(lambda: self.scrape(self.service)[NOT_WRITTEN] > 0, "dropped lines are counted")
        self.service.reload()
        while "RELOADING=1" not in (await self._told()):
            pass
        assert "STATUS=Answering phones" in (await self._told())

    async def _told(self) -> list[str]:
        return (await asyncio.to_thread(self._manager.recv, 4096)).decode().splitlines()

    def mend(self) -> None:
        """Makes room."""
        self.disk.empty()

    def close(self) -> None:
        """Ends the service manager."""
        super().close()
        self._manager.close()


@pytest.mark.parametrize("kind", [Removed, DirectoryRemoved], ids=lambda kind: kind.__name__)
async def test_answers_go_on_without_the_files(go_through: GoThrough, kind: type[LogFault]) -> None:
    """Phones are answered before, during and after the fault, whatever dies; lines come again without a restart."""
    await go_through(kind)


async def test_answers_go_on_while_the_disk_is_read_only(go_through: GoThrough, make_disk: MakeDisk) -> None:
    """Likewise."""
    disk = make_disk(4096)
    await go_through(ReadOnly, disk=disk, place=disk.path)


async def test_answers_go_on_while_the_disk_is_full(go_through: GoThrough, make_disk: MakeDisk, scrape: Scrape) -> None:
    """Likewise; lost lines are counted."""
    disk = make_disk(1024)
    await go_through(Full, disk=disk, place=disk.path, scrape=scrape)


async def test_each_line_is_written_or_counted(serve: Serve, scrape: Scrape, make_disk: MakeDisk) -> None:
    """While the disk is full and afterwards, each request has a whole line in the log, or is counted as dropped."""
    disk = make_disk(1024)
    log, keys = disk.path / "tvs.log", disk.path / "keys.log"
    service = serve("--log-level", "info", "--log-file", str(log), "--tls-keylog", str(keys))

    def accounted() -> float:
        whole = sum(
            " | info request " in line for line in log.read_text().splitlines(keepends=True) if line[-1] == "\n"
        )
        return whole + scrape(service)[NOT_WRITTEN]

    async def ask() -> None:
        for _ in range(BOTH):
            assert await answers(service, KNOWN, UNKNOWN) == [False, False]

    await ask()
    disk.fill()
    await ask()
    await until(lambda: accounted() == 4 * BOTH, "each request is accounted for")
    lost = scrape(service)[NOT_WRITTEN]
    assert lost > 0
    torn = log.read_text().rpartition("\n")[2]  # it is counted as dropped, and closed by the next line
    disk.empty()
    await ask()
    await until(lambda: accounted() - (" | info request " in torn) == 6 * BOTH, "each request is accounted for")
    assert scrape(service)[NOT_WRITTEN] == lost
    secrets = [line.split() for line in keys.read_text().splitlines()]
    assert all(len(words) == 3 for words in secrets[-5 * BOTH :]), "a torn line is closed before the next one"
