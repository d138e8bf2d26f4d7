"""Handshake messages cut, joined, left out, doubled, falsified, and records of other kinds before and inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.whole.outside.altering import (
    ANSWERED,
    CHANGE_CIPHER_SPEC,
    DATA,
    HANDSHAKE,
    NAMES,
    RAW,
    TLS1,
    TLS1_2,
    TLS1_3,
    Stranger,
    choose,
    meet,
)
from tests.whole.strangers import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.whole.outside.altering import Alter, Records

MESSAGES = ("ClientHello", "Certificate", "ClientKeyExchange", "Finished")
"""A client's handshake messages; there is no ClientKeyExchange under TLS 1.3."""
UNEXPECTED, DECODE_ERROR, DECRYPT_ERROR = "fatal unexpected_message", "fatal decode_error", "fatal decrypt_error"
HEARTBEAT = 24
"""Type of a record that the service does not know (RFC 6520)."""
STRANGE = {
    "data": (DATA, b"GET / HTTP/1.0"),
    "ChangeCipherSpec": (CHANGE_CIPHER_SPEC, b"\1"),
    "ChangeCipherSpec of another value": (CHANGE_CIPHER_SPEC, b"\2"),
    "two ChangeCipherSpec": (CHANGE_CIPHER_SPEC, b"\1\1"),
    "heartbeat": (HEARTBEAT, b"\1\0\1x"),
    "record of type 99": (99, b"x"),
    "record of type 0": (0, b""),
}
"""Records that are out of place in a handshake."""
VERSIONS = pytest.mark.parametrize("version", [TLS1, TLS1_2, TLS1_3], ids=NAMES.get)


def messages(version: tuple[int, int]) -> list[str]:
    """The names of the handshake messages that a client sends."""
    return [name for name in MESSAGES if version < TLS1_3 or name != "ClientKeyExchange"]


def end_of(service: Running, version: tuple[int, int], alter: Alter) -> str:
    """The end of a meeting with altered messages."""
    return meet(service, choose(version, rsa=version < TLS1_3), alter).end


def at(message: str, records: Callable[[bytes], Records]) -> Alter:
    """Sends other records in place of one message."""
    return lambda name, data: records(data) if name == message else None


@VERSIONS
def test_cut(service: Running, version: tuple[int, int]) -> None:
    """Handshake messages in records of one byte and more are put together; so is a request."""
    for size in (1, 2, 3, 4, 5, 7, 100):

        def cut(name: str, data: bytes, size: int = size) -> Records | None:
            pieces = [(HANDSHAKE, data[start : start + size]) for start in range(0, len(data), size)]
            return pieces if name in MESSAGES else None

        assert end_of(service, version, cut) == ANSWERED, size

    def ask(stranger: Stranger) -> None:
        stranger.send_records(*((DATA, bytes([value])) for value in request()))
        stranger.answer()

    assert meet(service, choose(version), then=ask).end == ANSWERED


@VERSIONS
@pytest.mark.parametrize("split", [0, 5], ids=["one record", "across records"])
def test_joined(service: Running, version: tuple[int, int], split: int) -> None:
    """The messages of one flight may share a record, and be spread over records across their limits."""
    held: list[bytes] = []
    last = "Finished" if version >= TLS1_3 else "ClientKeyExchange"

    def join(name: str, data: bytes) -> Records | None:
        if name == "Certificate":
            held.append(data)
            return []
        if name != last:
            return None
        flight = held.pop() + data
        return [(HANDSHAKE, part) for part in (flight[:split], flight[split:]) if part]

    assert end_of(service, version, join) == ANSWERED


@VERSIONS
def test_empty_records(service: Running, version: tuple[int, int]) -> None:
    """Records without data are passed over, 40 in a row are not; under TLS 1.3 no handshake record may be empty."""
    for message in messages(version):
        encrypted = version >= TLS1_3 and message != "ClientHello"
        end = end_of(service, version, at(message, lambda data: [(HANDSHAKE, b""), (HANDSHAKE, data)]))
        assert end == (UNEXPECTED if encrypted else ANSWERED), message
    for number, wanted in ((5, ANSWERED), (40, UNEXPECTED)):

        def ask(stranger: Stranger, number: int = number) -> None:
            stranger.send_records(*[(DATA, b"")] * number)
            stranger.ask()

        assert meet(service, choose(version), then=ask).end == wanted, number


@VERSIONS
def test_strange_records_in_the_handshake(service: Running, version: tuple[int, int]) -> None:
    """A record of another kind before a handshake message or inside it ends the connection, without a wait.

    The exception is ChangeCipherSpec under TLS 1.3, which is passed over after the ClientHello (RFC 8446, 5).
    """
    for message in messages(version):
        for name, strange in STRANGE.items():
            passed = version >= TLS1_3 and message != "ClientHello" and name == "ChangeCipherSpec"
            for cut in (0, 6):

                def insert(data: bytes, cut: int = cut, strange: tuple[int, bytes] = strange) -> Records:
                    return [*([(HANDSHAKE, data[:cut])] if cut else []), strange, (HANDSHAKE, data[cut:])]

                assert end_of(service, version, at(message, insert)) == (ANSWERED if passed else UNEXPECTED), (
                    message,
                    name,
                    cut,
                )


