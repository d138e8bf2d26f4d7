"""Helpers of the supervisor: forked, replaced with back-off when they end, killed when they hang."""

from __future__ import annotations

import errno
import itertools
import signal

import pytest

from tvs.process.helper import Helper


@pytest.fixture
def forks() -> list[int | OSError]:
    """Results of forks: process ids, or the error that is raised; then 100, 101 …"""
    return []


@pytest.fixture
def helper(forks: list[int | OSError]) -> Helper:
    """A helper without a process yet."""
    processes = itertools.count(100)

    def fork(_heartbeat: object) -> int:
        result = forks.pop(0) if forks else next(processes)
        if isinstance(result, OSError):
            raise result
        return result

    return Helper("admin", fork)


def test_one_helper(helper: Helper) -> None:
    """It is forked once, and again after its end; another process's end is not its own."""
    helper.start_due(1000.0)
    helper.start_due(1001.0)
    assert helper.process == 100
    assert not helper.ended(7, 1002.0)
    assert helper.ended(100, 1002.0)
    assert helper.process == 0
    helper.start_due(1002.0)
    assert helper.process == 101


def test_helper_that_keeps_ending(helper: Helper) -> None:
    """A helper that ends at once, again and again, is not forked in a busy loop."""
    now, started = 1000.0, []
    while now < 1010.0:
        helper.start_due(now)
        if helper.process:
            started.append(now)
            helper.ended(helper.process, now)
        now += 0.01
    assert 10 <= len(started) <= 16
    assert started[-1] - started[-2] == pytest.approx(1.0, abs=0.02)


def test_system_without_processes(helper: Helper, forks: list[int | OSError]) -> None:
    """A fork that fails does not end the supervisor: it is tried again."""
    forks.append(OSError(errno.EAGAIN, "Resource temporarily unavailable"))
    helper.start_due(1000.0)
    assert helper.process == 0
    helper.start_due(1001.0)
    assert helper.process == 100


def test_end_of_the_service(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the service's end it gets SIGTERM; without one nothing is signalled."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda process, number: sent.append((process, number)))
    helper.end()
    helper.start_due(1000.0)
    helper.end()
    assert sent == [(100, signal.SIGTERM)]


def test_silent_helper(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that gives no sign of life for 10 s is killed, once; the next one has its own 10 s."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda process, number: sent.append((process, number)))
    assert helper.kill_hung(1000.0) is None
    helper.start_due(1000.0)
    silences = [helper.kill_hung(now) for now in (1010.0, 1010.5, 1011.0)]
    assert (silences, sent) == ([None, 10.5, None], [(100, signal.SIGKILL)])
    assert helper.ended(100, 1011.0)
    helper.start_due(1011.0)
    assert [helper.kill_hung(now) for now in (1021.0, 1021.5)] == [None, 10.5]
