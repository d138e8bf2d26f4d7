"""Deadlines of all connections of a worker, behind one coarse timer.

Deadlines of one kind have the same duration, so they expire in the order in which they were set: to set, move or
cancel one is a dictionary operation, and the loop has a single timer for any number of phones.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

TICK = 0.1
"""Seconds between two looks at the deadlines: they are exact to that."""


class Deadline(StrEnum):
    """Kinds of deadlines."""

    HANDSHAKE = "handshake"
    REQUEST = "request"
    WRITE = "write"
    LINGER = "linger"
    CONNECTION = "connection"
    """The whole life of a connection."""


class Expiring(Protocol):
    """An object that has deadlines."""

    def expired(self, deadline: Deadline) -> None:
        """Called when the deadline has passed; it is not set any more."""


class Deadlines:
    """The deadlines of all connections.

    Args:
        durations: seconds of each kind.
    """

    def __init__(self, durations: Mapping[Deadline, float]) -> None:
        self._durations = dict(durations)
        self._waiting: dict[Deadline, dict[Expiring, float]] = {kind: {} for kind in Deadline}

    def change(self, durations: Mapping[Deadline, float], now: float) -> None:
        """Uses other durations: for deadlines set from now on, and for those that are set if that shortens them."""
        self._durations = dict(durations)
        for kind, waiting in self._waiting.items():
            latest = now + self._durations[kind]  # none is later: the dictionary stays in the order of expiry
            self._waiting[kind] = {item: min(when, latest) for item, when in waiting.items()}

    def set(self, item: Expiring, deadline: Deadline, now: float) -> None:
        """Starts or restarts a deadline of `item`; `now` in seconds of a monotonic clock."""
        waiting = self._waiting[deadline]
        waiting.pop(item, None)
        waiting[item] = now + self._durations[deadline]

    def cancel(self, item: Expiring, deadline: Deadline) -> None:
        """Cancels a deadline of `item`, if it is set."""
        self._waiting[deadline].pop(item, None)

    def cancel_all(self, item: Expiring) -> None:
        """Cancels all deadlines of `item`."""
        for waiting in self._waiting.values():
            waiting.pop(item, None)

    def expire(self, now: float) -> None:
        """Calls `expired` of each item whose deadline has passed."""
        for kind, waiting in self._waiting.items():
            late = []
            for item, when in waiting.items():
                if when > now:
                    break
                late.append(item)
            for item in late:
                if waiting.pop(item, None) is not None:
                    item.expired(kind)
