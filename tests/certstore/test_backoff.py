"""The waits between attempts to reach a database."""

from __future__ import annotations

from certstore.backoff import Backoff


def test_back_off() -> None:
    """Waits double from 0.25 s to 3 s, and start anew after a success."""
    backoff = Backoff(chance=lambda: 0.0)
    assert [backoff.next() for _ in range(9)] == [0.25, 0.5, 1, 2, 3, 3, 3, 3, 3]
    backoff.reset()
    assert backoff.next() == 0.25


def test_back_off_of_many_nodes() -> None:
    """Nodes that begin together wait for different times, up to half as long again, and no shorter than alone."""
    assert Backoff(chance=lambda: 1.0).next() == 0.375
    waits = [Backoff().next() for _ in range(100)]
    assert len(set(waits)) > 50
    assert all(0.25 <= wait <= 0.375 for wait in waits)
