"""Budget of log bytes: bounds what the requests of strangers write, in the long run and at once."""

from __future__ import annotations

from typing import Final

BYTES_A_SECOND: Final = 2 * 1024 * 1024
"""Bytes a second of one worker's lines: 6,000 requests with the names of real certificates, more than a worker answers
on connections of their own. One client with long names made 19 MB a second."""


class Budget:
    """Bytes that may be written: they come back with time, up to those of one second.

    Args:
        per_second: bytes a second, also the maximum at once.
    """

    def __init__(self, per_second: int = BYTES_A_SECOND) -> None:
        self._per_second = per_second
        self._room: float = per_second
        self._last = 0.0

    def room(self, now: float) -> float:
        """Bytes that may be written now; not positive if the budget is spent. `now`: monotonic seconds."""
        self._room = min(self._per_second, self._room + (now - self._last) * self._per_second)
        self._last = now
        return self._room

    def spend(self, size: int) -> None:
        """Bytes were written, whether there was room for them or not."""
        self._room -= size
