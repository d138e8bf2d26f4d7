"""Versions and suites in the ClientHello: those of OpenSSL's own clients, of old formats, and of hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from tests.fixtures.tls import connected, service_context
from tvs.tls.clienthello import (
    MAX_EXTENSIONS,
    MAX_HELLO,
    MAX_RECORDS,
    MAX_SUITES,
    OfferedVersion,
    offered_suites,
    offered_version,
)
from tvs.tls.connection import TLSConnection
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSError

VERSIONS = {
    SSL.TLS1_VERSION: OfferedVersion.TLS1,
    SSL.TLS1_1_VERSION: OfferedVersion.TLS1_1,
    SSL.TLS1_2_VERSION: OfferedVersion.TLS1_2,
    SSL.TLS1_3_VERSION: OfferedVersion.TLS1_3,
}
ANY_VERSION = st.sampled_from(list(VERSIONS))


def hello_of(maximum: int) -> bytes:
    """The first flight of OpenSSL's client that offers at most this version."""
    client = TLSConnection(client_context(maximum=maximum), server_side=False)
    client.handshake()
    return client.outgoing()


HELLOS = {maximum: hello_of(maximum) for maximum in VERSIONS}


def record(message: bytes, *, size: int = 1 << 14) -> bytes:
    """A handshake message in records of at most `size` bytes."""
    pieces = [message[start : start + size] for start in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x00" + len(piece).to_bytes(2) + piece for piece in pieces)


def hello(version: str, *extensions: tuple[int, bytes]) -> bytes:
    """A ClientHello message with AES256-SHA, a version in hex and extensions."""
    listed = b"".join(kind.to_bytes(2) + len(value).to_bytes(2) + value for kind, value in extensions)
    body = bytes.fromhex(version) + bytes(32) + b"\0" + b"\0\2\0\x35" + b"\1\0"
    body += len(listed).to_bytes(2) + listed if extensions else b""
    return b"\1" + len(body).to_bytes(3) + body


@pytest.mark.parametrize("maximum", VERSIONS, ids=str)
def test_hello_of_openssl(maximum: int) -> None:
    """The highest version that OpenSSL's client was told to offer is found, in one record or in many."""
    flight = HELLOS[maximum]
    assert offered_version(flight) is VERSIONS[maximum]
    assert offered_version(record(flight[5:], size=1 + len(flight) // MAX_RECORDS)) is VERSIONS[maximum]


@pytest.mark.parametrize(
    ("flight", "version"),
    [
        (record(hello("0300")), "SSLv3"),
        (record(hello("0301")), "TLSv1"),
        (record(hello("0309", (0, b"x"))), "TLSv1.2"),
        (record(hello("0303", (0x0A0A, b""), (43, b"\x06\x1a\x1a\x03\x02\x03\x01"))), "TLSv1.1"),
        (record(hello("0303", (43, b"\x02\x7f\x1c"))), "unknown"),
        (record(hello("0303", (43, b"\x00"))), "unknown"),
        (record(hello("0200")), "unknown"),
        (b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", "unknown"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "unknown"),
        (b"GET / HTTP/1.0\r\n\r\n", "unknown"),
        (b"", "unknown"),
    ],
)
def test_hello_in_bytes(flight: bytes, version: str) -> None:
    """SSL 3.0, numbers that mean nothing, an extension that overrules, and what is not a hello in TLS records."""
    assert offered_version(flight).value == version


def test_extensions_without_end_are_not_read() -> None:
    """A stranger's thousand extensions cost no more than those that real clients send."""
    filled = [(0x5555, b"")] * (MAX_EXTENSIONS - 1)
    assert offered_version(record(hello("0303", *filled, (43, b"\2\3\4")))) is OfferedVersion.TLS1_3
    assert offered_version(record(hello("0303", *filled, (1, b""), (43, b"\2\3\4")))) is OfferedVersion.TLS1_2


def test_records_without_end_are_not_read() -> None:
    """A stranger's hello of one byte a record is not put together."""
    assert offered_version(record(hello("0301"), size=1)) is OfferedVersion.UNKNOWN


@given(maximum=ANY_VERSION, share=st.floats(0, 1, exclude_max=True))
def test_truncated_hello_is_unknown(maximum: int, share: float) -> None:
    """A hello without its end, wherever it is cut, names no version."""
    flight = HELLOS[maximum]
    assert offered_version(flight[: int(len(flight) * share)]) is OfferedVersion.UNKNOWN


@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda rest: record(b"\1" + rest)))
def test_any_bytes_have_a_version_or_none(flight: bytes) -> None:
    """Whatever a stranger sends, the result is in the closed set and nothing is raised."""
    assert offered_version(flight) in OfferedVersion
    assert len(offered_suites(flight)) < 5 * MAX_SUITES


@given(maximum=ANY_VERSION, where=st.integers(0, 10_000), value=st.integers(0, 255))
def test_changed_hello_raises_nothing(maximum: int, where: int, value: int) -> None:
    """One changed byte anywhere leaves a result of the closed set."""
    flight = bytearray(HELLOS[maximum])
    flight[where % len(flight)] = value
    assert offered_version(bytes(flight)) in OfferedVersion
    assert len(offered_suites(bytes(flight))) < 5 * MAX_SUITES


@pytest.mark.parametrize(
    ("suites", "numbers"),
    [
        ("AES256-SHA:AES128-SHA", "0035 002F"),
        ("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA256", "C02B C030 003C"),
    ],
)
def test_suites_of_openssl(suites: str, numbers: str) -> None:
    """Those that OpenSSL's client was told to offer, in its order, without the number that is none (IANA's list)."""
    client = TLSConnection(client_context(maximum=SSL.TLS1_2_VERSION, ciphers=suites), server_side=False)
    client.handshake()
    flight = client.outgoing()
    assert offered_suites(flight) == numbers
    assert offered_suites(flight + bytes.fromhex("14030300010116030300") + bytes(40)) == numbers
    assert offered_suites(record(flight[5:], size=20)) == "", "no phone sends it in pieces"
    assert offered_suites(flight[:45]) == ""


def test_suites_in_bytes() -> None:
    """What is no suite is left out (RFC 5746, RFC 7507, RFC 8701), and what nobody offers is not kept."""
    body = hello("0301")[4:39] + b"\0\x0a\x3a\x3a\x00\xff\x00\x2f\x56\x00\x00\x0a" + b"\1\0"
    assert offered_suites(record(b"\1" + len(body).to_bytes(3) + body)) == "002F 000A"
    many = hello("0301")[4:39] + b"\x10\x00" + b"\x00\x35" * 2048 + b"\1\0"
    flight = record(b"\1" + len(many).to_bytes(3) + many)
    assert offered_suites(flight[:MAX_HELLO]) == "", "not whole"
    assert offered_suites(flight).split() == ["0035"] * MAX_SUITES
    assert offered_suites(b"") == offered_suites(b"GET / HTTP/1.0\r\n\r\n") == ""


def test_bytes_are_kept_while_the_handshake_lasts() -> None:
    """A server has the client's first flight when the handshake has ended, in whatever pieces it came, once."""
    flight = HELLOS[SSL.TLS1_VERSION]
    connection = TLSConnection(service_context(), server_side=True)
    for byte in flight[:-1]:
        connection.receive(bytes([byte]))
        assert not connection.handshake()
    connection.receive(flight[-1:])
    with pytest.raises(TLSError, match="unsupported version"):
        connection.handshake()
    assert connection.take_flight() == flight
    assert connection.take_flight() == b""
    _, done = connected()
    assert offered_version(done.take_flight()) is OfferedVersion.UNKNOWN, "other messages follow the ClientHello"
    assert done.take_flight() == b""


def test_kept_bytes_are_bounded() -> None:
    """A stranger that sends a flight without end fills no memory."""
    connection = TLSConnection(service_context(), server_side=True)
    for _ in range(100):
        connection.receive(b"\x16\x03\x01\x40\x00" + bytes(1000))
    assert len(connection.take_flight()) < 2 * MAX_HELLO
