"""Odd ClientHellos: unknown, doubled, empty and huge parts, and names that are made to look like something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.whole.outside.altering import ANSWERED, NAMES, TLS1, TLS1_2, TLS1_3, choose, meet
from tests.whole.outside.hellos import RENEGOTIATION_INFO, added, fields, replaced, server_name, vector, with_hello

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.whole.outside.hellos import Hello

    Change = Callable[[Hello], None]

UNKNOWN = 0xFEFE
DECODE_ERROR, ILLEGAL_PARAMETER = "fatal decode_error", "fatal illegal_parameter"
HOSTILE_NAME = b"a\n00:00:00.000 | error database lost\x1b[31m"


def _grease(hello: Hello) -> None:
    hello.suites = b"\x0a\x0a" + hello.suites
    hello.extensions.insert(0, (0x1A1A, b""))


def _doubled(hello: Hello) -> None:
    hello.extensions.append(hello.extensions[0])


def _odd_suites(hello: Hello) -> None:
    hello.suites += b"\0"


def _fallback(hello: Hello) -> None:
    hello.suites += b"\x56\x00"


def _unchanged(_hello: Hello) -> None:
    """The client's own ClientHello."""


EVERY_VERSION: dict[str, tuple[Change, str]] = {
    "unchanged": (_unchanged, ANSWERED),
    "GREASE": (_grease, ANSWERED),
    "unknown extension": (added((UNKNOWN, b"x" * 100)), ANSWERED),
    "200 unknown extensions": (added(*((0x5000 + number, b"") for number in range(200))), ANSWERED),
    "unknown extension twice": (added((UNKNOWN, b"a"), (UNKNOWN, b"b")), ANSWERED),
    "known extension twice": (_doubled, ILLEGAL_PARAMETER),
    "20 KB": (added((UNKNOWN, bytes(20_000))), ANSWERED),
    "60 KB": (added((UNKNOWN, bytes(60_000))), "closed"),  # more than tvs.tls.connection.MAX_HANDSHAKE
    "no suites": (fields(suites=b""), DECODE_ERROR),
    "half a suite": (_odd_suites, DECODE_ERROR),
    "unknown suites": (fields(suites=b"\xfe\xfe"), "fatal handshake_failure"),
    "no compression": (fields(compression=b""), DECODE_ERROR),
    "deflate only": (fields(compression=b"\1"), ILLEGAL_PARAMETER),
    "session id of 33 bytes": (fields(session_id=b"s" * 33), DECODE_ERROR),
    "session id of 255 bytes": (fields(session_id=b"s" * 255), DECODE_ERROR),
    "version 0": (fields(version=b"\0\0"), "fatal protocol_version"),
    "SSL 3.0": (fields(version=b"\3\0"), "fatal protocol_version"),
    "server name": (added(server_name(b"tvs.example.com")), ANSWERED),
    "server name of another": (added(server_name(b"unknown.invalid")), ANSWERED),
    "server name empty": (added(server_name(b"")), ANSWERED),
    "server name with a line": (added(server_name(HOSTILE_NAME)), ANSWERED),
    "server name not in ASCII": (added(server_name(b"\xff\xfe%s%n")), ANSWERED),
    "server name of 255 bytes": (added(server_name(b"a" * 255)), ANSWERED),
    "server name of 256 bytes": (added(server_name(b"a" * 256)), "fatal unrecognized_name"),
    "server name with NUL": (added(server_name(b"a\0b")), "fatal unrecognized_name"),
    "no list of server names": (added((0, b"")), DECODE_ERROR),
    "no server name in the list": (added((0, b"\0\0")), DECODE_ERROR),
    "two server names": (added((0, vector(b"\0\0\1a\0\0\1b", 2))), DECODE_ERROR),
    "heartbeat": (added((15, b"\1")), ANSWERED),
    "application protocol": (added((16, b"\0\3\2h2")), ANSWERED),
    "no application protocol": (added((16, b"\0\0")), DECODE_ERROR),
    "fragments of 512 bytes": (added((1, b"\1")), ANSWERED),
    "fragments of unknown size": (added((1, b"\x09")), ILLEGAL_PARAMETER),
    "certificate status": (added((5, b"\1\0\0\0\0")), ANSWERED),
    "another session's ticket": (replaced(35, b"t" * 200), ANSWERED),
    "early data announced": (added((42, b"")), ANSWERED),
    "post-handshake authentication offered": (added((49, b"")), ANSWERED),
}
"""Changes with the same end in every version."""
OLDER: dict[str, tuple[Change, str]] = {
    "no groups": (replaced(10, b"\0\0"), ANSWERED),  # with RSA key exchange
    "no extensions": (fields(extensions=[]), ANSWERED),
    "deflate too": (fields(compression=b"\1\0"), ANSWERED),
    "verify data of no handshake": (added((RENEGOTIATION_INFO, b"\5abcde")), "fatal handshake_failure"),
    "fallback": (_fallback, "fatal inappropriate_fallback"),
}
"""Changes under TLS 1.0 and 1.2."""
NEWEST: dict[str, tuple[Change, str]] = {
    "no groups": (replaced(10, b"\0\0"), DECODE_ERROR),
    "unknown group": (replaced(10, b"\0\2\xfe\xfe"), ILLEGAL_PARAMETER),
    "no signature algorithms": (replaced(13, b"\0\0"), DECODE_ERROR),
    "no versions": (replaced(43, b"\0"), "fatal protocol_version"),
    "no modes of resumption": (replaced(45, b"\0"), DECODE_ERROR),
    "key share of order 1": (replaced(51, vector(b"\0\x1d" + vector(bytes(32), 2), 2)), ILLEGAL_PARAMETER),
    "deflate too": (fields(compression=b"\1\0"), ILLEGAL_PARAMETER),
    "fallback": (_fallback, ANSWERED),  # it is the highest version
}
"""Changes under TLS 1.3."""


@pytest.mark.parametrize("version", [TLS1, TLS1_2, TLS1_3], ids=NAMES.get)
def test_hello(service: Running, version: tuple[int, int]) -> None:
    """An odd ClientHello is passed over or refused with the alert that the standards name."""
    for name, (change, end) in {**EVERY_VERSION, **(NEWEST if version >= TLS1_3 else OLDER)}.items():
        settings = choose(version, rsa=version < TLS1_3)
        assert meet(service, settings, with_hello(change)).end == end, name
    assert not any("database lost" in line for line in service.lines())
