"""Axes of charts."""

from __future__ import annotations

import pytest

from tvs.replay.report.axes import Unit, axis


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [7.0], [99.0], [1e6]])
def test_axes_hold_their_values(values: list[float]) -> None:
    """Every value lies within its axis, which has at least two ticks."""
    for unit in (Unit.RATE, Unit.SECONDS):
        made = axis(unit, values)
        assert all(0 <= made.place(value) <= 1 for value in values)
        assert len(made.ticks) >= 2
