"""Heartbeat of a forked process: a counter in memory that it shares with its parent."""

from __future__ import annotations

import mmap
import struct
import threading
import time
from typing import Final

INTERVAL: Final = 0.5
"""Seconds between two beats."""
_COUNT: Final = struct.Struct("=Q")


class Heartbeat:
    """A counter that one process increments while it runs; its parent, which made the counter, sees whether it moves.

    The value means nothing: a reader takes each change for a sign of life.
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

    def start(self) -> None:
        """Beats every `INTERVAL` seconds from now on, in a thread of its own: slow clients do not hold it up."""
        threading.Thread(target=self._beat_on, name="heartbeat", daemon=True).start()

    def _beat_on(self) -> None:
        while True:
            self.beat()
            time.sleep(INTERVAL)
