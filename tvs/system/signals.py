"""Signals in a pipe, one byte for each, so that poll(2) can wait for them; SIGTERM as the end of a process."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

WATCHED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """The signals of a process that supervises others, during a with-block."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in WATCHED:
            signal.signal(number, _nothing)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.set_wakeup_fd(-1)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)  # Python complains of one that comes while it is set
        for number in WATCHED:
            signal.signal(number, signal.SIG_IGN if number is not signal.SIGCHLD else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.close()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._read

    def close(self) -> None:
        """Closes the pipe."""
        for descriptor in (self._read, self._write):
            os.close(descriptor)

    def pending(self) -> list[int]:
        """The signals since the last call, in their order, without SIGCHLD."""
        try:
            numbers = os.read(self._read, 4096)
        except BlockingIOError:
            return []
        return [number for number in numbers if number != signal.SIGCHLD]


def end_on_sigterm() -> None:
    """Lets SIGTERM end this process with `SystemExit`. Those that follow do nothing: they would break off its end."""
    ending = False

    def end(_number: int, _frame: object) -> None:
        nonlocal ending  # not SIG_IGN: Python complains of a signal that had come before it was set
        if not ending:
            ending = True
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)


class EndAtWait:
    """SIGTERM ends this process with `SystemExit`, once, and only while it waits: its work is not broken off."""

    def __init__(self) -> None:
        self._asked = self._waits = self._ends = False
        signal.signal(signal.SIGTERM, self._asks)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The process waits during the with-block, which ends with `SystemExit` if SIGTERM has come or comes."""
        self._waits = True  # before the look: one that comes between the two is not missed
        try:
            if self._asked:
                self._end()
            yield
        finally:
            self._waits = False

    def _asks(self, _number: int, _frame: object) -> None:
        self._asked = True
        if self._waits:
            self._end()

    def _end(self) -> None:
        if not self._ends:
            self._ends = True
            raise SystemExit(0)


def _nothing(_number: int, _frame: object) -> None:
    """The signal's number is in the pipe."""
