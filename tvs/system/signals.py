"""Signals in a pipe, one byte for each, so that poll(2) can wait for them."""

from __future__ import annotations

import os
import signal
from typing import Final, Self

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
        for number in WATCHED:
            signal.signal(number, signal.SIG_IGN if number is not signal.SIGCHLD else signal.SIG_DFL)
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


def _nothing(_number: int, _frame: object) -> None:
    """The signal's number is in the pipe."""
