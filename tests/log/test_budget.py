"""Budget of log bytes."""

from __future__ import annotations

from tvs.log.budget import Budget


def test_budget_comes_back_with_time() -> None:
    """What is spent comes back in proportion to time, up to the bytes of one second."""
    budget = Budget(1000)
    assert budget.room(50.0) == 1000
    budget.spend(900)
    assert budget.room(50.0) == 100
    assert budget.room(50.5) == 600
    assert budget.room(60.0) == 1000


def test_debt_is_paid_back() -> None:
    """Lines that had to be written beyond the budget are taken from that of later seconds."""
    budget = Budget(1000)
    assert budget.room(50.0) == 1000
    budget.spend(3000)
    assert budget.room(51.0) == -1000
    assert budget.room(52.5) == 500
