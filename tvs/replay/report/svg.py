"""Chart as SVG, coloured by the style sheet of the page around it."""

from __future__ import annotations

import itertools
import json
from html import escape
from typing import TYPE_CHECKING

from tvs.replay.report.axes import Axis, Unit, axis, label, scaled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvs.replay.report.charts import Chart, ChartLine

WIDTH, HEIGHT = 620, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 132, 12, 50
LABEL_GAP = 16
"""Minimum units between two labels at the right end of the lines."""
_X_TITLES = {Unit.SECONDS: "seconds of the run", Unit.PERCENT: "percentile"}


class _Frame:
    """The axes of a chart, and the coordinates of values in the SVG."""

    def __init__(self, chart: Chart) -> None:
        points = [point for line in chart.lines for point in line.points]
        heights = _stacks(chart) if chart.stacked else [y for _, y in points]
        width = 1.0 if chart.stacked else 0.0  # the last bar needs its place
        self.x_axis: Axis = axis(chart.x, [*(scaled(chart.x, x) + width for x, _ in points), *self._end(chart)])
        self.y_axis: Axis = axis(chart.y, [scaled(chart.y, y) for y in heights])
        self._chart = chart

    @staticmethod
    def _end(chart: Chart) -> list[float]:
        return [chart.end] if chart.x is Unit.SECONDS else []

    def x(self, value: float) -> float:
        """Distance of a value from the left edge."""
        return round(LEFT + self.x_axis.place(scaled(self._chart.x, value)) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Distance of a value from the top edge."""
        return round(HEIGHT - BOTTOM - self.y_axis.place(scaled(self._chart.y, value)) * (HEIGHT - TOP - BOTTOM), 1)


def _stacks(chart: Chart) -> list[float]:
    return [sum(values) for values in zip(*([y for _, y in line.points] for line in chart.lines), strict=True)]


def svg(chart: Chart) -> str:
    """The chart's `svg` element; its `data-chart` holds the values that the page's script shows at the pointer."""
    head = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title)}"'
    if not chart.lines:
        return (
            f'<svg {head}><text class="nothing" x="{WIDTH / 2}" y="{HEIGHT / 2}">{escape(chart.nothing)}</text></svg>'
        )
    frame = _Frame(chart)
    drawn = _bars(chart, frame) if chart.stacked else [_path(line, frame) for line in chart.lines]
    parts = [*_grid(chart, frame), *drawn, *_names(chart, frame)]
    data = escape(json.dumps(_data(chart, frame), ensure_ascii=False), quote=True)
    cursor = f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="0" x2="0"/>'
    return f'<svg {head} data-chart="{data}">{"".join(parts)}{cursor}</svg>'


def _grid(chart: Chart, frame: _Frame) -> list[str]:
    parts = []
    for tick, text in frame.y_axis.ticks:
        y = round(HEIGHT - BOTTOM - frame.y_axis.place(tick) * (HEIGHT - TOP - BOTTOM), 1)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick y" x="{LEFT - 8}" y="{y + 4}">{text}</text>')
    for tick, text in frame.x_axis.ticks:
        x = round(LEFT + frame.x_axis.place(tick) * (WIDTH - LEFT - RIGHT), 1)
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 4}"/>')
        parts.append(f'<text class="tick x" x="{x}" y="{HEIGHT - BOTTOM + 17}">{text}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>')
    title = _X_TITLES[chart.x]
    parts.append(f'<text class="tick y" x="{WIDTH - RIGHT}" y="{HEIGHT - 10}">{title}</text>')
    return parts


def _path(line: ChartLine, frame: _Frame) -> str:
    places = [(frame.x(x), frame.y(y)) for x, y in line.points]
    if line.until > line.points[-1][0]:
        places.append((frame.x(line.until), places[-1][1]))
    if len(places) == 1:
        return f'<circle class="dot {line.color}" cx="{places[0][0]}" cy="{places[0][1]}" r="3"/>'
    steps = "L".join(f"{x} {y}" for x, y in places)
    return f'<path class="line {line.color}{" dashed" if line.dashed else ""}" d="M{steps}"/>'


def _bars(chart: Chart, frame: _Frame) -> list[str]:
    parts = []
    heights = [0.0] * len(chart.lines[0].points)
    width = max(1.0, frame.x(1) - frame.x(0) - 1)
    for line in chart.lines:
        for number, (x, y) in enumerate(line.points):
            if y:
                top, bottom = frame.y(heights[number] + y), frame.y(heights[number])
                size = f'y="{top}" width="{width:.1f}" height="{bottom - top:.1f}"'
                parts.append(f'<rect class="bar {line.color}" x="{frame.x(x)}" {size}/>')
                heights[number] += y
    return parts


def _names(chart: Chart, frame: _Frame) -> list[str]:
    """Labels at the right end of the lines, moved apart if they would overlap; those of bars form a column."""
    if chart.stacked:
        wanted = [TOP + 8.0 + LABEL_GAP * number for number, _ in enumerate(chart.lines)]
    else:
        wanted = _apart([frame.y(line.points[-1][1]) + 4 for line in chart.lines])
    x = WIDTH - RIGHT + 8
    return [
        f'<text class="name {line.color}" x="{x}" y="{y:.1f}">{escape(line.name)}</text>'
        for line, y in zip(chart.lines, wanted, strict=True)
    ]


def _apart(places: Sequence[float]) -> list[float]:
    """Moves labels at least `LABEL_GAP` apart, none below the axis."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    lowest = HEIGHT - BOTTOM + 4.0
    for above, below in itertools.pairwise(order):
        moved[below] = max(moved[below], moved[above] + LABEL_GAP)
    for number in reversed(order):
        moved[number] = min(moved[number], lowest)
        lowest = moved[number] - LABEL_GAP
    return moved


def _data(chart: Chart, frame: _Frame) -> dict[str, object]:
    """Coordinates and texts for the pointer: for each x the values of all lines."""
    columns: dict[float, dict[str, str]] = {}
    for line in chart.lines:
        for x, y in line.points:
            columns.setdefault(x, {})[line.name] = label(chart.y, y)
    return {
        "names": [[line.name, line.color] for line in chart.lines],
        "columns": [[frame.x(x), label(chart.x, x), values] for x, values in sorted(columns.items())],
    }
