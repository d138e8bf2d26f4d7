"""Effective user and groups, changed for the process with all its threads, or for one thread alone.

Linux has them for each thread; the C library, and Python with it, changes those of all threads at once. A thread beside
the main one calls the system itself, and so changes its own.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Setters(NamedTuple):
    """Functions that change rights. Each raises `OSError` if that is not allowed.

    Attributes:
        user: the effective user.
        group: the effective group.
        groups: all further groups.
    """

    user: Callable[[int], None]
    group: Callable[[int], None]
    groups: Callable[[Sequence[int]], None]


def setters() -> Setters:
    """What the calling thread uses: the main one changes the process, another one itself.

    Where threads cannot have rights of their own (on another system than Linux, and on machines whose numbers of system
    calls are not known here) they always count for the process.
    """
    if threading.current_thread() is threading.main_thread():
        return _OF_PROCESS
    return _of_thread() or _OF_PROCESS


_OF_PROCESS = Setters(os.seteuid, os.setegid, os.setgroups)


class _Numbers(NamedTuple):
    """Numbers of system calls, from Linux's tables (arch/…/syscalls, asm-generic/unistd.h)."""

    setresuid: int
    setresgid: int
    setgroups: int


_GENERIC = _Numbers(setresuid=147, setresgid=149, setgroups=159)
_NUMBERS = {
    "x86_64": _Numbers(setresuid=117, setresgid=119, setgroups=116),
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
    "loongarch64": _GENERIC,
}
_UNCHANGED = -1


def _of_thread() -> Setters | None:
    numbers = _NUMBERS.get(os.uname().machine)
    if sys.platform != "linux" or sys.maxsize < 2**32 or numbers is None:  # 32-bit programs have other numbers
        return None
    import ctypes  # noqa: PLC0415 - commands have one thread

    system = ctypes.CDLL(None, use_errno=True).syscall

    def call(number: int, *values: Any) -> None:
        if system(ctypes.c_long(number), *values) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def set_one(number: int, value: int, now: Callable[[], int]) -> None:
        call(number, *map(ctypes.c_long, (_UNCHANGED, value, _UNCHANGED)))
        _check(now() == value)

    def set_groups(groups: Sequence[int]) -> None:
        call(numbers.setgroups, ctypes.c_long(len(groups)), (ctypes.c_uint32 * len(groups))(*groups))
        _check(sorted(os.getgroups()) == sorted(groups))

    return Setters(
        user=lambda user: set_one(numbers.setresuid, user, os.geteuid),
        group=lambda group: set_one(numbers.setresgid, group, os.getegid),
        groups=set_groups,
    )


def _check(done: bool) -> None:
    """Raises `OSError` if the rights are not those that were asked for: nothing may go on with too many."""
    if not done:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
