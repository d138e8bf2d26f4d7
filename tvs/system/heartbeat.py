"""Heartbeat of a forked process: a counter in memory that it shares with its parent."""

from __future__ import annotations

import mmap
import struct
from typing import Final

_COUNT: Final = struct.Struct("=Q")


class Heartbeat:
    """A counter that one process increments while it runs; its parent, which made the counter, sees whether it moves.

    The value means nothing: a reader takes each change for a sign of life. What the process is there for must beat, not
    a thread beside it: that would go on while the rest stands still.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNT.size)

    @property
    def count(self) -> int:
        """The number of beats."""
        count: int = _COUNT.unpack(self._memory[:])[0]
        return count

    def beat(self) -> None:
        """Gives a sign of life."""
        self._memory[:] = _COUNT.pack(self.count + 1)
