"""Restart policy of a worker slot: at once, with back-off, or never. Pure: the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

STABLE: Final = 30.0
"""Seconds of a worker's life after which earlier failures no longer count."""
AT_ONCE: Final = 3
"""Workers in a row that answered phones and then died, and are replaced without a wait."""
FIRST_WAIT: Final = 0.1
"""Seconds of the first back-off; each further one is twice as long."""
LAST_WAIT_AFTER_CRASH: Final = 1.0
"""Seconds, at most, until a worker that answered phones is replaced: phones wait in its queue."""
LAST_WAIT_AFTER_FAILURE: Final = 10.0
"""Seconds, at most, until the next attempt after a worker that did not start, or hung."""
GIVE_UP: Final = 8
"""Failures in a row (no start, or hung) after which the slot is closed, so that other workers get its phones."""


@dataclass(slots=True)
class RestartPolicy:
    """Restart policy of one slot, with the failures that count.

    A worker that answered phones and died is replaced soon, however often that happens: for phones it is better than
    none. A worker that never got so far, or hangs, keeps phones waiting: after `GIVE_UP` of them in a row there is no
    next attempt.
    """

    _crashes: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)

    def ended(self, *, answered: bool, lived: float) -> float | None:
        """Counts the end of a worker. Seconds until the next start; None: never.

        Args:
            answered: whether the worker accepted phones, and did not hang.
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
    """Seconds of the back-off number `number`, at most `last`."""
    return min(last, FIRST_WAIT * (1 << min(number - 1, 16)))
