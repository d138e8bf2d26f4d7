"""The file of an SQLite database: made with mode 0600, and refused if others may write to it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from certstore.errors import StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path


SIDES = ("-journal", "-wal", "-shm")
"""Endings of the names of SQLite's files beside the database."""
NEW = "make it with: tvs init"
LOST = "restore it from the backup"
"""Advice for a database that was never made, and for one that was there: a running service goes on from memory."""


def create_file(path: Path) -> None:
    """Makes the file, empty and with mode 0600, before SQLite opens it; never through a symbolic link."""
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreUnavailable(f"{path}: the database cannot be made: {reason}") from error
    try:
        if os.geteuid() == 0:  # the service runs as the owner of the directory
            directory = path.parent.stat()
            os.fchown(file, directory.st_uid, directory.st_gid)
    finally:
        os.close(file)


def checked_file(path: Path, advice: str = NEW) -> tuple[int, int]:
    """Device and inode of the database file. Raises `StoreUnavailable` if it is missing, or others may write to it.

    `advice`: what to do about a missing one.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise StoreUnavailable(f"{path}: there is no database; {advice}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreUnavailable(f"{path}: the database cannot be opened: {reason}") from error
    if not stat.S_ISREG(status.st_mode):
        raise StoreUnavailable(f"{path}: not a regular file, so not a database")
    if status.st_mode & stat.S_IWOTH:
        raise StoreUnavailable(f"{path}: every user may write to the database; run: chmod o-rwx {path}")
    for beside in SIDES:
        _check_beside(path.with_name(path.name + beside))
    return status.st_dev, status.st_ino


def is_read_only(path: Path) -> bool:
    """Whether the file system of a file is mounted read-only: SQLite keeps its journal beside it, also for readers."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _check_beside(path: Path) -> None:
    """SQLite opens its journal in a way that waits for ever if it is a FIFO."""
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return
    if not regular:
        raise StoreUnavailable(f"{path}: not a regular file, so not SQLite's; remove it")
