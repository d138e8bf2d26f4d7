"""The work queue: how long the sockets that are ready now will take."""

from __future__ import annotations

import pytest

from tvs.server.workqueue import FEW, TURNS_OF_A_PHONE, WorkQueue


def turn(queue: WorkQueue, sockets: int, left: int, started: float, ended: float) -> None:
    """One turn, after which so many sockets of phones that have begun are left."""
    queue.served(sockets, 0, started, ended)
    queue.found(left, 0)


def turns(queue: WorkQueue, number: int, *, sockets: int, seconds: float, left: int = 0, at: float = 100.0) -> float:
    """Some turns one after the other, of the same kind; the time after them."""
    for _ in range(number):
        turn(queue, sockets, left, at, at + seconds)
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
        for number in range(500):
            turn(queue, 10, left, 100.0 + number * 0.02, 100.01 + number * 0.02)
        queue.found(100, 0)
    assert idle.delay == pytest.approx(100 * 0.001, rel=0.01)
    assert busy.delay == pytest.approx(100 * 0.002, rel=0.01)


def test_stopped_process_learns_little() -> None:
    """One turn of many seconds, in which the process was stopped, does not make it refuse the phones after it."""
    queue = WorkQueue()
    turns(queue, 100, sockets=10, seconds=0.003)
    turn(queue, 1, 100, 200.0, 230.0)
    assert queue.delay < 0.1


def test_phones_that_were_let_in_wait_too() -> None:
    """A phone that is let in behind waiting sockets makes the queue longer; with nobody before it, it does not."""
    queue = WorkQueue()
    at = turns(queue, 200, sockets=10, seconds=0.01)
    queue.joined()
    assert queue.delay == 0
    turns(queue, 1, sockets=10, seconds=0.01, left=5, at=at)
    assert queue.delay == pytest.approx(5 * 0.001, rel=0.01)
    queue.joined()
    assert queue.delay == pytest.approx((5 + TURNS_OF_A_PHONE) * 0.001, rel=0.01)


def test_phone_that_has_not_begun_takes_all_its_turns() -> None:
    """Those that have begun are served first: who comes behind a new phone waits until it is answered."""
    queue = WorkQueue()
    turns(queue, 200, sockets=10, seconds=0.01)
    queue.found(begun=3, new=5)
    assert queue.delay == pytest.approx((3 + 5 * TURNS_OF_A_PHONE) * 0.001, rel=0.01)
    assert queue.cost_of_phone == pytest.approx(TURNS_OF_A_PHONE * 0.001, rel=0.01)


@pytest.mark.parametrize(("new", "taken"), [(10, 1.0), (5, 2.0), (1, TURNS_OF_A_PHONE)])
def test_turns_of_a_phone_are_measured(new: int, taken: float) -> None:
    """Strangers that connect and leave take one turn; questions on open connections are not a new phone's."""
    queue = WorkQueue()
    for number in range(200):
        queue.served(10, new, 100.0 + number * 0.01, 100.01 + number * 0.01)
    queue.found(begun=0, new=5)
    assert queue.delay == pytest.approx(5 * taken * 0.001, rel=0.01)


def test_few_do_not_wait_long() -> None:
    """However slow the machine is, a few phones are not a long queue; one more is."""
    queue = WorkQueue()
    turns(queue, 200, sockets=1, seconds=0.05)
    queue.found(begun=FEW // 2, new=FEW // 2)
    assert queue.delay > 1
    assert queue.long_delay == 0
    queue.joined()
    assert queue.long_delay == queue.delay
