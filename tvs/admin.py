"""Metrics and health over HTTP, for monitoring; phones never come here.

    /metrics   Prometheus text
    /healthz   200 while the event loop turns, else 503
    /readyz    200 while phones are answered from complete data, else 503; the body says why

A process of its own, which the supervisor forks: it reads the files in which the workers count, and the
supervisor's board. Requests are served by threads of the standard library's WSGI server, so that a stalled reader
holds up nobody.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import threading
import time
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from OpenSSL import SSL
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from tvs import __version__
from tvs.health import RESTART_REASONS, WORKER_STATES, health, out_of_sync, readiness
from tvs.processes import resident_memory

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client.metrics_core import Metric

    from tvs.board import Board

    Probe = Callable[[], tuple[bool, Mapping[str, object]]]

READ_TIMEOUT = 5.0
"""Seconds that a client of the admin port has for its request."""
MAX_THREADS = 32
"""Requests that are served at a time; more wait in the listen queue."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket) -> None:
        self._places = threading.BoundedSemaphore(MAX_THREADS)
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._places.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client of the admin port that fails is its own problem."""


class _Handler(WSGIRequestHandler):
    timeout = READ_TIMEOUT

    def log_message(self, *_arguments: object) -> None:
        """Scrapes are not logged."""


class AdminServer:
    """The admin port.

    Args:
        listener: a listening socket.
        registry: what /metrics shows.
        health, readiness: asked for each request; give a verdict and its details.
    """

    def __init__(
        self, listener: socket.socket, *, registry: CollectorRegistry, health: Probe, readiness: Probe
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._probes = {"/healthz": health, "/readyz": readiness}
        self._server = _Server(listener)
        self._server.set_app(self._serve)

    def serve(self) -> None:
        """Serves until the thread is ended by an exception."""
        self._server.serve_forever()

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _answer(start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"error": "GET only"})
        if path == "/metrics":
            metrics: Iterable[bytes] = self._metrics(environ, start_response)
            return metrics
        if path in self._probes:
            good, details = self._probes[path]()
            return _answer(start_response, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, details)
        return _answer(start_response, HTTPStatus.NOT_FOUND, {"error": "see /metrics, /healthz and /readyz"})


def _answer(start_response: StartResponse, status: HTTPStatus, body: Mapping[str, object]) -> list[bytes]:
    data = json.dumps(body, default=str).encode() + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [data]


class BoardCollector(Collector):
    """The metrics that only the supervisor can tell.

    Args:
        board: where it tells them.
    """

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """The metrics as of now."""
        document = self._board.read()
        states = [worker["state"] for worker in document.get("workers", ())]
        workers = GaugeMetricFamily("tvs_workers", "Worker slots by state.", labels=["state"])
        for state in WORKER_STATES:
            workers.add_metric([state], states.count(state))
        yield workers
        restarts = CounterMetricFamily("tvs_worker_restarts", "Workers that ended, by reason.", labels=["reason"])
        for reason in RESTART_REASONS:
            restarts.add_metric([reason], document.get("restarts", {}).get(reason, 0))
        yield restarts
        yield GaugeMetricFamily(
            "tvs_cache_workers_out_of_sync",
            "Workers that do not answer from what the others answer from.",
            value=out_of_sync(document),
        )
        yield GaugeMetricFamily(
            "tvs_config_last_reload_successful",
            "1 while the settings in use are those of the last reload, or of the start.",
            value=document.get("reload_successful", 0),
        )
        yield self._memory(document.get("processes", {}))
        yield _build_info()

    @staticmethod
    def _memory(processes: Mapping[str, int]) -> Metric:
        memory = GaugeMetricFamily(
            "tvs_process_resident_memory_bytes",
            "Memory of a process, what it shares with others included.",
            labels=["slot"],
        )
        for slot, process in processes.items():
            size = resident_memory(process)
            if size is not None:
                memory.add_metric([slot], size)
        return memory


def _build_info() -> Metric:
    build = GaugeMetricFamily("tvs_build_info", "1, with the versions in use.", labels=["version", "python", "openssl"])
    openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
    build.add_metric([__version__, platform.python_version(), openssl], 1)
    return build


def run_admin(listener: socket.socket, board: Board, metrics: Path, supervisor: int) -> int:
    """The admin process: serves until SIGTERM. Returns the exit status.

    Args:
        listener: a listening socket.
        board: what the supervisor knows.
        metrics: directory of the files in which the workers count.
        supervisor: its process id. Where it died, there is nobody else left to remove `metrics`.
    """
    signal.signal(signal.SIGTERM, _end)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(metrics))  # type: ignore[no-untyped-call] # prometheus-client has no types here
    registry.register(BoardCollector(board))
    server = AdminServer(
        listener,
        registry=registry,
        health=lambda: health(board.read(), time.monotonic()),
        readiness=lambda: readiness(board.read()),
    )
    try:
        server.serve()
    finally:
        if os.getppid() != supervisor:
            shutil.rmtree(metrics, ignore_errors=True)
    return 0


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)
