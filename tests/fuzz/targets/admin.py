"""Harness of the admin port: what strangers send as HTTP."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import socket
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from prometheus_client import CollectorRegistry

from tests.fixtures.reports import REPORT
from tests.fuzz.harness import Harness
from tvs.admin.access import Access
from tvs.admin.server import AdminServer

MAX_INPUT = 64 * 1024
MAX_ANSWER = 32 * 1024
"""Bytes of an answer: the page of a small report; an empty registry, two small probes, an error with at most a line."""
TOKEN = "0123456789abcdef"  # noqa: S105 - of the harness
_PEER = ("127.0.0.1", 1)


class _Accepted(socket.socket):
    """One end of a socket pair, which gives itself out as a connection of this machine."""

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 2


@cache
def token_file() -> Path:
    """A file with the token of the second server."""
    path = Path(mkdtemp(prefix="tvs-fuzz-")) / "token"
    atexit.register(shutil.rmtree, path.parent)
    path.touch(0o600)
    path.write_text(TOKEN)
    return path


@cache
def server(*, guarded: bool) -> AdminServer:
    """A server whose connections are handed to it: it never accepts one. One of the two wants a token."""
    listener = socket.create_server(("127.0.0.1", 0))
    probe = lambda: (True, {"state": "ready"})  # noqa: E731 - two words
    return AdminServer(
        listener,
        registry=CollectorRegistry(),
        health=probe,
        readiness=probe,
        report=lambda: REPORT,
        access=Access(token_file() if guarded else None),
        on_turn=lambda: None,
    )


def one(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as stack:
        stack.enter_context(ours)
        ours.sendall(data[:MAX_INPUT])
        ours.shutdown(socket.SHUT_WR)
        accepted = stack.enter_context(_Accepted(fileno=theirs.detach()))
        inner = server(guarded=b"uthorization" in data)._server
        assert inner.connections.take(accepted, _PEER[0], time.monotonic())
        try:
            inner.finish_request(accepted, _PEER)
        finally:
            inner.shutdown_request(accepted)
        answer = _received(ours)
    assert len(answer) <= MAX_ANSWER
    assert not answer or answer.startswith((b"HTTP/1.", b"<!DOCTYPE", b"<!doctype", b"{", b"#")), answer[:100]


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
    parsers={"tvs.admin.server": 70, "tvs.admin.access": 60},
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
        b"Authorization: Bearer ",
        b"Authorization: Basic ",
        TOKEN.encode(),
    ),
)
