"""What happened in each second of a run."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tvs.replay.run.failures import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tvs.replay.run.schedule import Plan
    from tvs.replay.run.tally import Progress

FAILURES = frozenset(Failure)


@dataclass(slots=True)
class Second:
    """One second.

    Attributes:
        planned: queries that the schedule has in it.
        counts: what happened in it: ``started``, ``answered``, ``late``, ``dropped`` and failures by name.
        whole: µs that the queries planned in it took.
    """

    planned: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    whole: array[int] = field(default_factory=lambda: array("L"))

    @property
    def failed(self) -> int:
        """Queries that failed in it."""
        return sum(number for what, number in self.counts.items() if what in FAILURES)

    def percentiles(self, percents: Iterable[float]) -> list[float | None]:
        """Seconds that these percents of the values in `whole` do not exceed (nearest rank); None: there are none."""
        values = sorted(self.whole)
        if not values:
            return [None for _ in percents]
        return [values[max(0, math.ceil(len(values) * percent / 100) - 1)] / 1e6 for percent in percents]


@dataclass(slots=True)
class Timeline:
    """All seconds."""

    seconds: dict[int, Second] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)
    _in_flight: dict[int, int] = field(default_factory=dict)

    def plan(self, plan: Plan) -> None:
        """Enters what the schedule has in each second."""
        if plan.open:
            for at, talk in zip(plan.at, plan.talk, strict=True):
                for after, _ in plan.talks[talk]:
                    self._second(int(at + after)).planned += 1

    def add(self, process: int, progress: Progress) -> None:
        """Enters what a process reports."""
        for (second, what), number in progress.counts.items():
            self._second(second).counts[what] += number
            self.total[what] += number
        for second, value in zip(progress.planned_at, progress.whole, strict=True):
            self._second(second).whole.append(value)
        self._in_flight[process] = progress.in_flight

    @property
    def in_flight(self) -> int:
        """Open connections at the last report."""
        return sum(self._in_flight.values())

    @property
    def failed(self) -> int:
        """Queries that failed."""
        return sum(number for what, number in self.total.items() if what in FAILURES)

    def _second(self, number: int) -> Second:
        return self.seconds.setdefault(max(0, number), Second())
