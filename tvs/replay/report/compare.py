"""Comparison of two results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvs.replay.report.text import PHASE_NAMES, aligned
from tvs.replay.run.counters import Phase
from tvs.replay.units import duration_text

if TYPE_CHECKING:
    from tvs.replay.report.result import RunResult

PERCENTS = (50, 90, 99, 99.9)


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of both runs.

    Attributes:
        name: name of the number.
        before, after: its values in the first and the second run.
        time: whether the values are seconds.
    """

    name: str
    before: float
    after: float
    time: bool = False

    @property
    def change(self) -> float | None:
        """Relative change: 0.1 is 10 % more; None if `before` is 0."""
        return self.after / self.before - 1 if self.before else None

    def cells(self) -> tuple[str, str, str, str]:
        """Row of the table: name, both values, change."""
        shown = [duration_text(value) if self.time else f"{value:.6g}" for value in (self.before, self.after)]
        same = self.before == self.after
        change = "" if same else "new" if self.change is None else f"{self.change:+.1%}"
        return self.name, shown[0], shown[1], change


def differences(before: RunResult, after: RunResult) -> list[Difference]:
    """Differences in counts, rate, latencies and failures."""
    found = [
        Difference("answered", before.answered, after.answered),
        Difference("answers/s", round(before.rate, 1), round(after.rate, 1)),
        Difference("failed", before.failed, after.failed),
        Difference("late", before.late, after.late),
        Difference("dropped", before.dropped, after.dropped),
    ]
    for phase in Phase:
        one, two = before.histograms[phase], after.histograms[phase]
        found += [
            Difference(
                f"{PHASE_NAMES[phase]} p{percent:g}", one.percentile(percent), two.percentile(percent), time=True
            )
            for percent in PERCENTS
        ]
        found.append(Difference(f"{PHASE_NAMES[phase]} max", one.maximum, two.maximum, time=True))
    kinds = dict.fromkeys([*before.failures, *after.failures])
    found += [Difference(kind, before.failures.get(kind, 0), after.failures.get(kind, 0)) for kind in kinds]
    return found


def doubts(before: RunResult, after: RunResult) -> list[str]:
    """Reasons why the two runs do not compare directly."""
    found = [
        f"they differ in {name}: {getattr(before, name)} and {getattr(after, name)}"
        for name in ("server", "mode", "source", "tls")
        if getattr(before, name) != getattr(after, name)
    ]
    found += [f"the {name} run is not valid" for name, run in (("first", before), ("second", after)) if run.doubts]
    found += [
        f"the {name} run was interrupted" for name, run in (("first", before), ("second", after)) if run.interrupted
    ]
    return found


def table(before: RunResult, after: RunResult, names: tuple[str, str]) -> str:
    """The comparison as a table for people."""
    rows = [("", *names, "change"), *(difference.cells() for difference in differences(before, after))]
    return "\n".join([*aligned(rows), *(f"note: {doubt}" for doubt in doubts(before, after))])
