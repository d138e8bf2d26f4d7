"""Charts of a run as numbers: lines and stacked bars."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from tvs.replay.report.axes import Unit
from tvs.replay.report.text import PHASE_NAMES
from tvs.replay.run.counters import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tvs.replay.report.result import Row, RunResult

MAX_POINTS = 600
"""Maximum points of a line: in a longer run a point covers several seconds and shows the worst latency."""
SHORT_SECOND = 0.5
"""Seconds; a shorter end of a run has no rate of its own."""
_STEPS_PER_NINE = 10
"""Points of the percentile spectrum between 90 % and 99 %, between 99 % and 99.9 %, and so on."""


# Colours of the light and the dark page. All contrast with their background (#ffffff, #14181f) and each other, also for
# people with red-green colour blindness; percentiles grow darker (on the dark page: brighter) towards the worst.
COLORS = {
    "planned": ("#8a93a3", "#7d8796"),
    "answered": ("#1f6fd6", "#5aa2ff"),
    "failed": ("#c8321f", "#ff7a66"),
    "p50": ("#7fb3ee", "#5179ad"),
    "p90": ("#3f87d9", "#5f9ce8"),
    "p99": ("#0f4fa3", "#a5d0ff"),
    "max": ("#c8620a", "#ffad5c"),
    "tcp": ("#8a93a3", "#7d8796"),
    "tls": ("#0f8a6c", "#3ecfa6"),
    "first_byte": ("#c8620a", "#ffad5c"),
    "whole": ("#1f6fd6", "#5aa2ff"),
    "error0": ("#c8321f", "#ff7a66"),
    "error1": ("#c8620a", "#ffad5c"),
    "error2": ("#7a4fc4", "#b79bff"),
    "error3": ("#0f8a6c", "#3ecfa6"),
    "error4": ("#1f6fd6", "#5aa2ff"),
    "error5": ("#8a93a3", "#7d8796"),
}
ERROR_COLORS = 6


@dataclass(frozen=True, slots=True)
class ChartLine:
    """One line, or one layer of stacked bars.

    Attributes:
        name: label for people.
        color: a key of `COLORS`.
        points: x and y in the units of the chart's axes.
        dashed: whether the values are planned rather than measured.
        until: x up to which the last point holds: the end of its seconds.
    """

    name: str
    color: str
    points: list[tuple[float, float]]
    dashed: bool = False
    until: float = 0.0

    @classmethod
    def over_time(cls, name: str, color: str, spans: Iterable[_Value], *, dashed: bool = False) -> ChartLine:
        """A line of values of spans of seconds."""
        values = list(spans)
        points = [(value.start, value.y) for value in values]
        return cls(name, color, points, dashed, until=values[-1].end if values else 0.0)


class _Value(NamedTuple):
    """A value that holds from `start` to `end`, in seconds of the run."""

    start: float
    end: float
    y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        title, note: heading, and how to read the chart.
        x, y: units of the axes.
        lines: lines or layers to draw; if there are none, the chart says `nothing` instead.
        stacked: whether to draw stacked bars instead of lines.
        end: least value in which the x axis ends: charts over time show the whole run.
    """

    title: str
    note: str
    x: Unit
    y: Unit
    lines: list[ChartLine]
    nothing: str = "No data"
    stacked: bool = False
    end: float = 0.0


def charts_of(result: RunResult) -> list[Chart]:
    """The four charts of a run."""
    spans = list(_spans(result.rows))
    charts = (_rate(result, spans), _latency(result, spans), _spectrum(result), _errors(result, spans))
    end = max([result.seconds, *(row.second + 1.0 for row in result.rows[-1:])])
    return [
        replace(
            chart,
            lines=[line for line in chart.lines if line.points],
            end=end if chart.x is Unit.SECONDS else chart.end,
        )
        for chart in charts
    ]


