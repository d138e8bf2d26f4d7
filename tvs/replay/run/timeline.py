"""Counts and latencies of a run by second."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tvs.replay.run.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tvs.replay.run.counters import Progress
    from tvs.replay.run.schedule import Schedule

FAILURES = frozenset(Failure)


@dataclass(slots=True)
class Second:
    """One second of a run.

    Attributes:
        planned: queries that the schedule has in this second.
        counts: ``started``, ``answered``, ``late``, ``dropped`` and failures by name.
        whole: µs that the queries planned for this second took.
    """

    planned: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    whole: array[int] = field(default_factory=lambda: array("L"))

    @property
    def failed(self) -> int:
        """Queries that failed in this second."""
        return sum(number for event, number in self.counts.items() if event in FAILURES)

    def percentiles(self, percents: Iterable[float]) -> list[float | None]:
        """Percentiles of `whole` by nearest rank, in seconds; None for each if `whole` is empty."""
        values = sorted(self.whole)
        if not values:
            return [None for _ in percents]
        return [values[max(0, math.ceil(len(values) * percent / 100) - 1)] / 1e6 for percent in percents]


@dataclass(slots=True)
class Timeline:
    """All seconds of a run; only those with an event have an entry."""

    seconds: dict[int, Second] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)
    _in_flight: dict[int, int] = field(default_factory=dict)

    def add_schedule(self, schedule: Schedule) -> None:
        """Adds the planned queries of an open schedule."""
        if schedule.open:
            for at, talk in zip(schedule.at, schedule.talk, strict=True):
                for after, _ in schedule.talks[talk]:
                    self._second(int(at + after)).planned += 1

    def add(self, process: int, progress: Progress) -> None:
        """Adds the report of a process."""
        for (second, event), number in progress.counts.items():
            self._second(second).counts[event] += number
            self.total[event] += number
        for second, value in zip(progress.planned_at, progress.whole, strict=True):
            self._second(second).whole.append(value)
        self._in_flight[process] = progress.in_flight

    @property
    def in_flight(self) -> int:
        """Open connections by the last report of each process."""
        return sum(self._in_flight.values())

    @property
    def failed(self) -> int:
        """Queries that failed."""
        return sum(number for event, number in self.total.items() if event in FAILURES)

    def _second(self, number: int) -> Second:
        return self.seconds.setdefault(max(0, number), Second())
