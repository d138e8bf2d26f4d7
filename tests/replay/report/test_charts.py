"""Charts of a run: the last second is in each of them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.replay.report.results import row
from tvs.replay.report.axes import Unit
from tvs.replay.report.charts import MAX_POINTS, charts_of
from tvs.replay.report.svg import svg

if TYPE_CHECKING:
    from tvs.replay.report.charts import Chart
    from tvs.replay.report.result import RunResult


def line(chart: Chart, name: str) -> list[tuple[float, float]]:
    """The points of a chart's line."""
    return next(line.points for line in chart.lines if line.name == name)


@pytest.mark.parametrize(
    ("seconds", "last", "points"),
    [
        (3.0, 100, [100.0, 100.0, 100.0]),
        (2.98, 98, [100.0, 100.0, 98 / 0.98]),
        (2.5, 50, [100.0, 100.0, 100.0]),
        (2.25, 25, [100.0, 125 / 1.25]),
        (2.001, 5, [100.0, 105 / 1.001]),
        (7.0, 100, [100.0, 100.0, 100.0]),
    ],
    ids=["whole", "nearly", "half", "quarter", "a moment", "silence after it"],
)
def test_the_last_second_counts_as_it_lasted(result: RunResult, seconds: float, last: int, points: list[float]) -> None:
    """A last second has the rate of the time that it lasted; one of less than half joins the second before."""
    ended = replace(result, rows=[row(0, 100), row(1, 100), row(2, last)], seconds=seconds, failures={})
    found = line(charts_of(ended)[0], "answered")
    assert [y for _, y in found] == pytest.approx(points)
    assert [x for x, _ in found] == [0, 1, 2][: len(points)]


def test_no_query_is_lost_in_long_runs(result: RunResult) -> None:
    """With several seconds a point, the sum over all points is the number of queries, those of the last second too."""
    rows = [row(second, 100) for second in range(2 * MAX_POINTS)] + [row(2 * MAX_POINTS, 30)]
    long = replace(result, rows=rows, seconds=2 * MAX_POINTS + 0.3, failures={})
    points = line(charts_of(long)[0], "answered")
    lengths = [3.0] * (len(points) - 1) + [long.seconds - points[-1][0]]
    total = sum(rate * length for (_, rate), length in zip(points, lengths, strict=True))
    assert total == pytest.approx(200 * MAX_POINTS + 30)


@pytest.mark.parametrize("seconds", [5.0, 4.98, 4.2])
def test_charts_over_time_show_the_whole_run(result: RunResult, seconds: float) -> None:
    """Rate, latency and errors have one x axis, which reaches to the end of the last second, and have that second."""
    rows = [
        row(0, 100),
        row(1, 0, None),
        row(2, 180, 3.0, wrong_roles=15),
        row(3, 100),
        row(4, 50, connection_refused=5),
    ]
    charts = [chart for chart in charts_of(replace(result, rows=rows, seconds=seconds)) if chart.x is Unit.SECONDS]
    assert len(charts) == 3
    axes = {tuple(re.findall(r'class="tick x" x="([\d.]+)" y="[\d.]+">(\d+)<', svg(chart))) for chart in charts}
    assert len(axes) == 1
    assert max(float(text) for _, text in axes.pop()) == 5
    for chart in charts[1:]:
        assert max(x for part in chart.lines for x, _ in part.points) == 4


def test_a_schedule_does_not_dip_behind_its_end(result: RunResult) -> None:
    """A last answer shortly after the schedule's end counts, and leaves the planned rate as it was."""
    ended = replace(result, rows=[row(0, 100), row(1, 100), replace(row(2, 3), planned=0)], seconds=2.03, failures={})
    rates = charts_of(ended)[0]
    assert line(rates, "planned") == [(0, 100.0), (1, 100.0)]
    place, rate = line(rates, "answered")[-1]
    assert (place, round(rate, 6)) == (1, round(103 / 1.03, 6))


def test_lines_reach_to_the_end_of_their_last_second(result: RunResult) -> None:
    """The last value is drawn as long as it holds: to the end of the run, or of the last second with an answer."""
    rows = [row(0, 100), row(1, 100), row(2, 0, None, connection_refused=30)]
    rates, latency, *_ = charts_of(replace(result, rows=rows, seconds=2.75))
    assert {part.until for part in rates.lines} == {2.75}
    assert {part.until for part in latency.lines} == {2.0}
    drawn = re.findall(r'class="line [^"]*" d="M[^"]*L([\d.]+) [\d.]+"', svg(rates))
    ticks = {text: float(x) for x, text in re.findall(r'class="tick x" x="([\d.]+)" y="[\d.]+">(\d+)<', svg(rates))}
    end = ticks["2"] + 0.75 * (ticks["3"] - ticks["2"])
    assert [float(x) for x in drawn] == pytest.approx([end] * len(rates.lines), abs=0.2)
