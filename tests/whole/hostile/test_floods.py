"""Floods of records after an honest handshake, and in place of one: each is ended early, and costs little."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.running import wait_until
from tests.whole.hostile.forging import (
    ALERT,
    CHANGE_CIPHER_SPEC,
    DATA,
    HANDSHAKE,
    Forger,
    hello_with_early_data,
    read_to_end,
    send_until_ended,
)
from tests.whole.strangers import connect, connect_tls, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watching

    Scrape = Callable[[Running], dict[str, float]]
    Flood = Callable[[Forger], Iterator[bytes]]

RECORDS = 500_000
"""Records of a flood, if the service does not end it: more than 10 MB, which no socket buffers take. A service that has
no processor for a while has read none of those that are sent meanwhile."""
SOME = 20_000
"""Bytes of a ClientHello that hardly grows: each comes with 32 empty records, 3.3 MB in all."""
CONNECTIONS = 4
"""Connections of each flood, one after another."""
FACTOR = 20
"""Processor time of a flood, at most, as a multiple of what honest conversations on as many connections take."""
CLIENT_HELLO = b"\x01\0\0\x2b\x03\x03" + bytes(32) + b"\0\0\x02\0\x9d\x01\0\0\0"
"""A ClientHello without extensions (RFC 5246, 7.4.1.2): the wish to negotiate again."""
NEW_SESSION_TICKET = b"\x04\0\0\x06" + bytes(6)
"""A message that only a server sends (RFC 5077, 3.3)."""
USER_CANCELED = b"\x01\x5a"
"""A warning (RFC 8446, 6.1)."""


def repeated(kind: int, content: bytes) -> Flood:
    """Encrypted records of one type and content."""
    return lambda forger: (forger.record(kind, content) for _ in range(RECORDS))


def updates(*, request: bool) -> Flood:
    """Key updates that ask the service to update its keys too, or not."""
    return lambda forger: (forger.key_update(request=request) for _ in range(RECORDS))


FLOODS: dict[int, dict[str, Flood]] = {
    SSL.TLS1_2_VERSION: {
        "renegotiation": repeated(HANDSHAKE, CLIENT_HELLO),
        "hello request": repeated(HANDSHAKE, bytes(4)),
        "session ticket": repeated(HANDSHAKE, NEW_SESSION_TICKET),
        "garbage of the handshake": repeated(HANDSHAKE, os.urandom(64)),
        "empty records": repeated(DATA, b""),
        "warnings": repeated(ALERT, USER_CANCELED),
        "change cipher spec": repeated(CHANGE_CIPHER_SPEC, b"\1"),
        "unknown type": repeated(99, b"\1"),
    },
    SSL.TLS1_3_VERSION: {
        "key updates": updates(request=False),
        "key updates with an answer": updates(request=True),
        "session ticket": repeated(HANDSHAKE, NEW_SESSION_TICKET),
        "garbage of the handshake": repeated(HANDSHAKE, os.urandom(64)),
        "empty records": repeated(DATA, b""),
        "warnings": repeated(ALERT, USER_CANCELED),
        "change cipher spec": lambda _: itertools.repeat(b"\x14\x03\x03\0\x01\x01", RECORDS),
        "unknown type": repeated(99, b"\1"),
    },
}


@pytest.mark.parametrize("version", FLOODS, ids=["TLS 1.2", "TLS 1.3"])
def test_records_without_data(serve: Callable[..., Running], watch: Watching, scrape: Scrape, version: int) -> None:
    """Whatever records without data follow the handshake, the service ends the connection before it has read many."""
    service = serve("--log-level", "error")
    floods = FLOODS[version]
    with watch(service) as watched:
        honest = watched.honest(CONNECTIONS * len(floods))
        before = watched.used()
        for name, flood in floods.items():
            for _ in range(CONNECTIONS):
                with closing(Forger(service, version)) as forger:
                    assert send_until_ended(forger.socket, flood(forger)) < RECORDS, f"{name}: is not ended"
            watched.bystander.asks(1)
        assert watched.used() - before < FACTOR * honest
    ended = 'tvs_connections_closed_total{outcome="tls_error"}'
    wait_until(lambda: scrape(service)[ended] == CONNECTIONS * len(floods), "each flood ends as a TLS error")


@pytest.mark.parametrize("version", FLOODS, ids=["TLS 1.2", "TLS 1.3"])
def test_records_of_one_byte(serve: Callable[..., Running], watch: Watching, version: int) -> None:
    """Requests in records of one byte each are answered, also with a key update before each byte."""
    service = serve("--log-level", "error", "--connection-timeout", "600", "--request-timeout", "600")
    requests = b"".join(map(request, range(40)))
    with watch(service) as watched, closing(Forger(service, version)) as forger:
        honest = watched.honest(40)
        before = watched.used()
        for number in range(len(requests)):
            update = forger.key_update(request=True) if version == SSL.TLS1_3_VERSION and number % 2 else b""
            forger.socket.sendall(update + forger.record(DATA, requests[number : number + 1]))
        received = forger.receive(40 * 14)
        assert received == b"".join(b"\x57\x01\x04\0" + number.to_bytes(4) + b"\0\4\7\0\1\1" for number in range(40))
        assert watched.used() - before < FACTOR * honest
        watched.waits("a connection that has its answers")


def test_renegotiation_is_refused_at_once(serve: Callable[..., Running]) -> None:
    """The alert that refuses a renegotiation is sent at once, not only with the next answer."""
    service = serve("--log-level", "error", "--request-timeout", "600", "--connection-timeout", "600")
    with closing(Forger(service, SSL.TLS1_2_VERSION)) as forger:
        forger.socket.sendall(forger.record(HANDSHAKE, CLIENT_HELLO))
        assert forger.socket.recv(1)[0] == ALERT


def test_early_data(serve: Callable[..., Running], watch: Watching) -> None:
    """Early data of an unknown session is skipped up to OpenSSL's limit of 16 KiB, then the connection is ended."""
    service = serve("--log-level", "error", "--handshake-timeout", "600", "--connection-timeout", "600")
    with watch(service) as watched:
        honest = watched.honest(10)
        before = watched.used()
        for _ in range(10):
            with connect(service) as connection:
                early = (b"\x17\x03\x03\x01\x00" + os.urandom(256) for _ in range(RECORDS))
                assert send_until_ended(connection, itertools.chain([hello_with_early_data()], early)) < RECORDS
        assert watched.used() - before < FACTOR * honest
        with connect(service) as connection:
            connection.sendall(hello_with_early_data() + b"\x17\x03\x03\x01\x00" + os.urandom(256))
            assert connection.recv(1) == b"\x16", "the service goes on with its hello"
            watched.waits("a connection that sent early data")
            connection.sendall(b"".join(b"\x17\x03\x03\x40\x00" + bytes(1 << 14) for _ in range(2)))
            assert read_to_end(connection)[-24:-21] == b"\x17\x03\x03", "the last record is an encrypted alert"


