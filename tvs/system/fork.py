"""Forking, with the signals of parent and child."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

from tvs.system.limits import shortage

if TYPE_CHECKING:
    from collections.abc import Callable

OUT_OF_MEMORY = int(errno.ENOMEM)
"""Exit status of a child that ended for lack of memory, or of threads, which is mostly the same."""
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent dies."""


def fork(work: Callable[[], int], *, on_parents_death: signal.Signals = signal.SIGKILL) -> int:
    """Runs `work` in a child process, which ends with the status that it returns. Gives the child's process id.

    The child starts without the parent's signal handlers, ignores SIGINT and SIGHUP (a terminal sends them to all
    processes; the parent alone acts on them), and gets `on_parents_death` when the parent dies, however it dies.
    The caller must have no thread, event loop or open database. Raises `OSError`.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # none may reach a child that is not set up
    try:
        child = os.fork()
        if child == 0:
            _run_child(work, parent, on_parents_death, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return child


def _run_child(
    work: Callable[[], int], parent: int, on_parents_death: signal.Signals, mask: set[int | signal.Signals]
) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _die_with_parent(parent, on_parents_death)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        gc.enable()
        status = _status_of(work)
    finally:  # nothing may continue in the parent's code, whatever fails: it would end the parent's other children
        os._exit(status)


def _status_of(work: Callable[[], int]) -> int:
    """Does the work of a child, and gives its exit status."""
    status = 1
    try:
        status = work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - its place is the log
        with contextlib.suppress(MemoryError):
            status = OUT_OF_MEMORY
            status = _reported(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a full disk, nobody who reads, a stream that was closed
            stream.flush()
    return status


def _reported(error: BaseException) -> int:
    """Prints the traceback of what has ended a child, but for lack of memory: it would take some. Gives the status.

    Python's own clean-up fails then too, with other errors: SystemError, or no thread can be started.
    """
    first: BaseException | None = error
    while first is not None:
        if isinstance(first, (MemoryError, RuntimeError)) and shortage(first):
            return OUT_OF_MEMORY
        first = first.__context__
    traceback.print_exc()
    return 1


def _die_with_parent(parent: int, number: signal.Signals) -> None:
    """Asks the system for a signal at the parent's death; ends at once if that was before."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os._exit(1)
