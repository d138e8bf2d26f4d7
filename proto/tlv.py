"""Elements of tag, length and value: one byte, two bytes big endian, the value.

The wire protocol and the trust lists consist of them. All offset arithmetic of the project is here.
"""

from __future__ import annotations

import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from proto.errors import ErrorKind, LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_VALUE = 0xFFFF
"""Largest value of one element in bytes: the length field has 16 bits."""

ELEMENT_OVERHEAD = 3
"""Bytes of an element beside its value: tag and length."""

_HEAD = struct.Struct("!BH")


class Element(NamedTuple):
    """One element as it stood in the bytes.

    Attributes:
        tag: 0 to 255.
        value: 0 to 65,535 bytes.
        offset: position of the tag, in bytes from the start of the message or file.
    """

    tag: int
    value: bytes
    offset: int = 0


_new = tuple.__new__
"""`Element(…)` without its Python constructor, which would take a third of the time of reading an element."""


class Reader:
    """Pulls numbers, byte strings and elements out of a byte string, and never past its end.

    Each method raises `RemoteProtocolError` (kind ``truncated``) if too few bytes are left.
    """

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._position = start
        self._end = len(data) if end is None else min(end, len(data))

    @property
    def offset(self) -> int:
        """Position of the next byte, from the start of the data."""
        return self._position

    @property
    def remaining(self) -> int:
        """Bytes that are left."""
        return self._end - self._position

    def take(self, size: int, what: str) -> bytes:
        """The next `size` bytes; `what` names them in the error."""
        if size > self.remaining:
            raise self._truncated(what, size, self._position)
        start = self._position
        self._position = start + size
        return self._data[start : self._position]

    def peek(self) -> int | None:
        """The next byte without taking it; None at the end."""
        return self._data[self._position] if self.remaining else None

    def uint8(self, what: str) -> int:
        """The next byte as a number."""
        return self.take(1, what)[0]

    def uint16(self, what: str) -> int:
        """The next two bytes as a number, big endian."""
        return int.from_bytes(self.take(2, what))

    def element(self, what: str = "element") -> Element:
        """The next element."""
        offset = self._position
        start = offset + ELEMENT_OVERHEAD
        if start > self._end:
            raise self._truncated(f"the tag and length of {what}", ELEMENT_OVERHEAD, offset)
        tag, size = _HEAD.unpack_from(self._data, offset)
        end = start + size
        if end > self._end:
            raise self._truncated(f"the value of {what} {tag}", size, start)
        self._position = end
        return _new(Element, (tag, self._data[start:end], offset))

    def elements(self, what: str = "element") -> list[Element]:
        """All elements up to the end, in half the time of as many calls of `element`."""
        data, position, end, unpack = self._data, self._position, self._end, _HEAD.unpack_from
        found = []
        while position < end:
            start = position + ELEMENT_OVERHEAD
            if start > end:
                break
            tag, size = unpack(data, position)
            stop = start + size
            if stop > end:
                break
            found.append(_new(Element, (tag, data[start:stop], position)))
            position = stop
        self._position = position
        if position < end:
            self.element(what)  # raises the error
        return found

    def _truncated(self, what: str, size: int, offset: int) -> RemoteProtocolError:
        reason = f"{what}: {size} bytes are needed, {self._end - offset} are left"
        return RemoteProtocolError(ErrorKind.TRUNCATED, reason, offset)


def _too_long(tag: int, size: int) -> LocalProtocolError:
    return LocalProtocolError(f"element {tag} has {size} bytes; {MAX_VALUE} is the most")


class Writer:
    """Pushes what `Reader` pulls. Raises `LocalProtocolError` for a value that does not fit its field."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __bytes__(self) -> bytes:
        return bytes(self._buffer)

    def __len__(self) -> int:
        return len(self._buffer)

    def put(self, data: bytes) -> None:
        """Bytes as they are."""
        self._buffer += data

    def uint(self, value: int, size: int) -> None:
        """A number in `size` bytes, big endian."""
        try:
            self._buffer += value.to_bytes(size)
        except OverflowError:
            raise LocalProtocolError(f"{value} does not fit into {size} bytes") from None

    def element(self, tag: int, value: bytes) -> None:
        """One whole element."""
        if not 0 <= tag <= 0xFF:
            raise LocalProtocolError(f"element tag {tag} does not fit into one byte")
        if len(value) > MAX_VALUE:
            raise _too_long(tag, len(value))
        self._buffer += _HEAD.pack(tag, len(value)) + value

    @contextmanager
    def container(self, tag: int) -> Iterator[None]:
        """An element whose value is written inside the with-block."""
        self.uint(tag, 1)
        length_at = len(self._buffer)
        self._buffer += b"\0\0"
        yield
        size = len(self._buffer) - length_at - 2
        if size > MAX_VALUE:
            raise _too_long(tag, size)
        self._buffer[length_at : length_at + 2] = size.to_bytes(2)
