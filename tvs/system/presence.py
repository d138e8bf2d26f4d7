"""Signs that a process uses a directory: a shared lock on the directory itself, which ends with the process.

It needs no file, so nothing is left behind, and it works in a directory that is mounted read-only.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ATTEMPTS: Final = 20
_PAUSE: Final = 0.005
"""Seconds between two attempts: who looks holds the lock for microseconds."""


@contextmanager
def present(directory: Path) -> Iterator[int | None]:
    """Shows that a process uses a directory, for the length of a with-block.

    Gives the descriptor that a child process closes, so that the sign ends with this one; None if the file system knows
    no such locks: `is_used` then says None.
    """
    descriptor = _opened(directory)
    try:
        if descriptor is not None and not _locked(descriptor, fcntl.LOCK_SH, _ATTEMPTS):
            os.close(descriptor)
            descriptor = None
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def is_used(directory: Path) -> bool | None:
    """Whether a process shows that it uses a directory; None if that cannot be said.

    It waits for nothing: while another process looks, too, a directory seems used.
    """
    descriptor = _opened(directory)
    if descriptor is None:
        return None
    try:
        free = _locked(descriptor, fcntl.LOCK_EX, attempts=1)
    finally:
        os.close(descriptor)
    return None if free is None else not free


def _opened(directory: Path) -> int | None:
    try:
        return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None


def _locked(descriptor: int, kind: int, attempts: int) -> bool | None:
    """Whether the lock was had; None if the file system has none."""
    for attempt in range(attempts):
        if attempt:
            time.sleep(_PAUSE)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        except OSError:
            return None
        else:
            return True
    return False
