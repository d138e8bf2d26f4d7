"""Durations and rates."""

from __future__ import annotations

import pytest

from tvs.replay.units import duration_text, parse_duration, parse_rate


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("60s", 60), ("5m", 300), ("1h", 3600), ("20us", 20e-6), ("1.5", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    """Durations have the units of people; a bare number is in seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "rate"), [("500/s", 500), ("30000/m", 500), ("3600/h", 1), ("2.5", 2.5)])
def test_rates(text: str, rate: float) -> None:
    """Rates count a second unless another unit is given."""
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00082, "820 µs"), (0.00421, "4.21 ms"), (0.9996, "1 s"), (1.5, "1.5 s"), (3600, "3600 s")],
)
def test_duration_texts(seconds: float, text: str) -> None:
    """Durations are shown with three digits and a fitting unit."""
    assert duration_text(seconds) == text