@VERSIONS
def test_strange_records_after_the_handshake(service: Running, version: tuple[int, int]) -> None:
    """Records and messages that nobody asked for end the connection, encrypted or not."""
    newest = version >= TLS1_3
    cases: dict[str, tuple[tuple[int, bytes], str]] = {
        "ChangeCipherSpec": ((CHANGE_CIPHER_SPEC, b"\1"), UNEXPECTED),
        "heartbeat": ((HEARTBEAT, b"\1\0\1x"), UNEXPECTED),
        "record of type 99": ((99, b"x"), UNEXPECTED),
        "HelloRequest": ((HANDSHAKE, b"\0\0\0\0"), UNEXPECTED),
        "ServerHelloDone": ((HANDSHAKE, b"\x0e\0\0\0"), UNEXPECTED),
        "Finished": ((HANDSHAKE, b"\x14\0\0\x0c" + bytes(12)), UNEXPECTED),
        "Certificate": ((HANDSHAKE, b"\x0b\0\0\4\0\0\0\0"), UNEXPECTED),
        "message of 16 MB": (
            (HANDSHAKE, b"\1\xff\xff\xff" + bytes(12)),
            UNEXPECTED if newest else "fatal illegal_parameter",
        ),
        "record of 18,433 bytes": ((RAW, b"\x17\3\3\x48\1" + bytes(18433)), "fatal record_overflow"),
        "record of 65,535 bytes": ((RAW, b"\x17\3\3\xff\xff" + bytes(65535)), "fatal record_overflow"),
        "data in the clear": ((RAW, b"\x17\3\3\0\5hello"), "fatal bad_record_mac" if newest else DECODE_ERROR),
        "alert in the clear": ((RAW, b"\x15\3\3\0\2\2\0"), UNEXPECTED if newest else DECODE_ERROR),
        "HTTP": ((RAW, b"GET / HTTP/1.0\r\n\r\n"), UNEXPECTED if newest else "fatal protocol_version"),
    }
    if version == TLS1:  # the raw records name TLS 1.2
        cases = {
            name: (record, end if record[0] != RAW else "fatal protocol_version")
            for name, (record, end) in cases.items()
        }
    for name, (record, end) in cases.items():

        def send(stranger: Stranger, record: tuple[int, bytes] = record) -> None:
            stranger.send_records(record)
            stranger.ask()

        assert meet(service, choose(version, rsa=not newest), then=send).end == end, name


@VERSIONS
def test_finished(service: Running, version: tuple[int, int]) -> None:
    """A false Finished, one of another length, none, and two are refused; so is data before it."""
    falsified: dict[str, tuple[Callable[[bytes], Records], str]] = {
        "one bit": (lambda data: [(HANDSHAKE, data[:4] + bytes([data[4] ^ 1]) + data[5:])], DECRYPT_ERROR),
        "zeros": (lambda data: [(HANDSHAKE, data[:4] + bytes(len(data) - 4))], DECRYPT_ERROR),
        "a byte less": (lambda data: [(HANDSHAKE, b"\x14" + (len(data) - 5).to_bytes(3) + data[4:-1])], DECODE_ERROR),
        "a byte more": (
            lambda data: [(HANDSHAKE, b"\x14" + (len(data) - 3).to_bytes(3) + data[4:] + b"x")],
            DECODE_ERROR,
        ),
        "empty": (lambda _data: [(HANDSHAKE, b"\x14\0\0\0")], DECODE_ERROR),
        "another message": (lambda data: [(HANDSHAKE, b"\x0f" + data[1:])], UNEXPECTED),
        "a request in its place": (lambda _data: [(DATA, request())], UNEXPECTED),
        "twice": (
            lambda data: [(HANDSHAKE, data), (HANDSHAKE, data)],
            "fatal bad_record_mac" if version >= TLS1_3 else UNEXPECTED,
        ),
    }
    for name, (records, end) in falsified.items():
        assert end_of(service, version, at("Finished", records)) == end, name


@VERSIONS
def test_messages_left_out(service: Running, version: tuple[int, int]) -> None:
    """Each message is missed. ChangeCipherSpec means nothing under TLS 1.3."""
    for message in (*messages(version)[1:-1], "ChangeCipherSpec"):
        wanted = ANSWERED if version >= TLS1_3 and message == "ChangeCipherSpec" else UNEXPECTED
        assert end_of(service, version, at(message, lambda _data: [])) == wanted, message
