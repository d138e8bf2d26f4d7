"""A ClientHello taken apart and put together again with changes (RFC 8446, 4.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.whole.outside.altering import HANDSHAKE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.whole.outside.altering import Alter, Records

MAX_RECORD = 16384
"""Bytes of one record, at most."""
RENEGOTIATION_INFO = 0xFF01
"""Extension of RFC 5746."""


class Hello:
    """The fields of a ClientHello as bytes.

    Args:
        message: the handshake message with its header, or nothing for a small one of TLS 1.2 with AES128-SHA.

    Attributes:
        version, random, session_id, suites, compression: the fields without their lengths.
        extensions: types and contents, in their order; no field of extensions is written if there are none.
    """

    def __init__(self, message: bytes = b"") -> None:
        self.version, self.random, self.session_id = b"\3\3", bytes(range(32)), b""
        self.suites, self.compression, self.extensions = b"\x00\x2f", b"\0", list[tuple[int, bytes]]()
        if message:
            self._parse(message)

    def _parse(self, message: bytes) -> None:
        self.version, self.random, rest = message[4:6], message[6:38], message[38:]
        self.session_id, rest = _vector(rest, 1)
        self.suites, rest = _vector(rest, 2)
        self.compression, rest = _vector(rest, 1)
        rest, _ = _vector(rest, 2)
        while rest:
            kind = int.from_bytes(rest[:2])
            value, rest = _vector(rest[2:], 2)
            self.extensions.append((kind, value))

    def __bytes__(self) -> bytes:
        extensions = b"".join(kind.to_bytes(2) + vector(value, 2) for kind, value in self.extensions)
        fields = vector(self.session_id, 1) + vector(self.suites, 2) + vector(self.compression, 1)
        body = self.version + self.random + fields + (vector(extensions, 2) if extensions else b"")
        return b"\1" + vector(body, 3)


def vector(content: bytes, size: int) -> bytes:
    """Bytes behind their length, a number of `size` bytes."""
    return len(content).to_bytes(size) + content


def _vector(data: bytes, size: int) -> tuple[bytes, bytes]:
    """The first vector of `data`, and what follows it."""
    end = size + int.from_bytes(data[:size])
    return data[size:end], data[end:]


def with_hello(change: Callable[[Hello], None]) -> Alter:
    """Changes the ClientHello; it goes into as many records as it needs."""

    def alter(name: str, data: bytes) -> Records | None:
        if name != "ClientHello":
            return None
        hello = Hello(data)
        change(hello)
        return _records(bytes(hello))

    return alter


def _records(message: bytes) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(message), MAX_RECORD):
        yield HANDSHAKE, message[start : start + MAX_RECORD]


def added(*extensions: tuple[int, bytes]) -> Callable[[Hello], None]:
    """A change that puts extensions before the others."""

    def change(hello: Hello) -> None:
        hello.extensions[:0] = extensions

    return change


def replaced(kind: int, value: bytes) -> Callable[[Hello], None]:
    """A change that gives an extension other content."""

    def change(hello: Hello) -> None:
        hello.extensions = [(each, value if each == kind else content) for each, content in hello.extensions]

    return change


def fields(**values: object) -> Callable[[Hello], None]:
    """A change that sets fields."""

    def change(hello: Hello) -> None:
        for name, value in values.items():
            setattr(hello, name, value)

    return change


def server_name(name: bytes) -> tuple[int, bytes]:
    """The extension that names the server (RFC 6066, 3)."""
    return 0, vector(b"\0" + vector(name, 2), 2)
