"""Shared state of sessions and acceptor: current settings, log, the rate limit of lines that strangers provoke."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.phones import ADDRESS
from tvs.log.levels import LogFormat
from tvs.server.deadlines import Deadline, Timed
from tvs.system.limits import shortage
from tvs.tls.profiles import ClientCertificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.worker import Worker


@pytest.mark.parametrize(
    ("level", "trace", "requests"), [("debug", True, True), ("info", False, True), ("warning", False, False)]
)
def test_level_decides_which_lines_are_made(
    make_worker: Callable[..., Worker], level: str, *, trace: bool, requests: bool
) -> None:
    """Traces are for debug, requests for info."""
    shared = make_worker(level).shared
    assert (shared.tracing is not None, shared.log_requests) == (trace, requests)


def test_reconfiguration(worker: Worker) -> None:
    """Other settings and the log's new level are in use at once."""
    shared = worker.shared
    assert (shared.asks_certificates, shared.tracing) == (True, None)
    descriptor = os.open(worker.log_file, os.O_WRONLY | os.O_APPEND)
    worker.pipeline.reconfigure(descriptor, log_format=LogFormat.JSON, level="debug", colors=False)
    shared.reconfigure(replace(shared.config, client_certificates=ClientCertificates.OFF))
    assert not shared.asks_certificates
    assert shared.tracing is not None
    shared.log.debug("written")
    assert [line["event"] for line in worker.logged()] == ["written"]


class Connection(Timed):
    """Remembers its deadlines that passed."""

    def __init__(self, worker: Worker) -> None:
        self.passed_by: list[Deadline] = []
        self.begin_deadlines(worker.shared.deadlines, Deadline.HANDSHAKE, worker.clock.now)

    def expired(self, deadline: Deadline) -> None:
        """A deadline has passed."""
        self.passed_by.append(deadline)


def test_each_deadline_has_its_setting(make_worker: Callable[..., Worker]) -> None:
    """The five durations of the settings are those of the five deadlines."""
    seconds = {
        "handshake_timeout": 1.0,
        "request_timeout": 2.0,
        "write_timeout": 3.0,
        "linger_timeout": 4.0,
        "connection_timeout": 5.0,
    }
    worker = make_worker(**seconds)
    shaking, asking, lingering = (Connection(worker) for _ in range(3))
    asking.set_phase(Deadline.REQUEST, worker.clock.now)
    asking.set_write(worker.clock.now)
    lingering.set_last(Deadline.LINGER, worker.clock.now)
    passed = []
    for _ in range(5):
        worker.pass_time(1.0)
        passed.append([*shaking.passed_by, *asking.passed_by, *lingering.passed_by])
        for connection in (shaking, asking, lingering):
            connection.passed_by.clear()
    assert passed[:4] == [[Deadline.HANDSHAKE], [Deadline.REQUEST], [Deadline.WRITE], [Deadline.LINGER]]
    assert passed[4] == [Deadline.CONNECTION] * 2


def test_reconfiguration_shortens_deadlines(worker: Worker) -> None:
    """A connection that waits already gets the shorter time, counted from the reconfiguration."""
    connection = Connection(worker)
    connection.set_phase(Deadline.REQUEST, worker.clock.now)
    worker.pass_time(1.0)
    worker.shared.reconfigure(replace(worker.shared.config, request_timeout=2.0))
    worker.pass_time(1.9)
    assert connection.passed_by == []
    worker.pass_time(0.2)
    assert connection.passed_by == [Deadline.REQUEST]


def test_strangers_fill_no_log(worker: Worker) -> None:
    """Of what strangers provoke ten lines a second are written for each event; the next one counts the rest."""
    shared = worker.shared
    for _ in range(25):
        shared.stranger("handshake_failed", ADDRESS, reason="not_tls")
    shared.stranger("tls_error", ADDRESS)
    worker.clock.now += 1.0
    shared.stranger("handshake_failed", ADDRESS, reason="closed")
    lines = worker.logged()
    failed = [line for line in lines if line["event"] == "handshake_failed"]
    assert len(failed) == 11
    assert [line.get("held_back") for line in failed] == [None] * 10 + [15]
    assert {line["level"] for line in lines} == {"warning"}
    assert [line["address"] for line in lines if line["event"] == "tls_error"] == [ADDRESS]


def test_line_for_which_memory_is_missing(worker: Worker) -> None:
    """Whoever logs goes on without the line; the next one of that event counts it."""
    shared = worker.shared

    def lacking() -> dict[str, object]:
        raise MemoryError

    for _ in range(3):
        shared.stranger("tls_error", ADDRESS, lacking)
    shared.stranger("tls_error", ADDRESS)
    shared.stranger("tls_error", ADDRESS)
    assert [line.get("held_back") for line in worker.events("tls_error")] == [3, None]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (MemoryError("no memory for a TLS connection"), {"shortage": "out of memory"}),
        (OSError(24, "Too many open files"), {"shortage": "[Errno 24] Too many open files"}),
        (RuntimeError("can't start new thread"), {"shortage": shortage(RuntimeError("can't start new thread"))}),
        (ZeroDivisionError("division by zero"), {"exception": "ZeroDivisionError: division by zero"}),
        (None, {}),
    ],
)
def test_what_an_exception_has_ended(worker: Worker, error: BaseException | None, shown: dict[str, str]) -> None:
    """A bug is logged with its traceback; a shortage by its name, since it says nothing where memory runs out first."""
    worker.shared.failed("session_failed", error, ADDRESS, reason="why", worker=0)
    assert worker.events("session_failed") == [{"address": ADDRESS, "reason": "why", "worker": 0, **shown}]
