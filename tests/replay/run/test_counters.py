"""Counters of a generator process."""

from __future__ import annotations

import pytest

from tvs.replay.run.counters import MAX_EXAMPLES, Counters, Phase
from tvs.replay.run.failures import Failure
from tvs.replay.run.histograms import Histogram


def test_progress_is_given_once() -> None:
    """Each report has the counts since the one before; the totals have everything."""
    counters = Counters()
    counters.count(3, "answered")
    counters.count(3, "answered", 2)
    counters.ended(3.7, 0.25)
    first, second = counters.take(7), counters.take(5)
    assert (first.counts, first.in_flight) == ({(3, "answered"): 3}, 7)
    assert (list(first.planned_at), list(first.whole)) == ([3], [250_000])
    assert (second.counts, list(second.whole), second.in_flight) == ({}, [], 5)
    assert Histogram(counters.final().histograms[Phase.WHOLE]).count == 1


def test_a_query_planned_before_the_start_counts_in_the_first_second() -> None:
    """A time below 0, which rounding can give, belongs to second 0."""
    counters = Counters()
    counters.ended(-0.001, 0.1)
    assert list(counters.take(0).planned_at) == [0]


def test_phases_are_measured_apart() -> None:
    """A value of one phase is in no other histogram."""
    counters = Counters()
    counters.measured(Phase.TLS, 0.5)
    totals = {phase: Histogram(encoded) for phase, encoded in counters.final().histograms.items()}
    assert totals[Phase.TLS].maximum == pytest.approx(0.5, rel=0.001)
    assert [phase for phase in Phase if totals[phase].count] == [Phase.TLS]


def test_examples_are_bounded() -> None:
    """However many queries fail, only the first failures are described."""
    counters = Counters()
    for number in range(MAX_EXAMPLES + 5):
        counters.example(Failure.RESET, f"phone {number}")
    assert counters.final().examples == [f"connection_reset: phone {n}" for n in range(MAX_EXAMPLES)]
