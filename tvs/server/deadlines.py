"""One coarse timer for all deadlines of a worker.

Deadlines of one kind all last equally long, so they expire in the order in which they were set: setting, moving
and cancelling one is a dictionary operation, and the loop keeps a single timer however many phones there are.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

TICK = 0.1
"""Seconds between two looks at the deadlines: they are exact to that."""


class Deadline(StrEnum):
    """What a connection can be waiting for."""

    HANDSHAKE = "handshake"
    REQUEST = "request"
    WRITE = "write"
    LINGER = "linger"
    CONNECTION = "connection"
    """The whole life of a connection, whatever it waits for."""


class Expiring(Protocol):
    """Something that has deadlines."""

    def expired(self, deadline: Deadline) -> None:
        """The deadline has passed; it is set no longer."""


class Deadlines:
    """The deadlines of all connections.

    Args:
        durations: seconds, for each kind.
    """

    def __init__(self, durations: Mapping[Deadline, float]) -> None:
        self._durations = dict(durations)
        self._waiting: dict[Deadline, dict[Expiring, float]] = {kind: {} for kind in Deadline}

    def change(self, durations: Mapping[Deadline, float], now: float) -> None:
        """New durations, for deadlines set from now on; those that are set are not extended, but may be shortened."""
        self._durations = dict(durations)
        for kind, waiting in self._waiting.items():
            latest = now + self._durations[kind]  # so that they still expire in the order in which they stand
            self._waiting[kind] = {item: min(when, latest) for item, when in waiting.items()}

    def set(self, item: Expiring, deadline: Deadline, now: float) -> None:
        """Starts or restarts a deadline of `item`; `now` in seconds of a monotonic clock."""
        waiting = self._waiting[deadline]
        waiting.pop(item, None)
        waiting[item] = now + self._durations[deadline]

    def cancel(self, item: Expiring, deadline: Deadline) -> None:
        """Takes a deadline of `item` away, if it is set."""
        self._waiting[deadline].pop(item, None)

    def cancel_all(self, item: Expiring) -> None:
        """Takes all deadlines of `item` away."""
        for waiting in self._waiting.values():
            waiting.pop(item, None)

    def expire(self, now: float) -> None:
        """Tells everyone whose deadline has passed."""
        for kind, waiting in self._waiting.items():
            late = []
            for item, when in waiting.items():
                if when > now:
                    break
                late.append(item)
            for item in late:
                if waiting.pop(item, None) is not None:
                    item.expired(kind)
