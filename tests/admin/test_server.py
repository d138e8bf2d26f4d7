"""The monitoring port's HTTP server: paths, methods, verdicts, and clients that stall."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry, Counter

from tests.fixtures.running import wait_until
from tvs.admin.access import Access
from tvs.admin.connections import MAX_CONNECTIONS
from tvs.admin.server import AdminServer
from tvs.system.listening import listen

if TYPE_CHECKING:
    from collections.abc import Iterator


PATIENCE = 30.0


class Port:
    """An admin port that a thread serves.

    Attributes:
        healthy: the verdict of /healthz.
        turns: number of calls of `on_turn`.
    """

    def __init__(self) -> None:
        self.healthy = True
        self.turns = 0
        self.listener = listen("127.0.0.1", 0, backlog=64)
        self.listener.setblocking(True)
        self.address: tuple[str, int] = self.listener.getsockname()
        registry = CollectorRegistry()
        Counter("phones", "Phones.", registry=registry).inc(3)
        self._server = AdminServer(
            self.listener,
            registry=registry,
            health=lambda: (self.healthy, {"status": "ok"}),
            readiness=lambda: (False, {"reasons": ["starting"]}),
            report=lambda: {"version": 1, "sentence": "Müller \udcff"},
            access=Access(None),
            on_turn=self._count,
        )
        self._thread = threading.Thread(target=self._server.serve)
        self._thread.start()

    def _count(self) -> None:
        self.turns += 1

    def ask(self, method: str, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read()

    def close(self) -> None:
        """Ends the server."""
        self._server._server.shutdown()
        self._thread.join()
        self._server._server.server_close()


@pytest.fixture
def port() -> Iterator[Port]:
    """An admin port."""
    made = Port()
    yield made
    made.close()


def test_probes(port: Port) -> None:
    """200 for a good verdict, 503 for a bad one, with the details as JSON; each request is judged anew."""
    assert port.ask("GET", "/healthz") == (200, "application/json", b'{"status": "ok"}\n')
    assert port.ask("GET", "/readyz")[0] == 503
    assert json.loads(port.ask("GET", "/readyz")[2]) == {"reasons": ["starting"]}
    port.healthy = False
    assert port.ask("GET", "/healthz")[0] == 503


def test_status_report(port: Port) -> None:
    """/status.json is the report in UTF-8, whatever its texts hold."""
    status, kind, body = port.ask("GET", "/status.json")
    assert (status, kind) == (200, "application/json")
    assert body.decode() == '{"version": 1, "sentence": "Müller \\udcff"}\n'


def test_metrics(port: Port) -> None:
    """/metrics is Prometheus text of the registry."""
    status, kind, body = port.ask("GET", "/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert b"phones_total 3.0\n" in body


def test_other_paths_and_methods(port: Port) -> None:
    """Another path is not found, with the paths that exist; other methods are not allowed."""
    status, _, body = port.ask("GET", "/other")
    assert (status, b"/status.json, /metrics, /healthz, /readyz" in body) == (404, True)
    assert [port.ask(method, "/healthz")[0] for method in ("POST", "PUT", "DELETE")] == [405] * 3
    assert port.ask("HEAD", "/healthz")[0] == 200


def test_client_that_says_nothing_delays_no_other(port: Port) -> None:
    """Clients that connect and stall, and one that sends rubbish, do not hold up a request."""
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS // 2):
            stack.enter_context(socket.create_connection(port.address))
        rubbish = stack.enter_context(socket.create_connection(port.address))
        rubbish.sendall(b"\x16\x03\x01\x00\x05rubbish\r\n\r\n")
        assert port.ask("GET", "/healthz")[0] == 200


def test_slow_clients_keep_no_probe_out(port: Port) -> None:
    """While forty clients send their requests byte by byte, from one address or from many, probes are answered."""
    with contextlib.ExitStack() as stack:
        for number in range(40):
            source = ("127.0.0.1" if number < 20 else f"127.0.0.{number}", 0)
            slow = stack.enter_context(socket.create_connection(port.address, source_address=source))
            slow.sendall(b"GET /heal")
            with contextlib.suppress(ConnectionError):  # it had to make room
                slow.sendall(b"t")
        for path in ("/healthz", "/metrics", "/healthz"):
            assert port.ask("GET", path)[0] == 200


def test_slow_client_is_cut_off(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is never silent for long is cut off when the whole time for a request is over."""
    monkeypatch.setattr("tvs.admin.connections.DEADLINE", 1.0)
    end = time.monotonic() + PATIENCE
    with socket.create_connection(port.address) as slow, contextlib.suppress(ConnectionError):
        while True:
            slow.sendall(b"G")
            time.sleep(0.05)
            assert time.monotonic() < end


def test_no_sign_of_life_while_nothing_is_taken(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life come from what takes connections: a thread that never begins, for want of memory, ends them."""
    wait_until(lambda: port.turns >= 2, "signs of life")
    going_on = threading.Event()
    begins = threading.Thread.start
    monkeypatch.setattr("threading.Thread.start", lambda thread: (going_on.wait(PATIENCE), begins(thread)))
    with socket.create_connection(port.address, PATIENCE) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        seen = -1
        while seen != port.turns:
            seen = port.turns
            time.sleep(1.5)  # three turns
        going_on.set()
        assert client.makefile("rb").readline() == b"HTTP/1.0 200 OK\r\n"
    wait_until(lambda: port.turns > seen, "signs of life")
