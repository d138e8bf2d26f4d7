"""Start and end of the service, as service managers and administrators see them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.ports import quiet_port
from tests.fixtures.processes import alive, children, until
from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tvs.client.connection import TVSClient
    from tvs.state import StateDirectory

LONG = ("--drain-timeout", "60", "--connection-timeout", "60", "--request-timeout", "60", "--handshake-timeout", "60")


def closing() -> tuple[str, str]:
    """Options for a port for phones that stays closed after the service has closed it."""
    return "--listen", f"127.0.0.1:{quiet_port()}"


async def ask(phone: TVSClient) -> None:
    """Makes one query on an open connection."""
    await phone.query(device="CP-8861-SEP000000000001", subject="CN=a", issuer="CN=a", serial=b"\1")


def refused(service: Running) -> bool:
    """Whether the port for phones is closed.

    A connection that the kernel had made and no worker accepted is reset by the close: it was made before.
    """
    try:
        socket.create_connection((service.endpoint.host, service.endpoint.port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False
    return False


async def test_drain_answers_connected_phones(serve: Serve, probe: Probe) -> None:
    """On SIGTERM the port is closed at once, connected phones get their answer, and then the service ends."""
    service = serve("--workers", "2", *closing(), *LONG)
    async with service.client() as idle, service.client() as phone:
        await ask(idle)
        service.process.send_signal(signal.SIGTERM)
        await until(lambda: refused(service), "the port is closed")
        document = probe(service, "/readyz")
        assert (document[0], document[1]["reasons"][0]) == (503, "draining")
        await ask(phone)  # it had connected and not asked yet
    await until(lambda: service.process.poll() is not None, "the service's end")
    assert service.process.returncode == 0
    assert "stopped" in service.lines()[-1]


async def test_second_signal_ends_at_once(serve: Serve) -> None:
    """After a second signal the service does not wait for phones, and the exit status says so."""
    service = serve("--workers", "2", *closing(), *LONG)
    processes = children(service.process.pid)
    async with service.client():
        service.process.send_signal(signal.SIGINT)
        await until(lambda: refused(service), "the port is closed")
        assert service.process.poll() is None
        service.process.send_signal(signal.SIGTERM)
        await until(lambda: service.process.poll() is not None, "the service's end")
    assert service.process.returncode == 130
    assert not any(map(alive, processes))


def test_drain_ends_in_time(serve: Serve) -> None:
    """The connection of a phone that stays is closed after `drain_timeout`."""
    service = serve("--workers", "2", *LONG[2:], "--drain-timeout", "0.3")
    with socket.create_connection((service.endpoint.host, service.endpoint.port)) as stays:
        assert service.stop() == 0
        assert stays.recv(1) == b""


def test_terminal_interrupt_is_the_supervisors(serve: Serve) -> None:
    """Ctrl-C reaches every process of a terminal; workers ignore it, and the supervisor drains."""
    service = serve("--workers", "2")
    for process in children(service.process.pid):
        os.kill(process, signal.SIGINT)
        os.kill(process, signal.SIGHUP)
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(PATIENCE) == 0
    assert not any("worker_died" in line for line in service.lines())


def test_metrics_files_are_removed(serve: Serve, tmp_path: Path) -> None:
    """The files in which workers count are private, and removed when the service ends."""
    service = serve("--workers", "2", environment={"RUNTIME_DIRECTORY": str(tmp_path)})
    (directory,) = tmp_path.glob("tvs-metrics-*")
    assert directory.stat().st_mode & 0o777 == 0o700
    assert service.stop() == 0
    assert not directory.exists()


def test_files_of_killed_services_are_swept(serve: Serve, tmp_path: Path) -> None:
    """Files of a service that was killed with all its processes are removed by the next one.

    Those of a running service stay.
    """
    environment = {"RUNTIME_DIRECTORY": str(tmp_path)}
    running = serve("--workers", "1", environment=environment)
    kept = set(tmp_path.glob("tvs-metrics-*"))
    killed = serve("--workers", "1", environment=environment)
    (left,) = set(tmp_path.glob("tvs-metrics-*")) - kept
    for process in (killed.process.pid, *children(killed.process.pid)):  # the supervisor first: it would start others
        os.kill(process, signal.SIGSTOP)
    for process in (*children(killed.process.pid), killed.process.pid):
        os.kill(process, signal.SIGKILL)
    killed.process.wait(PATIENCE)
    assert left.exists()
    serve("--workers", "1", environment=environment)
    assert not left.exists()
    assert kept < set(tmp_path.glob("tvs-metrics-*"))
    assert running.stop() == 0


def test_port_in_use(serve: Serve, state: StateDirectory) -> None:
    """A second service on the same port is refused with a sentence; it does not take half of the phones away."""
    service = serve("--workers", "2")
    command = [sys.executable, "-m", "tvs", "serve", "--state", str(state.path), "--admin", "127.0.0.1:0"]
    done = subprocess.run(
        [*command, "--listen", str(service.endpoint)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert (
        f"cannot listen on {service.endpoint} for phones: Address already in use; choose another --listen, or "
        in done.stderr
    )
    assert done.stdout == ""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A service manager's end of sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE)
        yield listener


def test_service_manager_is_told(serve: Serve, manager: socket.socket) -> None:
    """READY, WATCHDOG, begin and end of a reload, STOPPING: in the words of sd_notify(3)."""
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "600000"}

    def told(*keys: str) -> dict[str, str]:
        while True:
            lines = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
            if lines.keys() >= set(keys):
                return lines

    service = serve("--workers", "2", environment=environment)
    assert str(service.endpoint) in told("READY")["STATUS"]
    assert told("WATCHDOG") == told("WATCHDOG") == {"WATCHDOG": "1"}
    service.process.send_signal(signal.SIGHUP)
    assert int(told("RELOADING", "MONOTONIC_USEC")["MONOTONIC_USEC"]) > 0
    assert told("READY")["READY"] == "1"
    service.process.send_signal(signal.SIGTERM)
    assert int(told("STOPPING", "EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"]) >= 10_000_000
    assert service.process.wait(PATIENCE) == 0


def test_watchdog_of_another_process_is_not_ours(serve: Serve, manager: socket.socket) -> None:
    """A process that WATCHDOG_PID does not name sends no WATCHDOG."""
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    service = serve("--workers", "1", environment=environment)
    assert b"READY=1" in manager.recv(4096)
    service.process.send_signal(signal.SIGTERM)
    assert b"STOPPING=1" in manager.recv(4096)
    wait_until(lambda: service.process.poll() == 0, "the service's end")
