"""Messages to the service manager, in the words of sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from tvs.system.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        yield listener


def told(manager: socket.socket) -> dict[str, str]:
    """The next message."""
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def silent(manager: socket.socket) -> bool:
    """Whether no message waits: a datagram is there as soon as it is sent."""
    manager.setblocking(False)
    try:
        manager.recv(4096)
    except BlockingIOError:
        return True
    return False


def test_life_of_a_service(manager: socket.socket) -> None:
    """Ready, reloading with the time that systemd asks for, ready again, stopping with the time that it takes."""
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    with contextlib.closing(notifier):
        notifier.ready("Answering phones")
        assert told(manager) == {"READY": "1", "STATUS": "Answering phones"}
        before = time.monotonic_ns() // 1000
        notifier.reloading()
        reloading = told(manager)
        assert before <= int(reloading.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000
        assert reloading == {"RELOADING": "1", "STATUS": "Reloading"}
        notifier.stopping(12.5)
        assert told(manager) == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "12500000", "STATUS": "Stopping"}


def test_abstract_socket() -> None:
    """A name with @ is a socket without a file."""
    name = f"tvs-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{name}")
        listener.settimeout(10)
        with contextlib.closing(Notifier({"NOTIFY_SOCKET": f"@{name}"})) as notifier:
            notifier.ready("x")
        assert told(listener)["READY"] == "1"


def test_watchdog_is_told_three_times_in_its_interval(manager: socket.socket) -> None:
    """A sign of life is sent after a third of the interval, and not more often."""
    environment = {
        "NOTIFY_SOCKET": manager.getsockname(),
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    with contextlib.closing(Notifier(environment)) as notifier:
        for now in (100.0, 105.0, 109.9, 110.0, 111.0, 120.0):
            notifier.watchdog(now)
        assert [told(manager) for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
        assert silent(manager)


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}],
    ids=["none", "unreadable", "another process"],
)
def test_no_watchdog(manager: socket.socket, environment: dict[str, str]) -> None:
    """Without an interval, or with another process meant, no sign of life is sent."""
    with contextlib.closing(Notifier({"NOTIFY_SOCKET": manager.getsockname(), **environment})) as notifier:
        notifier.watchdog(1e6)
        assert silent(manager)


def test_manager_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """A manager that does not listen, that is full, or that does not exist, raises nothing and delays nothing."""
    Notifier({}).ready("x")
    with contextlib.closing(Notifier({"NOTIFY_SOCKET": str(tmp_path / "nowhere")})) as notifier:
        notifier.ready("x")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "full"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "full")})
        for _ in range(2000):
            notifier.ready("x")
        notifier.close()
        notifier.ready("after the end")
