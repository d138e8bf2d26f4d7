"""Counters of one generator process, reported to the parent as progress and at the end."""

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
"""Failures that a process describes in a sentence."""


class Phase(StrEnum):
    """Measured intervals.

    ``whole`` runs from the planned time to the complete answer, in a closed model from the start of the call. It counts
    every answered query, right or wrong, and queries that timed out, with the time until then. ``delay`` is the
    generator's own: from the planned time to the start of the call.
    """

    TCP = "tcp"
    """TCP connect."""
    TLS = "tls"
    """TLS handshake, after TCP."""
    FIRST_BYTE = "first_byte"
    """From the request to the first byte of the answer."""
    WHOLE = "whole"
    DELAY = "delay"


@dataclass(slots=True)
class Progress:
    """Counts since the previous report.

    Attributes:
        counts: by second of the run and event: ``started``, ``answered``, ``late``, ``dropped``, or a failure's name.
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
    """Totals of a process at its end.

    Attributes:
        histograms: encoded, by phase.
        suites: completed handshakes by TLS version and suite; ``resumed`` counts resumed sessions.
        examples: sentences about failures.
        unfinished: queries in progress when the run was interrupted.
    """

    histograms: dict[Phase, bytes]
    suites: Counter[str]
    resumed: int
    examples: list[str]
    unfinished: int


class Counters:
    """Counters of one process.

    Attributes:
        suites, resumed, unfinished: see `Final`.
    """

    def __init__(self) -> None:
        self._histograms = {phase: Histogram() for phase in Phase}
        self._progress = Progress()
        self.suites: Counter[str] = Counter()
        self.resumed = 0
        self.unfinished = 0
        self._examples: list[str] = []

    def measured(self, phase: Phase, seconds: float) -> None:
        """Records one value of a phase other than ``whole``."""
        self._histograms[phase].record(seconds)

    def count(self, second: int, event: str, number: int = 1) -> None:
        """Counts an event in a second of the run."""
        self._progress.counts[second, event] += number

    def ended(self, planned: float, seconds: float) -> None:
        """Records that a query planned for second `planned` took `seconds`."""
        value = self._histograms[Phase.WHOLE].record(seconds)
        self._progress.planned_at.append(max(0, int(planned)))
        self._progress.whole.append(value)

    def example(self, failure: Failure, sentence: str) -> None:
        """Keeps the description of a failure, up to `MAX_EXAMPLES`."""
        if len(self._examples) < MAX_EXAMPLES:
            self._examples.append(f"{failure}: {sentence}")

    def take(self, in_flight: int) -> Progress:
        """Returns the counts since the previous call."""
        progress, self._progress = self._progress, Progress()
        progress.in_flight = in_flight
        return progress

    def final(self) -> Final:
        """Returns the totals."""
        return Final(
            histograms={phase: histogram.encode() for phase, histogram in self._histograms.items()},
            suites=self.suites,
            resumed=self.resumed,
            examples=self._examples,
            unfinished=self.unfinished,
        )
