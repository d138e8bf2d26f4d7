"""What a client offers, read from the bytes of its ClientHello: its highest TLS version, and its suites.

OpenSSL does not tell which versions a client offered that it refused, and pyOpenSSL not which suites. These bytes are a
stranger's: whatever they are, the results and the work are bounded.
"""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import Final

from proto.errors import ErrorKind, RemoteProtocolError
from proto.tlv import Reader

MAX_HELLO: Final = 4096
"""Bytes of a client's first flight that are kept: phones send about 200, browsers with post-quantum keys 1,800."""
MAX_RECORDS: Final = 32
"""TLS records that a ClientHello may be spread over; clients send one."""
MAX_EXTENSIONS: Final = 64
"""Extensions that are looked at; clients send at most about 20."""
MAX_SUITES: Final = 64
"""Suites that are named; phones offer some 5 to 30."""
_HANDSHAKE: Final = 22
"""Record type of a handshake message (RFC 5246, 6.2.1)."""
_CLIENT_HELLO: Final = 1
"""Handshake message type (RFC 5246, 7.4)."""
_SUPPORTED_VERSIONS: Final = 43
"""Extension that names all versions, since TLS 1.3 (RFC 8446, 4.2.1)."""
_RANDOM: Final = 32
_MESSAGE: Final = 5
"""Place of the first message in a flight, behind its record's header."""
_SESSION: Final = _MESSAGE + 4 + 2 + _RANDOM
"""Place of the length of a ClientHello's session identifier in it."""
_SIGNALS: Final = frozenset({0x00FF, 0x5600, *range(0x0A0A, 0x10000, 0x1010)})
"""Numbers of no suite: secure renegotiation, fallback (RFC 5746, RFC 7507), and those without a meaning (RFC 8701)."""


class OfferedVersion(StrEnum):
    """Highest version that a client offers: a closed set, fit for a metric's label."""

    SSL3 = "SSLv3"
    TLS1 = "TLSv1"
    TLS1_1 = "TLSv1.1"
    TLS1_2 = "TLSv1.2"
    TLS1_3 = "TLSv1.3"
    UNKNOWN = "unknown"
    """The bytes are not a whole ClientHello, or it names none of these versions."""


_VERSIONS: Final = {
    0x0300: OfferedVersion.SSL3,
    0x0301: OfferedVersion.TLS1,
    0x0302: OfferedVersion.TLS1_1,
    0x0303: OfferedVersion.TLS1_2,
    0x0304: OfferedVersion.TLS1_3,
}


def offered_version(flight: bytes) -> OfferedVersion:
    """The highest version that a client offers. Never raises.

    Args:
        flight: the client's first bytes, at most about `MAX_HELLO`: TLS records. The SSL 2.0 record in which very old
            clients offer later versions (RFC 5246, E.2) is not read: OpenSSL refuses it as a record.
    """
    try:
        return _offered(Reader(_client_hello(flight)))
    except RemoteProtocolError:
        return OfferedVersion.UNKNOWN


def offered_suites(flight: bytes) -> str:
    """The suites that a client offers, in its order, at most `MAX_SUITES`. Never raises.

    Args:
        flight: the client's first bytes. What follows the ClientHello is not read.

    Returns:
        their numbers (RFC 5246, A.5), four hex digits each, separated by blanks: ``0035 002F``; empty if the first
        record is not a ClientHello, or, as no phone does it, has only a part of it.
    """
    try:
        if flight[0] != _HANDSHAKE or flight[_MESSAGE] != _CLIENT_HELLO:
            return ""
        start = _SESSION + 1 + flight[_SESSION] + 2
        end = start + (flight[start - 2] << 8 | flight[start - 1])
    except IndexError:
        return ""
    if end > _MESSAGE + (flight[3] << 8 | flight[4]) or end > len(flight):
        return ""
    return _numbers(flight[start : min(end, start + 2 * MAX_SUITES)])


@functools.lru_cache(maxsize=256)
def _numbers(suites: bytes) -> str:
    """Phones of a model offer the same ones."""
    numbers = (int.from_bytes(suites[start : start + 2]) for start in range(0, len(suites) - 1, 2))
    return " ".join(f"{number:04X}" for number in numbers if number not in _SIGNALS)


def _client_hello(flight: bytes) -> bytes:
    """The body of the first handshake message, which may be spread over records."""
    records = Reader(flight)
    message = bytearray()
    for _ in range(MAX_RECORDS):
        if not records.remaining:
            break
        _expect(records.uint8("record type"), _HANDSHAKE)
        records.uint16("record version")
        message += records.take(records.uint16("record length"), "record")
    reader = Reader(bytes(message))
    _expect(reader.uint8("message type"), _CLIENT_HELLO)
    return reader.take(reader.uint8("message length") << 16 | reader.uint16("message length"), "message")


def _offered(hello: Reader) -> OfferedVersion:
    legacy = hello.uint16("version")
    hello.take(_RANDOM, "random")
    hello.take(hello.uint8("session id length"), "session id")
    hello.take(hello.uint16("suites length"), "suites")
    hello.take(hello.uint8("compression length"), "compression methods")
    if not hello.remaining:
        return _highest([legacy])
    extensions = Reader(hello.take(hello.uint16("extensions length"), "extensions"))
    for _ in range(MAX_EXTENSIONS):
        if not extensions.remaining:
            break
        kind = extensions.uint16("extension type")
        value = extensions.take(extensions.uint16("extension length"), "extension")
        if kind == _SUPPORTED_VERSIONS:
            return _highest(_listed(Reader(value)))
    return _highest([min(legacy, 0x0303)])  # without the extension, higher numbers mean TLS 1.2


def _listed(reader: Reader) -> list[int]:
    reader = Reader(reader.take(reader.uint8("versions length"), "versions"))
    return [reader.uint16("version") for _ in range(reader.remaining // 2)]


def _highest(numbers: list[int]) -> OfferedVersion:
    """The highest known version; clients also list numbers that mean nothing (GREASE, RFC 8701)."""
    known = [number for number in numbers if number in _VERSIONS]
    return _VERSIONS[max(known)] if known else OfferedVersion.UNKNOWN


def _expect(value: int, wanted: int) -> None:
    if value != wanted:
        raise RemoteProtocolError(ErrorKind.MESSAGE_TYPE, f"{value} stands for a ClientHello's {wanted}", 0)
