"""Deadlines of all connections of a worker, behind one coarse timer.

A deadline is a number in a field of its connection: to set, move or clear one costs a store. The timer looks at the
earliest of each connection: 10,000 take about half a millisecond.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TICK = 0.1
"""Seconds between two looks at the deadlines: they are exact to that."""
NEVER = math.inf


class Deadline(StrEnum):
    """Kinds of deadlines."""

    HANDSHAKE = "handshake"
    REQUEST = "request"
    WRITE = "write"
    LINGER = "linger"
    CONNECTION = "connection"
    """The whole life of a connection."""


HANDSHAKE_TIME, REQUEST_TIME, WRITE_TIME, LINGER_TIME, CONNECTION_TIME = Deadline
"""The kinds; a global costs a sixth of an attribute of an enumeration (Python 3.11)."""


class Timed:
    """A connection with deadlines: one of its current phase, one for what it has to send, one of its whole life.

    Moments are seconds of a monotonic clock.

    Attributes:
        due: no deadline passes before this moment. It may be too early, never too late.
    """

    __slots__ = ("_deadlines", "_ends", "_phase", "_phase_ends", "_write_ends", "due")
    _phase: Deadline

    def expired(self, deadline: Deadline) -> None:
        """Called when a deadline has passed; it is not set any more."""
        raise NotImplementedError

    def begin_deadlines(self, deadlines: Deadlines, phase: Deadline, now: float) -> None:
        """Starts the deadline of the first phase, and that of the whole life; the first call of all.

        Args:
            deadlines: the worker's.
            phase: the first phase.
            now: moment of the connection's beginning.
        """
        durations = deadlines.durations
        self._deadlines = deadlines
        self._phase = phase
        self._phase_ends = phase_ends = now + durations[phase]
        self._ends = ends = now + durations[CONNECTION_TIME]
        self._write_ends = NEVER
        self.due = phase_ends if phase_ends < ends else ends  # noqa: FURB136 - a call of min costs three times as much
        deadlines.connections.add(self)

    def set_phase(self, phase: Deadline, now: float) -> None:
        """Starts or restarts the deadline of a phase, which takes the place of that of the last phase."""
        self._phase = phase
        self._phase_ends = ends = now + self._deadlines.durations[phase]
        if ends < self.due:  # noqa: PLR1730 - a call of min costs three times as much
            self.due = ends

    def clear_phase(self) -> None:
        """Clears the phase's deadline."""
        self._phase_ends = NEVER

    def set_write(self, now: float) -> None:
        """Starts or restarts the deadline for what is to be sent."""
        self._write_ends = ends = now + self._deadlines.durations[WRITE_TIME]
        if ends < self.due:  # noqa: PLR1730 - a call of min costs three times as much
            self.due = ends

    def clear_write(self) -> None:
        """Clears that deadline."""
        self._write_ends = NEVER

    def set_last(self, phase: Deadline, now: float) -> None:
        """Starts the deadline of the last phase, and clears all others."""
        self._write_ends = self._ends = NEVER
        self.set_phase(phase, now)

    def clear_deadlines(self) -> None:
        """Clears all deadlines, for ever."""
        self.due = self._phase_ends = self._write_ends = self._ends = NEVER
        self._deadlines.connections.discard(self)

    def shorten(self, now: float) -> None:
        """Lets no running deadline last longer than it would if it began now."""
        durations = self._deadlines.durations
        self._phase_ends = _shorter(self._phase_ends, now + durations[self._phase])
        self._write_ends = _shorter(self._write_ends, now + durations[WRITE_TIME])
        self._ends = _shorter(self._ends, now + durations[CONNECTION_TIME])
        self.due = min(self._phase_ends, self._write_ends, self._ends)

    def passed(self, now: float) -> Deadline | None:
        """A deadline that has passed, which is cleared; None if there is none."""
        found: Deadline | None = None
        if self._phase_ends <= now:
            found, self._phase_ends = self._phase, NEVER
        elif self._write_ends <= now:
            found, self._write_ends = WRITE_TIME, NEVER
        elif self._ends <= now:
            found, self._ends = CONNECTION_TIME, NEVER
        self.due = min(self._phase_ends, self._write_ends, self._ends)
        return found


def _shorter(running: float, latest: float) -> float:
    return running if running == NEVER else min(running, latest)


class Deadlines:
    """The deadlines of all connections.

    Args:
        durations: seconds of each kind.

    Attributes:
        durations: seconds of each kind, for deadlines that are set from now on.
        connections: those that have deadlines.
    """

    def __init__(self, durations: Mapping[Deadline, float]) -> None:
        self.durations = dict(durations)
        self.connections: set[Timed] = set()

    def change(self, durations: Mapping[Deadline, float], now: float) -> None:
        """Uses other durations: for deadlines set from now on, and for those that are set if that shortens them."""
        self.durations = dict(durations)
        for connection in self.connections:
            connection.shorten(now)

    def expire(self, now: float) -> None:
        """Calls `expired` of each connection whose deadline has passed; a second one of it waits for the next look."""
        for connection in [connection for connection in self.connections if connection.due <= now]:
            deadline = connection.passed(now)
            if deadline is not None:
                connection.expired(deadline)
