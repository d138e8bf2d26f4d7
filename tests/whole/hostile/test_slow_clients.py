"""Slow clients: one byte a second, a length that never comes, other protocols."""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

from OpenSSL import SSL

from tests.fixtures.running import wait_until
from tests.whole.hostile.forging import DATA, Forger, hello_with_early_data, read_to_end
from tests.whole.strangers import connect, outcomes, request

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watching

    Scrape = Callable[[Running], dict[str, float]]

NUMBER = 20
"""Connections of each kind."""
HEADER = b"\x57\x01\x03\0\0\0\0\1\x40\0"
"""Header of a query whose payload has 16 KiB."""
VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)


def has_ended(connection: socket.socket) -> bool:
    """Whether the service has ended the connection; what came before is thrown away."""
    with contextlib.suppress(ConnectionResetError):
        while select.select([connection], [], [], 0)[0]:
            if not connection.recv(1 << 16):
                return True
        return False
    return True


def single(data: bytes) -> Iterator[bytes]:
    """The bytes, each a piece of its own."""
    return (data[index : index + 1] for index in range(len(data)))


def dripping(service: Running, stack: contextlib.ExitStack) -> Iterator[tuple[socket.socket, Iterator[bytes]]]:
    """Connections with the pieces that they will send: of a hello, a record, a header and a payload."""
    for number in range(NUMBER):
        yield stack.enter_context(connect(service)), single(hello_with_early_data())
        version = VERSIONS[number % 2]
        record, header, payload = (stack.enter_context(contextlib.closing(Forger(service, version))) for _ in range(3))
        yield record.socket, single(record.record(DATA, request()))
        yield header.socket, _records(header, HEADER)
        payload.socket.sendall(payload.record(DATA, HEADER))
        yield payload.socket, _records(payload, bytes(1000))


def _records(forger: Forger, data: bytes) -> Iterator[bytes]:
    return (forger.record(DATA, piece) for piece in single(data))


def test_one_byte_a_second(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """One byte a second, in the handshake, a record, a header or a payload, costs nothing and ends at a deadline."""
    service = serve("--log-level", "error")
    with watch(service) as watched, contextlib.ExitStack() as stack:
        drips = list(dripping(service, stack))
        seconds = 0
        while drips:
            for connection, pieces in drips:
                with contextlib.suppress(OSError):
                    connection.sendall(next(pieces))
            watched.waits(f"{len(drips)} connections send a byte a second", seconds=1)
            drips = [drip for drip in drips if not has_ended(drip[0])]
            seconds += 1
            assert seconds < 60
        assert seconds >= 3
        expected = {"handshake_timeout": NUMBER, "request_timeout": 3 * NUMBER}
        wait_until(lambda: outcomes(scrape, service, *expected) == expected, "each ends at its deadline")


def test_lengths_that_never_come(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """Lengths of records, messages and payloads, without what they announce, cost nothing and end at a deadline."""
    service = serve("--log-level", "error")
    starts = (b"", b"\x16\x03\x01\x40\0", b"\x16\x03\x01\x40\0\x01\0\x3f\xfc\x03\x03", b"\x16")
    with watch(service) as watched, contextlib.ExitStack() as stack:
        for number in range(NUMBER):
            for start in starts:
                stack.enter_context(connect(service)).sendall(start)
            for content in (HEADER, HEADER[:9], b"\x57"):
                forger = stack.enter_context(contextlib.closing(Forger(service, VERSIONS[number % 2])))
                forger.socket.sendall(forger.record(DATA, content))
            forger = stack.enter_context(contextlib.closing(Forger(service, VERSIONS[number % 2])))
            forger.socket.sendall(b"\x17\x03\x03\x40\0")
        watched.waits("lengths without content")
        expected = {"probe": NUMBER, "handshake_timeout": 3 * NUMBER, "request_timeout": 4 * NUMBER}
        wait_until(lambda: outcomes(scrape, service, *expected) == expected, "each ends at its deadline")


OTHERS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: tvs\r\n\r\n",
    "SSLv2": b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10\x01\0\x80\x02\0\x80\x03\0\x80\x04\0\x80\x05\0\x80\x06\0\x40\x07\0\xc0"
    + bytes(16),
    "SSH": b"SSH-2.0-OpenSSH_9.0\r\n",
    "SIP": b"REGISTER sip:192.0.2.1 SIP/2.0\r\n\r\n",
    "TVS without TLS": request(),
    "zeros": bytes(1000),
    "noise": os.urandom(1000),
}


def test_other_protocols(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """Clients of other protocols are refused at once, for less than a conversation costs."""
    service = serve("--log-level", "warning")
    with watch(service) as watched:
        honest = watched.honest(100) / 100
        before = watched.used()
        for _ in range(200):
            for first in OTHERS.values():
                with connect(service) as connection:
                    connection.sendall(first)
                    read_to_end(connection)
        watched.settles("other protocols")
        assert watched.used() - before < 200 * len(OTHERS) * honest
    assert outcomes(scrape, service, "handshake_failed") == {"handshake_failed": 200 * len(OTHERS)}
