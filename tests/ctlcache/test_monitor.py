"""The monitor with real files: it notices every kind of change while look-ups go on."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from ctlcache.cache import CertificateCTLCache
from ctlcache.inspection import FileState
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

ISSUER = "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
OLD = bytes.fromhex("70CAF64E090751B9DF22F49F754FC5BB")
NEW = bytes.fromhex("6B1D357B6841740B078FEE4A1813D5D6")
PATIENCE = 30
"""Seconds after which a condition is given up; it is met in a fraction of one."""


class Watched:
    """A cache, its file and its events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[str] = []
        self.cache = CertificateCTLCache(path, on_event=self._event)

    def _event(self, name: str, _fields: dict[str, object]) -> None:
        self.events.append(name)

    def knows(self, serial_number: bytes) -> bool:
        """Whether the certificate is in use."""
        return self.cache.lookup(serial_number, ISSUER) is not None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for a condition."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - what is waited for is on the disk
                await asyncio.sleep(0.002)

    async def until_state(self, state: FileState) -> None:
        """Waits for a state."""
        await self.until(lambda: self.cache.state is state)

    @asynccontextmanager
    async def monitored(self) -> AsyncIterator[asyncio.Task[None]]:
        """The monitor at work; it must still be at work at the end."""
        task = asyncio.create_task(self.cache.monitor(0.005))
        try:
            yield task
            assert not task.done()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def watched(tmp_path: Path, tokenless: bytes) -> Watched:
    """A cache with the tokenless file in use."""
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(tokenless)
    watched = Watched(path)
    assert watched.cache.load()
    return watched


def rename_over(path: Path, data: bytes) -> None:
    """Another file takes the name."""
    write_atomically(path, data)


def swap_link(path: Path, data: bytes) -> None:
    """The name becomes a link to another file, and the link is swapped."""
    target = path.with_name("target.tlv")
    target.write_bytes(data)
    link = path.with_name("link")
    link.symlink_to(target)
    link.replace(path)


def swap_directory(path: Path, data: bytes) -> None:
    """The name leads through a linked directory, as mounted configuration does, and the directory is swapped."""
    directory = path.with_name("version-2")
    directory.mkdir()
    (directory / path.name).write_bytes(data)
    (path.with_name("current")).symlink_to(directory)
    path.unlink()
    path.symlink_to(path.with_name("current") / path.name)


def rewrite_in_place(path: Path, data: bytes) -> None:
    """The same file gets other bytes, with its old time of modification."""
    times = path.stat()
    with path.open("r+b") as file:
        file.truncate()
        for start in range(0, len(data), 1000):
            file.write(data[start : start + 1000])
            file.flush()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove_and_create(path: Path, data: bytes) -> None:
    """The file is removed, and another one is made."""
    path.unlink()
    path.write_bytes(data)


@pytest.mark.parametrize(
    "change", [rename_over, swap_link, swap_directory, rewrite_in_place, remove_and_create], ids=lambda f: f.__name__
)
async def test_a_change_is_noticed(watched: Watched, regenerated: bytes, change: Callable[[Path, bytes], None]) -> None:
    """After every kind of change the new list is in use soon, and nothing bad is reported meanwhile."""
    async with watched.monitored():
        change(watched.path, regenerated)
        await watched.until(lambda: watched.knows(NEW))
    assert not watched.knows(OLD)
    assert watched.events == ["reloaded", "reloaded"]


async def test_removal_and_return(watched: Watched, tokenless: bytes) -> None:
    """A removed file is reported once, its certificates stay in use, and its return is reported."""
    async with watched.monitored():
        watched.path.unlink()
        await watched.until_state(FileState.MISSING)
        await asyncio.sleep(0.05)
        assert watched.knows(OLD)
        watched.path.write_bytes(tokenless)
        await watched.until_state(FileState.OK)
    assert watched.events == ["reloaded", "missing", "reloaded"]


