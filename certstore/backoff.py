"""The waits between attempts to reach a database."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_RETRY = 0.25
LAST_RETRY = 3.0
"""Seconds between attempts while the database cannot be reached: doubled from the first value to the last. With the
random part, all nodes have read a database within 5 s of its return."""
JITTER = 0.5
"""Most that a wait is longer by, as a part of it: nodes that lost one server at once do not come back at once."""


class Backoff:
    """Exponential back-off: the wait before the next attempt, doubled each time up to a limit, in seconds.

    Each wait is longer than that by a random part of it, up to `JITTER`.
    """

    def __init__(
        self, first: float = FIRST_RETRY, last: float = LAST_RETRY, chance: Callable[[], float] = random.random
    ) -> None:
        """Starts at the first wait.

        Args:
            first: the first wait, in seconds.
            last: the longest one.
            chance: gives a number from 0 to 1 for each wait.
        """
        self._first = first
        self._last = last
        self._next = first
        self._chance = chance

    def next(self) -> float:
        """The wait after one more failure, in seconds."""
        wait = self._next
        self._next = min(2 * wait, self._last)
        return wait * (1 + JITTER * self._chance())

    def reset(self) -> None:
        """Starts anew after a success."""
        self._next = self._first
