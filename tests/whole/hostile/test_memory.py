"""Memory of half-open connections that hold as many bytes as they may."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.bench.machine import resident_of
from tests.fixtures.running import wait_until
from tests.whole.strangers import connect
from tvs.tls.connection import MAX_HANDSHAKE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watch, Watching

HALF_OPEN = 300


def test_half_open_connections_at_the_limit_of_bytes(
    serve: Callable[..., Running], watch: Watching, scrape: Callable[[Running], dict[str, float]]
) -> None:
    """A half-open connection that holds all bytes that a handshake may have costs at most 128 KiB, and no time."""
    service = serve("--handshake-timeout", "600", "--connection-timeout", "600", "--log-level", "error")
    with watch(service) as watched, contextlib.ExitStack() as stack:
        (worker,) = watched.workers
        before = resident_of(worker)
        connections = [stack.enter_context(connect(service)) for _ in range(HALF_OPEN)]
        for connection in connections:
            connection.sendall(unfinished_hello(MAX_HANDSHAKE))
        held(service, watched, scrape)
        assert (resident_of(worker) - before) / HALF_OPEN < 128 << 10
        for connection in connections:
            connection.sendall(bytes(1))
            assert connection.recv(1) in (b"", b"\x15"), "one byte more is refused"


def held(service: Running, watched: Watch, scrape: Callable[[Running], dict[str, float]]) -> None:
    """Waits until all connections are half-open, and asserts that they cost no time."""
    wait_until(
        lambda: scrape(service)['tvs_connections{state="handshake"}'] >= HALF_OPEN, "all connections are half-open"
    )
    watched.settles("the bytes have come")
    watched.waits(f"{HALF_OPEN} half-open connections of {MAX_HANDSHAKE} bytes")


def unfinished_hello(size: int) -> bytes:
    """So many bytes of a ClientHello that announces one byte more, in records of 16 KiB at most (RFC 5246, 6.2.1)."""
    message = b"\x01" + size.to_bytes(3) + b"\x03\x03" + bytes(size)
    records = b""
    while len(records) < size:
        piece, message = message[: 1 << 14], message[1 << 14 :]
        records += b"\x16\x03\x01" + len(piece).to_bytes(2) + piece
    return records[:size]
