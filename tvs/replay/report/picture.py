"""The result's plots as a PNG, drawn by matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from tvs.replay.report.axes import Unit, axis, scaled
from tvs.replay.report.charts import COLORS, charts_of
from tvs.replay.run.histograms import MissingPackage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tvs.replay.report.charts import Chart
    from tvs.replay.report.result import RunResult

INCHES = (14, 9)
DOTS_PER_INCH = 110
_THEMES = {  # background, panel, text, grid
    False: ("#ffffff", "#f6f8fb", "#1b2330", "#dfe4ec"),
    True: ("#14181f", "#1b212b", "#e6eaf0", "#303947"),
}


def require_matplotlib() -> None:
    """Raises `MissingPackage` where matplotlib is missing."""
    try:
        import matplotlib  # noqa: PLC0415, F401 - an optional package
    except ImportError:
        raise MissingPackage(
            "--png needs matplotlib: pip install 'trust-verification-service[replay]' (--html needs nothing)"
        ) from None


def png(result: RunResult, *, dark: bool = False) -> bytes:
    """The four plots as a PNG of 1540 by 990 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - half a second, only when wanted
    from matplotlib.figure import Figure  # noqa: PLC0415 - likewise

    background, _, text, _ = _THEMES[dark]
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, facecolor=background, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"Load test of {result.server}: {result.mode}", color=text, fontsize=14, fontweight="bold")
    if (engine := figure.get_layout_engine()) is not None:
        engine.set(w_pad=0.15, h_pad=0.15)  # type: ignore[call-arg] # the constrained layout's own settings
    for axes, chart in zip(figure.subplots(2, 2).flat, charts_of(result), strict=True):
        _draw(axes, chart, dark=dark)
    output = io.BytesIO()
    figure.savefig(output, format="png", facecolor=background)
    return output.getvalue()


def _draw(axes: Axes, chart: Chart, *, dark: bool) -> None:
    _, panel, text, grid = _THEMES[dark]
    axes.set_facecolor(panel)
    axes.set_title(chart.title, color=text, loc="left", fontsize=12, fontweight="bold")
    for side in axes.spines.values():
        side.set_color(grid)
    axes.tick_params(colors=text, labelsize=9)
    if not chart.lines:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, chart.nothing, color=text, ha="center", va="center", transform=axes.transAxes)
        return
    if chart.stacked:
        _draw_bars(axes, chart, dark=dark)
    else:
        _draw_lines(axes, chart, dark=dark)
    axes.grid(axis="y", color=grid, linewidth=0.8)
    axes.set_axisbelow(True)
    legend = axes.legend(frameon=False, fontsize=9, labelcolor=text, loc="best")
    legend.set_zorder(10)
    axes.set_xlabel("percentile" if chart.x is Unit.PERCENT else "seconds of the run", color=text, fontsize=9)


def _draw_lines(axes: Axes, chart: Chart, *, dark: bool) -> None:
    points = [point for line in chart.lines for point in line.points]
    for line in chart.lines:
        axes.plot(
            [scaled(chart.x, x) for x, _ in line.points],
            [scaled(chart.y, y) for _, y in line.points],
            color=COLORS[line.color][dark],
            linestyle="--" if line.dashed else "-",
            marker="o" if len(line.points) == 1 else None,
            linewidth=1.8,
            label=line.name,
        )
    _set_axes(axes, chart, [x for x, _ in points], [y for _, y in points])


def _draw_bars(axes: Axes, chart: Chart, *, dark: bool) -> None:
    seconds = [x for x, _ in chart.lines[0].points]
    heights = [0.0] * len(seconds)
    for line in chart.lines:
        values = [y for _, y in line.points]
        axes.bar(
            seconds, values, bottom=heights, width=0.9, align="edge", color=COLORS[line.color][dark], label=line.name
        )
        heights = [below + value for below, value in zip(heights, values, strict=True)]
    _set_axes(axes, chart, [second + 1 for second in seconds], heights)


def _set_axes(axes: Axes, chart: Chart, xs: list[float], ys: list[float]) -> None:
    """The ticks of the page."""
    x_axis = axis(chart.x, [scaled(chart.x, x) for x in xs])
    y_axis = axis(chart.y, [scaled(chart.y, y) for y in ys])
    axes.set_xlim(x_axis.low, x_axis.high)
    axes.set_ylim(y_axis.low, y_axis.high)
    axes.set_xticks([place for place, _ in x_axis.ticks], [text for _, text in x_axis.ticks])
    axes.set_yticks([place for place, _ in y_axis.ticks], [text for _, text in y_axis.ticks])
