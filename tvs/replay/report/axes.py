"""Axes of charts: units, ranges and ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tvs.replay.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence


class Unit(StrEnum):
    """Unit of an axis."""

    SECONDS = "seconds"
    """Seconds of the run."""
    PERCENT = "percent"
    """Percentiles, stretched towards 100 %: percentile p is at log10(100 / (100 - p))."""
    RATE = "rate"
    """Queries a second."""
    TIME = "time"
    """Latencies in seconds, on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: its range and ticks, in scaled values (see `scaled`)."""

    low: float
    high: float
    ticks: list[tuple[float, str]]

    def place(self, value: float) -> float:
        """Position of a scaled value: 0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)


def axis(unit: Unit, values: Sequence[float]) -> Axis:
    """An axis that covers these scaled values."""
    if unit is Unit.TIME:
        return _time_axis(values)
    if unit is Unit.PERCENT:
        high = max(values, default=2.0)
        places = [0.0, math.log10(2), *range(1, math.floor(high) + 1)]
        return Axis(0.0, high, [(place, f"{100 - 100 / 10**place:.{max(0, int(place) - 2)}f} %") for place in places])
    return _linear_axis(max([*values, 1.0]), count=8 if unit is Unit.SECONDS else 5, exact=unit is Unit.SECONDS)


def scaled(unit: Unit, value: float) -> float:
    """Scales a value for its axis: the logarithm of a latency, otherwise the value itself."""
    return math.log10(max(value, 1e-6)) if unit is Unit.TIME else value


def label(unit: Unit, value: float) -> str:
    """Formats a value for people."""
    if unit is Unit.TIME:
        return duration_text(value)
    if unit is Unit.PERCENT:
        return f"p{100 - 100 / 10**value:.6g}"
    return f"{value:g} s" if unit is Unit.SECONDS else f"{value:.1f}".removesuffix(".0")


def _linear_axis(highest: float, *, count: int, exact: bool) -> Axis:
    rough = highest / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    step = max(1.0, step)
    ticks = [number * step for number in range(math.ceil(highest / step) + 1)]
    high = highest if exact else ticks[-1]
    return Axis(0.0, high, [(tick, f"{tick:g}") for tick in ticks if tick <= high])


def _time_axis(logarithms: Sequence[float]) -> Axis:
    low, high = min(logarithms, default=-3.0), max(logarithms, default=0.0)
    if high - low < 0.5:
        low, high = low - 0.25, high + 0.25
    factors = (1,) if high - low > 3 else (1, 2, 5)
    decades = range(math.floor(low), math.ceil(high) + 1)
    marks = [math.log10(factor) + decade for decade in decades for factor in factors]
    ticks = [(mark, duration_text(10**mark)) for mark in marks if low - 0.02 <= mark <= high + 0.02]
    return Axis(low - 0.05, high + 0.08, ticks)
