"""Nudges: a process tells others that there is something to look at.

They are forked beside it, and each has a counter in the kernel (eventfd).
"""

from __future__ import annotations

import contextlib
import os


class Nudge:
    """Counters for a number of processes, made before they are forked: one that takes another's place has its counter.

    A nudge says nothing but "look now". One that is lost costs time only: each process looks now and then without it.

    Args:
        processes: how many there are, numbered from 0.
    """

    def __init__(self, processes: int) -> None:
        self._counters = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(processes)]

    def close(self) -> None:
        """Closes the counters: in the parent at its end, and in processes that neither nudge nor are nudged."""
        for descriptor in self._counters:
            os.close(descriptor)

    def end(self, number: int) -> NudgeEnd:
        """The end of the process of this number, which closes the others."""
        for other, descriptor in enumerate(self._counters):
            if other != number:
                os.close(descriptor)
        return NudgeEnd(self._counters[number])

    def all(self) -> None:
        """Nudges all processes, and waits for none."""
        for descriptor in self._counters:
            with contextlib.suppress(BlockingIOError):  # the counter is full
                os.eventfd_write(descriptor, 1)


class NudgeEnd:
    """The end of a process that is nudged.

    Args:
        descriptor: its counter, which does not block.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor that is readable after a nudge, until `take`."""
        return self._descriptor

    def take(self) -> None:
        """Takes all nudges so far."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)
