"""What one generator process counts."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tvs.replay.run.histograms import Histogram

if TYPE_CHECKING:
    from tvs.replay.run.failures import Failure

MAX_EXAMPLES = 10
"""Failures that a process describes in words."""


class Phase(StrEnum):
    """What is measured.

    ``whole`` counts from the time that the schedule gives to the complete answer, in a closed model from the call's
    beginning. It has every query that was answered, rightly or wrongly, and those that timed out, with the time until
    then. ``delay`` is the generator's own: from the planned time to the call's beginning.
    """

    TCP = "tcp"
    """TCP connect."""
    TLS = "tls"
    """TLS handshake, after TCP."""
    FIRST_BYTE = "first_byte"
    """Request sent to the first byte of the answer."""
    WHOLE = "whole"
    DELAY = "delay"


@dataclass(slots=True)
class Progress:
    """What happened since the last report.

    Attributes:
        counts: (second of the run, what) and how often; what is ``started``, ``answered``, ``late``, ``dropped``, or
            the name of a failure.
        planned_at, whole: for each value in the ``whole`` histogram the second for which the query was planned, and
            the value in µs.
        in_flight: open connections.
    """

    counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    planned_at: array[int] = field(default_factory=lambda: array("L"))
    whole: array[int] = field(default_factory=lambda: array("L"))
    in_flight: int = 0


@dataclass(slots=True)
class Final:
    """What a process has counted in all.

    Attributes:
        histograms: encoded, by phase.
        suites: completed handshakes by version and suite; ``resumed`` counts the resumed ones.
        examples: sentences about failures.
        unfinished: queries that were under way when the run was interrupted.
    """

    histograms: dict[Phase, bytes]
    suites: Counter[str]
    resumed: int
    examples: list[str]
    unfinished: int


class Tally:
    """Counts of one process; `take` and `final` give them away."""

    def __init__(self) -> None:
        self._histograms = {phase: Histogram() for phase in Phase}
        self._progress = Progress()
        self.suites: Counter[str] = Counter()
        self.resumed = 0
        self.unfinished = 0
        self._examples: list[str] = []

    def measured(self, phase: Phase, seconds: float) -> None:
        """One value of a phase other than ``whole``."""
        self._histograms[phase].record(seconds)

    def count(self, second: int, what: str, number: int = 1) -> None:
        """Something happened in a second of the run."""
        self._progress.counts[second, what] += number

    def ended(self, planned: float, seconds: float) -> None:
        """A query that was planned for `planned` took `seconds`."""
        value = self._histograms[Phase.WHOLE].record(seconds)
        self._progress.planned_at.append(max(0, int(planned)))
        self._progress.whole.append(value)

    def example(self, failure: Failure, sentence: str) -> None:
        """Describes a failure; the first few are kept."""
        if len(self._examples) < MAX_EXAMPLES:
            self._examples.append(f"{failure}: {sentence}")

    def take(self, in_flight: int) -> Progress:
        """What happened since the last call."""
        progress, self._progress = self._progress, Progress()
        progress.in_flight = in_flight
        return progress

    def final(self) -> Final:
        """Everything."""
        return Final(
            histograms={phase: histogram.encode() for phase, histogram in self._histograms.items()},
            suites=self.suites,
            resumed=self.resumed,
            examples=self._examples,
            unfinished=self.unfinished,
        )