def test_hello_that_hardly_grows(serve: Callable[..., Running], watch: Watching, scrape: Scrape) -> None:
    """A ClientHello of one byte a record, 32 empty ones before each, is ended early: OpenSSL would read 20 MB of it."""
    service = serve("--log-level", "error")
    hello = b"\x01\x01\x86\xa0\x03\x03" + bytes(SOME)
    with watch(service) as watched:
        honest = watched.honest(CONNECTIONS)
        before = watched.used()
        for _ in range(CONNECTIONS):
            with connect(service) as connection:
                pieces = (b"\x16\x03\x01\0\0" * 32 + b"\x16\x03\x01\0\1" + bytes([byte]) for byte in hello)
                assert send_until_ended(connection, pieces) < RECORDS
        assert watched.used() - before < FACTOR * honest
    failed = 'tvs_tls_handshakes_total{result="other",version="none"}'
    wait_until(lambda: scrape(service)[failed] == CONNECTIONS, "each ends as a failed handshake")


def test_thousand_requests_in_a_row(serve: Callable[..., Running], watch: Watching) -> None:
    """A thousand requests at once on one connection are answered in order, for less than as many conversations."""
    service = serve("--log-level", "error", "--request-timeout", "600", "--connection-timeout", "600")
    with watch(service) as watched, closing(connect_tls(service)) as connection:
        honest = watched.honest(50) * 20
        before = watched.used()
        connection.sendall(b"".join(map(request, range(1000))))
        answers = b""
        while len(answers) < 1000 * 14:
            answers += connection.recv(16384)
        assert [int.from_bytes(answers[at + 4 : at + 8]) for at in range(0, 14_000, 14)] == list(range(1000))
        assert watched.used() - before < honest
        watched.waits("a phone that has its thousand answers")


def test_vandals(serve: Callable[..., Running], watch: Watching) -> None:
    """Clients that break TLS do not disturb the phones beside them, although OpenSSL's error queue is shared."""
    service = serve("--log-level", "error")
    with watch(service) as watched:
        honest = watched.honest(50)
        before = watched.used()
        for number in range(100):
            with connect(service) as connection, contextlib.suppress(OSError):
                connection.sendall(os.urandom(200) if number % 2 else b"\x16\x03\x01\x00\x05" + os.urandom(5))
            with closing(connect_tls(service)) as broken, contextlib.suppress(SSL.Error, OSError):
                broken.sock_shutdown(socket.SHUT_RD)
                os.write(broken.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))  # a record with a bad MAC
        watched.settles("broken connections")
        assert watched.used() - before < FACTOR * honest
