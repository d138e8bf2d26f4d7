"""Latency histograms."""

from __future__ import annotations

import pytest

from tests.replay.report.results import histogram
from tvs.replay.run.histograms import Histogram, merged


def test_histograms_merge_without_loss() -> None:
    """A merged histogram equals one that recorded all values."""
    parts = [histogram(*range(start, 1000, 3)) for start in (1, 2, 3)]
    whole = histogram(*range(1, 1000))
    together = merged(part.encode() for part in parts)
    assert together.encode() == whole.encode()
    assert together.percentile(50) == pytest.approx(0.5, rel=0.002)
    with pytest.raises(ValueError, match="not an encoded HDR histogram"):
        Histogram(b"x")
