"""Results for the tests of reports."""

from __future__ import annotations

from tvs.replay.report.result import Row, RunResult
from tvs.replay.run.counters import Phase
from tvs.replay.run.histograms import Histogram

HOSTILE = "<script>alert(1)</script>\"&'"
"""A name that a stranger chose."""


def histogram(*milliseconds: float) -> Histogram:
    """A histogram of these times."""
    made = Histogram()
    for value in milliseconds:
        made.record(value / 1000)
    return made


def row(second: int, answered: int, worst: float | None = 0.02, **failures: int) -> Row:
    """A second in which 100 queries were planned."""
    started = answered + sum(failures.values())
    p50, p90 = (None, None) if worst is None else (worst / 10, worst / 2)
    return Row(
        second=second,
        planned=100,
        started=started,
        answered=answered,
        late=0,
        dropped=0,
        failures=failures,
        p50=p50,
        p90=p90,
        p99=worst,
        max=worst,
    )


def make_result() -> RunResult:
    """A run of five seconds with a stall and with names that strangers chose."""
    times = [1.0] * 90 + [20.0] * 9 + [3000.0]
    return RunResult(
        server="192.0.2.10:2445",
        source=f"{HOSTILE}.tvsr",
        mode="constant rate, 100/s for 5 s",
        tls="each phone as its series does",
        open_model=True,
        processes=2,
        started_at="2026-11-23T10:00:00.000+00:00",
        seconds=5.0,
        planned=500,
        started=500,
        answered=480,
        late=0,
        dropped=0,
        unfinished=0,
        lost=0,
        failures={"wrong_roles": 15, "connection_refused": 5},
        histograms={phase: histogram(*times) for phase in Phase},
        rows=[row(0, 100), row(1, 0, None), row(2, 180, 3.0, wrong_roles=15), row(3, 100), row(4, 100)],
        suites={"TLSv1.2 AES256-GCM-SHA384": 495},
        resumed=0,
        examples=[f"wrong_roles: query of 01 by {HOSTILE}"],
        left_out={},
        interrupted=False,
        late_after=0.02,
    )
