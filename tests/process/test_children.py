"""The admin process: forked, and replaced with back-off when it ends."""

from __future__ import annotations

import contextlib
import errno
import itertools
import signal
from typing import TYPE_CHECKING, Any, cast

import pytest

import tvs.process.children
from tvs.process.children import Children
from tvs.system.board import Board
from tvs.system.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.process.current import Current


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int | OSError]:
    """Results of forks: process ids, or the error that is raised; then 100, 101 …"""
    results: list[int | OSError] = []
    processes: Iterator[int] = itertools.count(100)

    def fork(_work: object, **_settings: object) -> int:
        result = results.pop(0) if results else next(processes)
        if isinstance(result, OSError):
            raise result
        return result

    monkeypatch.setattr(tvs.process.children, "fork", fork)
    return results


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """No process yet."""
    unused = cast("Any", None)
    current = cast("Current", unused)
    with contextlib.closing(Relay(1)) as relay:
        yield Children(
            current,
            board=Board(),
            relay=relay,
            metrics=tmp_path,
            log=unused,
            admin_listener=unused,
            leave=lambda _slot: None,
        )


def test_one_admin_process(children: Children, forks: list[int | OSError]) -> None:
    """It is forked once, and again after its end; another process's end is not its own."""
    children.start_admin_due(1000.0)
    children.start_admin_due(1001.0)
    assert children.admin == 100
    assert not children.admin_ended(7, 1002.0)
    assert children.admin_ended(100, 1002.0)
    assert children.admin == 0
    children.start_admin_due(1002.0)
    assert children.admin == 101


def test_admin_process_that_keeps_ending(children: Children, forks: list[int | OSError]) -> None:
    """An admin process that ends at once, again and again, is not forked in a busy loop."""
    now, started = 1000.0, []
    while now < 1010.0:
        children.start_admin_due(now)
        if children.admin:
            started.append(now)
            children.admin_ended(children.admin, now)
        now += 0.01
    assert 10 <= len(started) <= 16
    assert started[-1] - started[-2] == pytest.approx(1.0, abs=0.02)


def test_system_without_processes(children: Children, forks: list[int | OSError]) -> None:
    """A fork that fails does not end the supervisor: it is tried again."""
    forks.append(OSError(errno.EAGAIN, "Resource temporarily unavailable"))
    children.start_admin_due(1000.0)
    assert children.admin == 0
    children.start_admin_due(1001.0)
    assert children.admin == 100


def test_end_of_the_service(children: Children, forks: list[int | OSError], monkeypatch: pytest.MonkeyPatch) -> None:
    """At the service's end it gets SIGTERM; without one nothing is signalled."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda process, number: sent.append((process, number)))
    children.end_admin()
    children.start_admin_due(1000.0)
    children.end_admin()
    assert sent == [(100, signal.SIGTERM)]


def test_silent_admin_process(children: Children, forks: list[int | OSError], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that gives no sign of life for 10 s is killed, once; the next one has its own 10 s."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda process, number: sent.append((process, number)))
    assert children.kill_hung_admin(1000.0) is None
    children.start_admin_due(1000.0)
    silences = [children.kill_hung_admin(now) for now in (1010.0, 1010.5, 1011.0)]
    assert (silences, sent) == ([None, 10.5, None], [(100, signal.SIGKILL)])
    assert children.admin_ended(100, 1011.0)
    children.start_admin_due(1011.0)
    assert [children.kill_hung_admin(now) for now in (1021.0, 1021.5)] == [None, 10.5]
