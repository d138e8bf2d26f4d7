"""Trust lists on disk, read whole."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctlcache.trustlist import MAX_SIZE

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file's content at one moment.

    Attributes:
        data: the bytes; `MAX_SIZE` + 1 of them if the file is larger than `MAX_SIZE`.
        digest: SHA-256 of them.
        torn: whether the file changed while it was read.
    """

    data: bytes
    digest: bytes
    torn: bool


def read_snapshot(path: Path) -> Snapshot:
    """The file's content. Never waits, as opening a FIFO would for its writer.

    Raises `FileNotFoundError` if there is none, and another `OSError` if it cannot be read or is not a regular file;
    /proc/kmsg is one that has nothing to read at times.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(f"{path} is not a regular file")
        data = read_at_most(descriptor, MAX_SIZE + 1)
        torn = _identity(before) != _identity(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return Snapshot(data, hashlib.sha256(data).digest(), torn)


def read_at_most(descriptor: int, limit: int) -> bytes:
    """The bytes up to the end or the limit. Raises `OSError`, also if a non-blocking descriptor has nothing to read."""
    data = bytearray()
    while len(data) < limit and (piece := os.read(descriptor, limit - len(data))):
        data += piece
    return bytes(data)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
