"""Harness of the admin port: what strangers send as HTTP."""

from __future__ import annotations

import socket
import time
from functools import cache

from prometheus_client import CollectorRegistry

from tests.fuzz.harness import Harness
from tvs.admin.server import AdminServer

MAX_INPUT = 64 * 1024
MAX_ANSWER = 16 * 1024
"""Bytes of an answer: an empty registry and two small probes, or an error page that repeats at most a line."""
_PEER = ("127.0.0.1", 1)


@cache
def server() -> AdminServer:
    """A server whose connections are handed to it: it never accepts one."""
    listener = socket.create_server(("127.0.0.1", 0))
    probe = lambda: (True, {"state": "ready"})  # noqa: E731 - two words
    return AdminServer(
        listener,
        registry=CollectorRegistry(),
        health=probe,
        readiness=probe,
        report=lambda: {"version": 1},
        on_turn=lambda: None,
    )


def one(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data[:MAX_INPUT])
        ours.shutdown(socket.SHUT_WR)
        inner = server()._server
        assert inner.connections.take(theirs, _PEER[0], time.monotonic())
        try:
            inner.finish_request(theirs, _PEER)
        finally:
            inner.shutdown_request(theirs)
        answer = _received(ours)
    assert len(answer) <= MAX_ANSWER
    assert not answer or answer.startswith((b"HTTP/1.", b"<!DOCTYPE", b"{", b"#")), answer[:100]


def _received(end: socket.socket) -> bytes:
    parts = []
    try:
        while part := end.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


ADMIN = Harness(
    name="admin",
    invariant="Any request gets at most one small HTTP answer, and its handler does not fail.",
    one=one,
    parsers={"tvs.admin.server": 70},
    tokens=(
        b"GET ",
        b"HEAD ",
        b"/metrics",
        b"/healthz",
        b"/readyz",
        b"/status.json",
        b" HTTP/1.1\r\n",
        b"Content-Length: ",
        b"Expect: 100-continue",
        b"?name[]=",
    ),
)
