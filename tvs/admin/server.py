"""The monitoring port's HTTP server: metrics and probes, served by threads."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from tvs.admin.access import CHALLENGE
from tvs.admin.connections import Connections
from tvs.status.page.document import page
from tvs.status.page.look import POLICY
from tvs.status.report import STATUS_PATH
from tvs.system.limits import SHORTAGES

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from wsgiref.types import StartResponse, WSGIEnvironment

    from tvs.admin.access import Access, Refusal

    Probe = Callable[[], tuple[bool, Mapping[str, object]]]


READ_TIMEOUT = 5.0
"""Seconds that a client of the admin port may be silent; `tvs.admin.connections.DEADLINE` bounds the whole request."""


LOCAL_ADDRESS = "tvs.local_address"
"""Key of a request's environment: the IP address to which the client has connected."""
PAUSE = 0.2
"""Seconds without accepting after the process ran out of descriptors or memory."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, on_turn: Callable[[], None]) -> None:
        self.connections = Connections()
        self._on_turn = on_turn
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()

    def get_request(self) -> Any:
        """Accepts a client. Without descriptors there is a pause: the client waits, and would be reported at once."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in SHORTAGES:
                time.sleep(PAUSE)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.connections.take(request, client_address[0], time.monotonic()):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        self.connections.closed(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called twice a second, and after each request that was accepted."""
        self._on_turn()
        self.connections.expire(time.monotonic())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores the failure of a client."""


class _Handler(WSGIRequestHandler):
    timeout = READ_TIMEOUT
    server: _Server

    def parse_request(self) -> bool:
        complete = super().parse_request()
        self.server.connections.requested(self.connection)
        return complete

    def get_environ(self) -> WSGIEnvironment:
        """The request's environment."""
        environ = super().get_environ()
        environ[LOCAL_ADDRESS] = self.connection.getsockname()[0]
        return environ

    def log_message(self, *_arguments: object) -> None:
        """Logs nothing."""


class AdminServer:
    """The admin port.

    Args:
        listener: a listening socket.
        registry: the metrics of /metrics.
        health, readiness: called for each request; return the verdict and the body.
        report: called for each request; returns the body of /status.json, of which the page at / is made.
        access: decides who may read what.
        on_turn: called twice a second while connections are taken.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        registry: CollectorRegistry,
        health: Probe,
        readiness: Probe,
        report: Callable[[], Mapping[str, object]],
        access: Access,
        on_turn: Callable[[], None],
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._probes = {"/healthz": health, "/readyz": readiness}
        self._report = report
        self._access = access
        self._server = _Server(listener, on_turn)
        self._server.set_app(self._serve)

    def serve(self) -> None:
        """Serves until an exception ends the thread."""
        self._server.serve_forever()

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        refusal = self._access.refusal(
            path, local_address=environ[LOCAL_ADDRESS], authorization=environ.get("HTTP_AUTHORIZATION", "")
        )
        if refusal is not None:
            return _refused(start_response, refusal)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _answer(start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"error": "GET only"})
        if path == "/metrics":
            metrics: Iterable[bytes] = self._metrics(environ, start_response)
            return metrics
        if path == "/":
            return _page(start_response, page(self._report()))
        return _answer(start_response, *self._document(path))

    def _document(self, path: str) -> tuple[HTTPStatus, Mapping[str, object]]:
        """Status and JSON body at a path."""
        if path in self._probes:
            good, details = self._probes[path]()
            return (HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE), details
        if path == STATUS_PATH:
            return HTTPStatus.OK, self._report()
        return HTTPStatus.NOT_FOUND, {"error": f"see /, {STATUS_PATH}, /metrics, /healthz, /readyz"}


def _refused(start_response: StartResponse, refusal: Refusal) -> list[bytes]:
    headers = [("WWW-Authenticate", CHALLENGE)] if refusal.status is HTTPStatus.UNAUTHORIZED else []
    return _answer(start_response, refusal.status, {"error": refusal.sentence}, headers)


def _answer(
    start_response: StartResponse,
    status: HTTPStatus,
    body: Mapping[str, object],
    more_headers: Sequence[tuple[str, str]] = (),
) -> list[bytes]:
    data = json.dumps(body, default=str, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data))), *more_headers]
    start_response(f"{status.value} {status.phrase}", headers)
    return [data]


def _page(start_response: StartResponse, text: str) -> list[bytes]:
    data = text.encode(errors="backslashreplace")
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(data))),
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ]
    start_response("200 OK", headers)
    return [data]
