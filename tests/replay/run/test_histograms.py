"""Latency histograms."""

from __future__ import annotations

import random

import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from tests.replay.report.results import histogram
from tvs.replay.run.histograms import DIGITS, HIGHEST, LOWEST, Histogram, merged


def test_histograms_merge_without_loss() -> None:
    """A merged histogram equals one that recorded all values."""
    parts = [histogram(*range(start, 1000, 3)) for start in (1, 2, 3)]
    whole = histogram(*range(1, 1000))
    together = merged(part.encode() for part in parts)
    assert together.encode() == whole.encode()
    assert together.percentile(50) == pytest.approx(0.5, rel=0.002)
    with pytest.raises(ValueError, match="not an encoded HDR histogram"):
        Histogram(b"x")


@pytest.mark.parametrize("seed", range(6))
def test_mean_and_percentiles_are_those_of_the_library(seed: int) -> None:
    """Mean and percentiles, computed from the recorded times only, equal what the library finds in all classes."""
    numbers = random.Random(seed)
    ours, theirs = Histogram(), HdrHistogram(LOWEST, HIGHEST, DIGITS)
    for _ in range(numbers.choice((1, 2, 500))):
        theirs.record_value(ours.record(numbers.choice((1e-6, 2e-3, 1.0, 3600.0)) * numbers.random()))
        assert ours.maximum >= ours.mean > 0  # what was computed before is not kept
    for percent in (0.001, 1, 50, 90, 99, 99.9, 100):
        assert ours.percentile(percent) == theirs.get_value_at_percentile(percent) / 1e6
    assert ours.mean == pytest.approx(theirs.get_mean_value() / 1e6, rel=1e-12)


def test_an_empty_histogram_has_zero_times() -> None:
    """Without a recorded time, mean, minimum, maximum and percentiles are 0."""
    empty = Histogram()
    assert (empty.mean, empty.minimum, empty.maximum, empty.percentile(50), empty.percentile(99.9)) == (0.0,) * 5
