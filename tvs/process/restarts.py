"""When a worker that ended is started again: at once, later, or never. Pure: the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

STABLE: Final = 30.0
"""Seconds that a worker must have run for what went wrong before to be forgotten."""
AT_ONCE: Final = 3
"""Workers that answered phones and then died: so many in a row are replaced without a wait."""
FIRST_WAIT: Final = 0.1
LAST_WAIT_AFTER_CRASH: Final = 1.0
"""Seconds at the most before a worker is replaced that answered phones before it died: phones wait in its queue."""
LAST_WAIT_AFTER_FAILURE: Final = 10.0
"""Seconds at the most before the next attempt where a worker did not even start, or hung."""
GIVE_UP: Final = 8
"""Failures in a row (no start, or hung) after which the slot is closed, so that phones go elsewhere."""


@dataclass(slots=True)
class RestartPolicy:
    """The history of one slot, as far as it counts.

    A worker that answered phones and died is replaced soon, however often that happens: phones are better off with
    it than without. One that never got so far, or hangs, keeps phones waiting: after `GIVE_UP` of those in a row
    there is no next attempt.
    """

    _crashes: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)

    def ended(self, *, answered: bool, lived: float) -> float | None:
        """Seconds to wait before the next start; None: give up.

        Args:
            answered: whether the worker got so far as to accept phones, and did not hang.
            lived: seconds from its start to its end.
        """
        if lived >= STABLE:
            self._crashes = self._failures = 0
        if answered:
            self._crashes, self._failures = self._crashes + 1, 0
            over = self._crashes - AT_ONCE
            return 0.0 if over <= 0 else _wait(over, LAST_WAIT_AFTER_CRASH)
        self._failures += 1
        return None if self._failures >= GIVE_UP else _wait(self._failures, LAST_WAIT_AFTER_FAILURE)


def _wait(number: int, last: float) -> float:
    """Doubled with each time, up to `last`."""
    return min(last, FIRST_WAIT * (1 << min(number - 1, 16)))
