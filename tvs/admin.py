"""Metrics and health over HTTP, for monitoring; phones never come here.

    /metrics   Prometheus text
    /healthz   200 while the event loop turns, else 503
    /readyz    200 while phones are answered from complete data, else 503; the body says why

Served by threads of their own with the standard library's WSGI server, so that a stalled reader holds up nobody.
"""

from __future__ import annotations

import json
import socket
import threading
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client import CollectorRegistry

    from tvs.config import Endpoint

READ_TIMEOUT = 5.0
"""Seconds that a client of the admin port has for its request."""
MAX_THREADS = 32
"""Requests that are served at a time; more wait in the listen queue."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(MAX_THREADS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Binds without the reverse name look-up that the parent does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
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
        endpoint: where to listen; port 0 is any free one.
        registry: what /metrics shows.
        health, readiness: asked for each request; give a verdict and its details.

    Raises `OSError` where the endpoint cannot be had.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        registry: CollectorRegistry,
        health: Callable[[], tuple[bool, Mapping[str, object]]],
        readiness: Callable[[], tuple[bool, Mapping[str, object]]],
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._probes = {"/healthz": health, "/readyz": readiness}
        self._server = _Server((endpoint.host, endpoint.port))
        self._server.set_app(self._serve)
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin", daemon=True)

    @property
    def port(self) -> int:
        """The TCP port in use."""
        return self._server.server_port

    def start(self) -> None:
        """Begins to serve."""
        self._thread.start()

    def close(self) -> None:
        """Stops serving."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

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
