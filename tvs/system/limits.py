"""Limits of the operating system on this process."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_CORE = 1
"""Bytes of a core file at most. One byte is too little for a file, and the kernel pipes none to a program either."""
_NO_THREAD = ("can't start new thread", "can't allocate lock")
"""Texts of the RuntimeError with which Python says so."""
OTHERS_WRITE = 0o022
"""Permissions that nothing gets which a command makes: writing for group and others."""


SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of a system call for which a descriptor or memory is missing for the moment."""


def shortage(error: BaseException) -> str | None:
    """What this process lacks, if an error says that it lacks memory, descriptors or threads; None for other errors."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError) and error.errno in SHORTAGES:
        return str(error)
    if isinstance(error, RuntimeError) and str(error) in _NO_THREAD:
        return "no thread can be started: out of memory, or too many processes"
    return None


def keep_private() -> None:
    """Lets this process and its children leave no core file, and make nothing that other users can write to.

    Keys and PINs would be in the core file. The limit of 1 byte also holds where cores are piped to a program
    (core(5): a limit of 0 does not).
    """
    os.umask(os.umask(OTHERS_WRITE) | OTHERS_WRITE)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (NO_CORE if hard else 0, hard))


class Reserve:
    """Descriptors that are kept for a piece of work that must go on when there are no others left.

    Args:
        number: how many the work needs at the same time.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._kept: list[int] = []
        self._fill()

    @contextlib.contextmanager
    def released(self) -> Iterator[None]:
        """Frees them during a with-block; those that cannot be had back then are taken the next time."""
        self.close()
        try:
            yield
        finally:
            self._fill()

    def close(self) -> None:
        """Frees them."""
        while self._kept:
            os.close(self._kept.pop())

    def _fill(self) -> None:
        with contextlib.suppress(OSError):
            while len(self._kept) < self._number:
                self._kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))


def descriptor_limit() -> int:
    """The number that no new descriptor of this process reaches."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def raise_descriptor_limit() -> None:
    """Raises the limit of open files as far as the system allows: each phone is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
