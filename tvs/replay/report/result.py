"""Result of a run: the numbers that all reports show."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tvs.replay.run.counters import MAX_EXAMPLES, Phase
from tvs.replay.run.failures import WRONG_ANSWERS, Failure
from tvs.replay.run.histograms import Histogram
from tvs.replay.run.process import histograms_of

if TYPE_CHECKING:
    from tvs.replay.questions.model import Recording
    from tvs.replay.run.process import RunCounts
    from tvs.replay.run.schedule import Schedule
    from tvs.replay.run.setup import Setup
    from tvs.replay.run.timeline import Second

MAX_LATE = 0.01
"""Share of late queries above which a run measures the generator rather than the server."""
ROW_PERCENTS = (50, 90, 99, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One second of the run.

    Attributes:
        second: number from the start; 0 is the first.
        planned, started, answered, late, dropped: number of queries.
        failures: number of failed queries by name of the failure.
        p50, p90, p99, max: percentiles of the whole time, in seconds, of the queries planned for this second; None if
            none of them ended.
    """

    second: int
    planned: int
    started: int
    answered: int
    late: int
    dropped: int
    failures: dict[str, int]
    p50: float | None
    p90: float | None
    p99: float | None
    max: float | None

    @property
    def failed(self) -> int:
        """Queries that failed in this second."""
        return sum(self.failures.values())

    @classmethod
    def of(cls, number: int, second: Second) -> Row:
        """The row of a second of the timeline."""
        p50, p90, p99, highest = second.percentiles(ROW_PERCENTS)
        counts = second.counts
        return cls(
            second=number,
            planned=second.planned,
            started=counts["started"],
            answered=counts["answered"],
            late=counts["late"],
            dropped=counts["dropped"],
            failures={str(failure): counts[failure] for failure in Failure if counts[failure]},
            p50=p50,
            p90=p90,
            p99=p99,
            max=highest,
        )


@dataclass(slots=True, kw_only=True)
class RunResult:
    """Result of one run.

    Attributes:
        server, source, mode, tls: description of the run in words.
        open_model: whether calls started at planned times.
        processes: number of generator processes; `lost` of them ended early.
        started_at: UTC, ISO 8601.
        seconds: from the start to the last answer.
        planned: number of queries of the schedule; None in a closed loop.
        started, answered, late, dropped, unfinished: number of queries.
        failures: number of failed queries by name of the failure.
        histograms: latencies by phase.
        rows: seconds with an event, in order.
        suites: number of handshakes by TLS version and suite; `resumed` of them resumed a session.
        examples: sentences about the first failures.
        left_out: queries of the source that were not replayed, by reason.
        interrupted: whether the run was stopped before its end.
        thresholds: the ``--fail-if`` expressions with their values, see `Threshold.facts`.
        failed_thresholds: those that came true, as sentences.
    """

    server: str
    source: str
    mode: str
    tls: str
    open_model: bool
    processes: int
    started_at: str
    seconds: float
    planned: int | None
    started: int
    answered: int
    late: int
    dropped: int
    unfinished: int
    lost: int
    failures: dict[str, int]
    histograms: dict[Phase, Histogram]
    rows: list[Row]
    suites: dict[str, int]
    resumed: int
    examples: list[str]
    left_out: dict[str, int]
    interrupted: bool
    late_after: float
    thresholds: list[dict[str, object]] = field(default_factory=list)
    failed_thresholds: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Queries that failed."""
        return sum(self.failures.values())

    @property
    def wrong(self) -> int:
        """Queries with a wrong answer."""
        return sum(self.failures.get(failure, 0) for failure in WRONG_ANSWERS)

    @property
    def rate(self) -> float:
        """Answers as expected, a second."""
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def doubts(self) -> list[str]:
        """Reasons why the run is not valid: failures of the generator itself. Empty for a valid run."""
        found = []
        if self.started and self.late / self.started > MAX_LATE:
            share = f"{self.late / self.started:.1%}"
            found.append(f"{share} of the queries began more than {self.late_after * 1000:g} ms after their time")
        if self.dropped:
            found.append(f"{self.dropped} queries were not sent: no descriptor or source port was left, or no time")
        if self.lost:
            found.append(f"{self.lost} of {self.processes} generator processes ended before their time")
        return found


def result_of(
    counts: RunCounts, schedule: Schedule, setup: Setup, recording: Recording, *, processes: int, tls: str
) -> RunResult:
    """The result of a finished run.

    Args:
        counts: counts of all processes.
        schedule, setup, recording: what was run.
        processes: number of generator processes.
        tls: description of the phones' TLS.
    """
    timeline, finals = counts.timeline, counts.finals
    timeline.add_schedule(schedule)
    total = timeline.total
    suites: Counter[str] = Counter()
    for final in finals:
        suites += final.suites
    return RunResult(
        server=str(setup.server),
        source=recording.source,
        mode=schedule.mode,
        tls=tls,
        open_model=schedule.open,
        processes=processes,
        started_at=datetime.fromtimestamp(counts.started_at, UTC).isoformat(timespec="milliseconds"),
        seconds=counts.seconds,
        planned=schedule.queries if schedule.open else None,
        started=total["started"],
        answered=total["answered"],
        late=total["late"],
        dropped=total["dropped"],
        unfinished=sum(final.unfinished for final in finals),
        lost=counts.lost,
        failures={str(failure): total[failure] for failure in Failure if total[failure]},
        histograms={phase: Histogram(encoded) for phase, encoded in histograms_of(counts).items()},
        rows=[Row.of(number, second) for number, second in sorted(timeline.seconds.items())],
        suites=dict(suites),
        resumed=sum(final.resumed for final in finals),
        examples=[example for final in finals for example in final.examples][:MAX_EXAMPLES],
        left_out=dict(recording.left_out),
        interrupted=counts.interrupted,
        late_after=setup.late_after,
    )
