"""Restart policy: at once, with back-off, or never."""

from __future__ import annotations

from tvs.process.restarts import GIVE_UP, STABLE, RestartPolicy


def test_workers_that_die_are_replaced_soon_for_ever() -> None:
    """A worker that answered phones is replaced at once the first times, and never later than after a second."""
    policy = RestartPolicy()
    waits = [policy.ended(answered=True, lived=0.5) for _ in range(50)]
    assert waits[:5] == [0.0, 0.0, 0.0, 0.1, 0.2]
    assert waits[-1] == 1.0


def test_workers_that_never_answer_are_given_up() -> None:
    """Failures to start wait longer each time, and end after a fixed number."""
    policy = RestartPolicy()
    waits = [policy.ended(answered=False, lived=0.1) for _ in range(GIVE_UP)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, None]


def test_failures_before_a_long_life_do_not_count() -> None:
    """A worker that ran for a while begins with a clean record."""
    policy = RestartPolicy()
    for _ in range(GIVE_UP - 1):
        policy.ended(answered=False, lived=0.1)
    assert policy.ended(answered=False, lived=STABLE) == 0.1


def test_answering_ends_a_row_of_failures() -> None:
    """Only failures in a row count: a worker that answered phones in between starts the count again."""
    policy = RestartPolicy()
    for _ in range(GIVE_UP - 1):
        policy.ended(answered=False, lived=0.1)
    assert policy.ended(answered=True, lived=0.1) == 0.0
    assert policy.ended(answered=False, lived=0.1) == 0.1