def _spans(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Splits the rows into at most `MAX_POINTS` spans of one length. Seconds without an event have no row."""
    size = max(1, math.ceil(len(rows) / MAX_POINTS))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _end(result: RunResult, span: Sequence[Row]) -> float:
    """The end of a span in seconds of the run, which ends within its last second."""
    last = span[-1].second
    return result.seconds if last < result.seconds < last + 1 else last + 1.0


def _rates(result: RunResult, spans: Sequence[Sequence[Row]], name: str) -> Iterator[_Value]:
    """The queries a second of each span; the last second counts as long as it lasted.

    A last span of less than `SHORT_SECOND` is joined to the one before, or omitted without a query: its own rate would
    be a matter of chance.
    """
    counted = list(spans)
    if len(counted) > 1 and _length(result, counted[-1]) < SHORT_SECOND:
        tail = counted.pop()
        if any(getattr(row, name) for row in tail):
            counted[-1] = [*counted[-1], *tail]
    for span in counted:
        number = sum(float(getattr(row, name)) for row in span)
        yield _Value(span[0].second, _end(result, span), number / max(_length(result, span), SHORT_SECOND))


def _length(result: RunResult, span: Sequence[Row]) -> float:
    """The seconds of a span in which something happened."""
    return len(span) - (span[-1].second + 1.0 - _end(result, span))


def _rate(result: RunResult, spans: list[Sequence[Row]]) -> Chart:
    names = ["planned"] if result.open_model else ["started"]
    names += ["answered", "failed"] if result.failed else ["answered"]
    lines = [
        ChartLine.over_time(
            name,
            "planned" if name == "started" else name,
            _rates(result, spans, name),
            dashed=name in ("planned", "started"),
        )
        for name in names
    ]
    return Chart("Queries a second", "answered means: as expected", Unit.SECONDS, Unit.RATE, lines)


def _latency(result: RunResult, spans: list[Sequence[Row]]) -> Chart:
    lines = [
        ChartLine.over_time(name, name, [value for span in spans if (value := _worst(result, span, name)) is not None])
        for name in ("max", "p99", "p90", "p50")
    ]
    since = "the planned time" if result.open_model else "the start of each call"
    return Chart(
        "Latency over time",
        f"from {since} to the checked answer",
        Unit.SECONDS,
        Unit.TIME,
        lines,
        nothing="No query was answered",
    )


def _worst(result: RunResult, span: Sequence[Row], name: str) -> _Value | None:
    values = [value for row in span if (value := getattr(row, name)) is not None]
    return _Value(span[0].second, _end(result, span), max(values)) if values else None


def _spectrum(result: RunResult) -> Chart:
    count = result.histograms[Phase.WHOLE].count
    steps = math.ceil(math.log10(max(10, count)) * _STEPS_PER_NINE)
    lines = []
    for phase in (Phase.WHOLE, Phase.TLS, Phase.FIRST_BYTE, Phase.TCP):
        histogram = result.histograms[phase]
        if histogram.count:
            places = [step / _STEPS_PER_NINE for step in range(steps + 1)]
            points = [(place, histogram.percentile(100 - 100 / 10**place)) for place in places]
            lines.append(ChartLine(PHASE_NAMES[phase], phase.value, points))
    return Chart(
        "Percentile spectrum",
        "each step to the right is one more nine",
        Unit.PERCENT,
        Unit.TIME,
        lines,
        nothing="No query was answered",
    )


def _errors(result: RunResult, spans: list[Sequence[Row]]) -> Chart:
    kinds = sorted(result.failures, key=lambda kind: -result.failures[kind])
    lines = [
        ChartLine(kind.replace("_", " "), f"error{number}", _failures(spans, [kind]))
        for number, kind in enumerate(kinds[: ERROR_COLORS - 1])
    ]
    if others := kinds[ERROR_COLORS - 1 :]:
        lines.append(ChartLine("others", f"error{ERROR_COLORS - 1}", _failures(spans, others)))
    return Chart(
        "Errors a second, by kind",
        "wrong answers are errors too",
        Unit.SECONDS,
        Unit.RATE,
        lines,
        nothing="No errors",
        stacked=True,
    )


def _failures(spans: list[Sequence[Row]], kinds: Sequence[str]) -> list[tuple[float, float]]:
    return [
        (span[0].second, sum(row.failures.get(kind, 0) for row in span for kind in kinds) / len(span)) for span in spans
    ]
