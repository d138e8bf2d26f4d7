"""Files replaced atomically, with the previous ones kept beside them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Content = bytes | Callable[[IO[bytes]], object]

KEPT = 5
"""Number of previous files that stay beside the current one, as NAME.1 (the newest) to NAME.5."""
MAX_COPY = 64 * 1024 * 1024
"""Most bytes of a previous file that is copied, on file systems without hard links."""
TFTP_MODE = 0o644
"""Permissions of files that a TFTP server serves."""
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK})
"""Errors of a file system without hard links, and of a link that leads to another file system."""


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file. Never waits, as opening a FIFO would, and never reads a device.

    Args:
        path: the file; a symbolic link is followed.
        limit: maximum size in bytes.

    Raises `OSError`, whose `strerror` is a sentence also for a file that is too large or not regular.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        data = _read_at_most(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", str(path))
    return data


def _read_at_most(descriptor: int, limit: int) -> bytes:
    """The bytes up to the end or the limit. Raises `OSError`, also for /proc/kmsg while it has nothing to read."""
    data = bytearray()
    while len(data) < limit and (piece := os.read(descriptor, limit - len(data))):
        data += piece
    return bytes(data)


def write_atomically(path: Path, content: Content, *, keep: bool = False, mode: int = TFTP_MODE) -> None:
    """Replaces a file atomically: readers see the old file or the new one, whatever happens.

    Args:
        path: the file; its directory must exist. A symbolic link is replaced, not what it points to.
        content: the new content, or what writes it in pieces; it is on the disk before it gets the name.
        keep: whether the old file stays as NAME.1, the one before as NAME.2, up to NAME.5.
        mode: permissions of the new file.

    Raises `OSError`; the old file is then in place as it was.
    """
    staged = StagedFile(path, content, mode=mode)
    try:
        if keep:
            keep_previous(path)
        staged.publish()
    except BaseException:
        staged.discard()
        raise


class StagedFile:
    """New content of a file, on the disk beside the file that it will replace.

    Args:
        path: the file that it will replace; its directory must exist.
        content: the new content, or what writes it in pieces if it is too large to be held in memory.
        mode: permissions of the new file. A file that root writes belongs to the owner of its directory.

    Raises `OSError` if the content cannot be written; nothing is left behind then.
    """

    def __init__(self, path: Path, content: Content, *, mode: int = TFTP_MODE) -> None:
        self.path = path
        self._temporary = _written_beside(path, content, mode)

    def read_back(self) -> bytes:
        """The bytes on the disk. Raises `OSError`."""
        return read_regular(self._temporary, self._temporary.stat().st_size)

    def publish(self) -> None:
        """Gives the content its name, which needs no space on the disk. Raises `OSError`."""
        self._temporary.replace(self.path)
        _sync_directory(self.path.parent)

    def discard(self) -> None:
        """Removes the content unless it was published."""
        self._temporary.unlink(missing_ok=True)


def remove_left_over(path: Path) -> None:
    """Removes the content that killed writers of this file left. The caller must keep other writers away."""
    for left_over in path.parent.glob(f".{path.name}.*.new"):
        left_over.unlink(missing_ok=True)


def keep_previous(path: Path) -> None:
    """Gives the file the second name NAME.1; NAME.1 becomes NAME.2, up to NAME.5.

    The file keeps its own name, so that it is always there. Raises `OSError`.
    """
    first = path.with_name(f"{path.name}.1")
    if not path.exists() or (first.exists() and first.samefile(path)):
        return
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
            older.unlink(missing_ok=True)  # still there if both were names of one file
    _second_name(path, first)


def give_other_name(path: Path, name: Path) -> None:
    """Renames a file in its directory, durably and in one step; it replaces a file with that name. Raises `OSError`."""
    path.replace(name)
    path.unlink(missing_ok=True)  # still there if both were names of one file
    _sync_directory(path.parent)


def _second_name(path: Path, name: Path) -> None:
    """Makes a hard link, or a copy if the file system has no hard links."""
    try:
        os.link(path.resolve(), name)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        StagedFile(name, read_regular(path, MAX_COPY)).publish()


def _written_beside(path: Path, content: Content, mode: int) -> Path:
    import tempfile  # noqa: PLC0415 - most commands write no file

    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            _give_to_owner(file.fileno(), path.parent)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _give_to_owner(descriptor: int, directory: Path) -> None:
    """Gives a file that root created to the owner of its directory.

    The service runs as the owner of its directories, and must be able to read files of commands that root ran.
    """
    if os.geteuid() == 0:
        status = directory.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
