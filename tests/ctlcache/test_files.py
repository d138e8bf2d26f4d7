"""Snapshots of files on disk, read without waiting."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from ctlcache.files import read_at_most, read_snapshot
from ctlcache.trustlist import MAX_SIZE


def names(directory: Path) -> set[str]:
    """The names in a directory."""
    return {path.name for path in directory.iterdir()}


def test_a_snapshot(tmp_path: Path) -> None:
    """A snapshot has the bytes, at most one more than the limit, and tells contents apart."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = read_snapshot(path)
    assert (first.data, first.torn) == (b"one", False)
    path.write_bytes(bytes(MAX_SIZE + 10))
    second = read_snapshot(path)
    assert len(second.data) == MAX_SIZE + 1
    assert second.digest != first.digest


def test_what_is_not_a_file(tmp_path: Path) -> None:
    """A FIFO, a directory, a device and a circular link are refused at once, without waiting for a writer."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    open_before = names(Path("/proc/self/fd"))
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/null"), tmp_path / "loop"):
        with pytest.raises(OSError, match=r"regular file|symbolic links"):
            read_snapshot(path)
    with pytest.raises(FileNotFoundError):
        read_snapshot(tmp_path / "missing")
    assert names(Path("/proc/self/fd")) == open_before


def test_nothing_to_read_yet() -> None:
    """A descriptor without bytes for now, as /proc/kmsg is at times, is an error of the operating system."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    try:
        with pytest.raises(BlockingIOError):
            read_at_most(reading, 10)
        os.write(writing, b"abc")
        assert read_at_most(reading, 2) == b"ab"
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("path", ["/proc/self/mem", "/proc/self/pagemap", "/proc/self/status"])
def test_odd_files(path: str) -> None:
    """Files of the kernel give bytes or an `OSError`, without waiting."""
    with suppress(OSError):
        assert len(read_snapshot(Path(path)).data) <= MAX_SIZE + 1
