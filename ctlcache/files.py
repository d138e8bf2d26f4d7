"""Trust lists on disk: read whole or not at all, replaced atomically."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ctlcache.trustlist import MAX_SIZE

KEPT = 5
"""How many previous files stay beside the current one, as NAME.1 (the newest) to NAME.5."""
TFTP_MODE = 0o644
"""Permissions of files that a TFTP server hands to anybody."""


def write_atomically(path: Path, data: bytes, *, keep: bool = False, mode: int = TFTP_MODE) -> None:
    """Replaces a file by one with these bytes: readers see the old file or the new one, whatever happens.

    Args:
        path: the file; its directory must exist. A symbolic link is replaced, not what it points to.
        data: the new content, on the disk before it takes the name.
        keep: whether the file that stood there stays as NAME.1, the one before as NAME.2, up to NAME.5.
        mode: permissions of the new file.

    Raises `OSError`; the old file is then in place as it was.
    """
    temporary = _written_beside(path, data, mode)
    try:
        if keep:
            _keep_previous(path)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _written_beside(path: Path, data: bytes, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _keep_previous(path: Path) -> None:
    """NAME.4 becomes NAME.5 and so on; NAME gets NAME.1 as a second name, so that it is never gone."""
    if not path.exists():
        return
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    os.link(path.resolve(), path.with_name(f"{path.name}.1"))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A file's content at one moment.

    Attributes:
        data: the bytes; one more than `MAX_SIZE` where the file is larger.
        digest: SHA-256 of them.
        torn: whether the file changed while it was read.
    """

    data: bytes
    digest: bytes
    torn: bool


def read_snapshot(path: Path) -> Snapshot:
    """The file's content, without waiting for anybody.

    Raises `FileNotFoundError` where there is none, and another `OSError` where it cannot be read or is not a
    regular file (opening a FIFO would wait for its writer).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(f"{path} is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_SIZE + 1)
        torn = _identity(before) != _identity(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    return Snapshot(data, hashlib.sha256(data).digest(), torn)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
