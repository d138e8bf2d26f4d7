"""The clients of the benchmarks count what happened to each phone, in the open model too."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest

from tests.bench import machine
from tests.bench.client import BenchError, Exchange, Load, Target, build, percentile, write_exchanges
from tests.bench.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.bench.client import Totals

CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384"
PATIENCE = 60.0
"""Seconds until a count must be there."""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The compiled client."""
    try:
        return build(tmp_path)
    except BenchError as error:
        pytest.skip(str(error))


@contextlib.contextmanager
def _phones(program: Path, tmp_path: Path, port: int) -> Iterator[Load]:
    """50 phones a second that begin whether or not others were answered."""
    exchanges = write_exchanges(tmp_path / "exchanges", [Exchange(b"question", b"answer")])
    target = Target(port=port, ciphers=CIPHERS, exchanges=exchanges, mode="open", slots=5000, rate=50.0)
    with Load(program, target, Place(frozenset({min(machine.all_cores())}))) as load:
        yield load


def _wait(load: Load, seen: Callable[[Totals], bool]) -> Totals:
    until = time.monotonic() + PATIENCE
    while not seen(totals := load.mark()):
        assert time.monotonic() < until, totals
        time.sleep(0.05)
    return totals


class _Listener:
    """A server that closes each connection before TLS, or accepts it and says nothing until it lets all go."""

    def __init__(self, *, turns_away: bool) -> None:
        self._turns_away = turns_away
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._socket.getsockname()[1]

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the listener is shut down at the end
            while True:
                self._held.append(self._socket.accept()[0])
                if self._turns_away:
                    self.let_go()

    def let_go(self) -> None:
        while self._held:
            self._held.pop().close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self.let_go()


@contextlib.contextmanager
def _paused(load: Load, seconds: float) -> Iterator[None]:
    """Stops the clients for this long, as programs do that take their core."""
    for pid in load.pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)  # what is tried is that this time passes
    yield
    for pid in load.pids:
        os.kill(pid, signal.SIGCONT)


def test_phones_turned_away_are_refused(program: Path, tmp_path: Path) -> None:
    """A phone whose connection is closed before TLS is refused, with the time until then, and is not a time-out."""
    with _Listener(turns_away=True) as server, _phones(program, tmp_path, server.port) as load:
        totals = _wait(load, lambda totals: totals.failed >= 50)
    assert totals.failures["turned_away"] + totals.failures["connect"] == totals.failed == totals.refused.total()
    assert totals.done == 0


def test_phones_without_a_listener_are_refused(program: Path, tmp_path: Path) -> None:
    """A phone at a port that nobody listens on is refused by the kernel."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with _phones(program, tmp_path, port) as load:
        totals = _wait(load, lambda totals: totals.failed >= 50)
    assert totals.failures["connect"] == totals.failed == totals.refused.total()


def test_phones_give_up(program: Path, tmp_path: Path) -> None:
    """A phone that hears nothing gives up after 5 s, which is a time-out and not a refusal; all are counted."""
    with _Listener(turns_away=False) as server, _phones(program, tmp_path, server.port) as load:
        _wait(load, lambda totals: totals.begun >= 20)
        load.stop()
        totals = _wait(load, lambda totals: totals.active == 0)
    assert totals.failures["timeout"] == totals.begun == totals.failed
    assert not totals.refused


def test_phones_let_go_after_their_patience_timed_out(program: Path, tmp_path: Path) -> None:
    """A phone that waited for its 5 s and is closed then was not refused: it timed out."""
    with _Listener(turns_away=False) as server, _phones(program, tmp_path, server.port) as load:
        _wait(load, lambda totals: totals.active >= 20)
        load.stop()
        load.mark()
        with _paused(load, 5.5):
            server.let_go()
        totals = _wait(load, lambda totals: totals.active == 0)
    assert totals.failures["timeout"] == totals.begun == totals.failed


def test_lateness_is_counted(program: Path, tmp_path: Path) -> None:
    """Each beginning counts how much later it was than planned: clients that others hold up say so."""
    with _Listener(turns_away=True) as server, _phones(program, tmp_path, server.port) as load:
        _wait(load, lambda totals: totals.begun >= 10)
        with _paused(load, 1.0):
            pass
        _wait(load, lambda totals: percentile(totals.late, 1.0) >= 800)
        load.stop()
        totals = _wait(load, lambda totals: totals.active == 0)
    assert totals.late.total() == totals.begun
