"""The work queue: how long the sockets that are ready now will take."""

from __future__ import annotations

import pytest

from tvs.server.workqueue import WorkQueue


def turns(queue: WorkQueue, number: int, *, sockets: int, seconds: float, left: int = 0, at: float = 100.0) -> float:
    """Some turns one after the other, of the same kind; the time after them."""
    for _ in range(number):
        queue.served(sockets, left, at, at + seconds)
        at += seconds
    return at


def test_delay_follows_the_measured_cost() -> None:
    """The delay is the number of waiting sockets times the seconds that one took lately, whatever the machine."""
    queue = WorkQueue()
    assert queue.delay == 0
    turns(queue, 100, sockets=20, seconds=0.010, left=100)
    assert queue.delay == pytest.approx(100 * 0.0005, rel=0.01)
    turns(queue, 100, sockets=20, seconds=0.100, left=100)
    assert queue.delay == pytest.approx(100 * 0.005, rel=0.01)


def test_other_work_between_turns_counts() -> None:
    """While sockets wait, the time between two turns is a part of what they wait for; without any it is not."""
    busy, idle = WorkQueue(), WorkQueue()
    for queue, left in ((busy, 10), (idle, 0)):
        for turn in range(500):
            queue.served(10, left, 100.0 + turn * 0.02, 100.01 + turn * 0.02)
        queue.waiting = 100
    assert idle.delay == pytest.approx(100 * 0.001, rel=0.01)
    assert busy.delay == pytest.approx(100 * 0.002, rel=0.01)


def test_stopped_process_learns_little() -> None:
    """One turn of many seconds, in which the process was stopped, does not make it refuse the phones after it."""
    queue = WorkQueue()
    turns(queue, 100, sockets=10, seconds=0.003)
    queue.served(1, 100, 200.0, 230.0)
    assert queue.delay < 0.1


def test_phones_that_were_let_in_wait_too() -> None:
    """A phone that is let in behind waiting sockets makes the queue longer; with nobody before it, it does not."""
    queue = WorkQueue()
    at = turns(queue, 200, sockets=10, seconds=0.01)
    queue.joined()
    assert queue.delay == 0
    turns(queue, 1, sockets=10, seconds=0.01, left=5, at=at)
    queue.joined()
    assert queue.delay == pytest.approx(6 * 0.001, rel=0.01)