async def test_a_file_that_comes_later(tmp_path: Path, tokenless: bytes) -> None:
    """A file that did not exist at the start is put in use when it comes."""
    watched = Watched(tmp_path / "tftp" / "CTLFile.tlv")
    assert not watched.cache.load()
    async with watched.monitored():
        watched.path.parent.mkdir()
        watched.path.write_bytes(tokenless)
        await watched.until(lambda: watched.knows(OLD))
    assert watched.events == ["missing", "reloaded"]


@pytest.mark.parametrize("in_its_place", ["directory", "fifo", "loop"])
async def test_what_is_not_a_file(watched: Watched, regenerated: bytes, in_its_place: str) -> None:
    """With anything in the file's place, the monitor goes on, and a good file afterwards is used."""
    path = watched.path
    async with watched.monitored():
        path.unlink()
        if in_its_place == "directory":
            path.mkdir()
        elif in_its_place == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to(path)
        await watched.until_state(FileState.UNREADABLE)
        assert watched.knows(OLD)
        path.rmdir() if in_its_place == "directory" else path.unlink()
        path.write_bytes(regenerated)
        await watched.until(lambda: watched.knows(NEW))
    assert watched.events == ["reloaded", "unreadable", "reloaded"]


async def test_a_bad_file_is_reported_once(watched: Watched, tokenless: bytes, regenerated: bytes) -> None:
    """A damaged and then an unsigned file are each reported once, while the old list stays in use."""
    async with watched.monitored():
        write_atomically(watched.path, regenerated[:3000])
        await watched.until_state(FileState.DAMAGED)
        await asyncio.sleep(0.05)
        write_atomically(watched.path, regenerated[:-1] + b"\xff")
        await watched.until_state(FileState.UNVERIFIED)
        await asyncio.sleep(0.05)
        assert watched.knows(OLD)
        assert not watched.knows(NEW)
        write_atomically(watched.path, regenerated)
        await watched.until(lambda: watched.knows(NEW))
    assert watched.events == ["reloaded", "damaged", "unverified", "reloaded"]


async def test_a_thousand_replacements(watched: Watched, tokenless: bytes, regenerated: bytes) -> None:
    """1,000 replacements with look-ups between: at each moment exactly one whole list is in use."""
    async with watched.monitored():
        for number in range(1000):
            write_atomically(watched.path, regenerated if number % 2 == 0 else tokenless)
            await asyncio.sleep(0)
            assert watched.knows(OLD) != watched.knows(NEW)
        write_atomically(watched.path, regenerated)
        await watched.until(lambda: watched.knows(NEW))
    assert set(watched.events) == {"reloaded"}


async def test_a_check_beside_the_monitor(watched: Watched, tokenless: bytes, regenerated: bytes) -> None:
    """A check on demand during one of the monitor does not bring an older list back."""
    async with watched.monitored():
        for data in (regenerated, tokenless) * 20:
            write_atomically(watched.path, data)
            watched.cache.check()
            await asyncio.sleep(0.001)
            assert watched.knows(NEW) is (data is regenerated)


async def test_errors_do_not_end_the_monitor(
    watched: Watched, regenerated: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unforeseen error is reported once, and the monitor goes on."""

    def fail(*_arguments: object) -> None:
        raise RuntimeError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr("ctlcache.cache.inspect_file", fail)
        async with watched.monitored():
            await watched.until(lambda: "monitor_error" in watched.events)
            await asyncio.sleep(0.05)
            assert watched.events == ["reloaded", "monitor_error"]
            patch.undo()
            write_atomically(watched.path, regenerated)
            await watched.until(lambda: watched.knows(NEW))
    assert watched.events == ["reloaded", "monitor_error", "reloaded"]


async def test_cancelling_is_the_normal_end(watched: Watched) -> None:
    """The monitor ends when it is cancelled, at any point."""
    async with watched.monitored() as task:
        await asyncio.sleep(0.02)
    assert task.cancelled()
