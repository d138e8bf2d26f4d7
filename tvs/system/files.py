"""Files replaced atomically, with the previous ones kept beside them."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

KEPT = 5
"""How many previous files stay beside the current one, as NAME.1 (the newest) to NAME.5."""
TFTP_MODE = 0o644
"""Permissions of files that a TFTP server hands to anybody."""
_NO_HARD_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK})
"""What a file system says that has no hard links, or a link that leads to another file system."""


def write_atomically(path: Path, data: bytes, *, keep: bool = False, mode: int = TFTP_MODE) -> None:
    """Replaces a file by one with these bytes: readers see the old file or the new one, whatever happens.

    Args:
        path: the file; its directory must exist. A symbolic link is replaced, not what it points to.
        data: the new content, on the disk before it takes the name.
        keep: whether the file that stood there stays as NAME.1, the one before as NAME.2, up to NAME.5.
        mode: permissions of the new file.

    Raises `OSError`; the old file is then in place as it was.
    """
    staged = StagedFile(path, data, mode=mode)
    try:
        if keep:
            keep_previous(path)
        staged.publish()
    except BaseException:
        staged.discard()
        raise


class StagedFile:
    """A file's new content on the disk, beside the file that it will replace.

    Args:
        path: the file that it will replace; its directory must exist.
        data: the new content.
        mode: permissions of the new file. Written by root, it belongs to the owner of its directory.

    Raises `OSError` where the content cannot be written; nothing is left behind then.
    """

    def __init__(self, path: Path, data: bytes, *, mode: int = TFTP_MODE) -> None:
        self.path = path
        self._temporary = _written_beside(path, data, mode)

    def read_back(self) -> bytes:
        """What stands on the disk."""
        return self._temporary.read_bytes()

    def publish(self) -> None:
        """Gives the content its name, which needs no room on the disk. Raises `OSError`."""
        self._temporary.replace(self.path)
        _sync_directory(self.path.parent)

    def discard(self) -> None:
        """Removes the content unless it was published."""
        self._temporary.unlink(missing_ok=True)


def remove_left_over(path: Path) -> None:
    """Removes what killed writers of this file left beside it. Only for who keeps other writers away."""
    for left_over in path.parent.glob(f".{path.name}.*.new"):
        left_over.unlink(missing_ok=True)


def keep_previous(path: Path) -> None:
    """Gives the file NAME.1 as a second name; what was NAME.1 becomes NAME.2, up to NAME.5.

    The file itself keeps its name, so that it is never gone. Raises `OSError`.
    """
    first = path.with_name(f"{path.name}.1")
    if not path.exists() or (first.exists() and first.samefile(path)):
        return
    for number in range(KEPT - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
            older.unlink(missing_ok=True)  # still there where both were names of one file
    _second_name(path, first)


def _second_name(path: Path, name: Path) -> None:
    """A hard link, or a copy where there can be none."""
    try:
        os.link(path.resolve(), name)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        StagedFile(name, path.read_bytes()).publish()


def _written_beside(path: Path, data: bytes, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            give_to_owner(file.fileno(), path.parent)
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def give_to_owner(descriptor: int, directory: Path) -> None:
    """Gives an open file that root made to the owner of its directory.

    The service runs as the owner of its directories; a command that root runs must not shut it out.
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
