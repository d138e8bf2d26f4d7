"""Framing: messages to bytes and back, without I/O.

Feed a `Decoder` the bytes that arrive, then ask for the next message until it returns `NEED_DATA`.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import TYPE_CHECKING, Final

from proto.elements import PayloadElements
from proto.errors import ErrorKind, LocalProtocolError, RemoteProtocolError
from proto.messages import Message, MessageType
from proto.payload import DECODERS, encode_payload
from proto.tlv import Reader

if TYPE_CHECKING:
    from collections.abc import Collection

HEADER_SIZE = 10
"""Discriminator, version, type, reserved (1 byte each), session id (4), payload length (2)."""
PROTOCOL_DISCRIMINATOR = 0x57
PROTOCOL_VERSION = 0x01
MAX_PAYLOAD = 0xFFFF
"""Maximum payload bytes: the header's length field has 16 bits."""
MAX_REQUEST_PAYLOAD = 16 * 1024
"""Maximum payload bytes of a request: two names and the largest certificates in use fit several times."""

_HEADER = struct.Struct("!BBBBIH")
_NO_ELEMENTS: Final = PayloadElements(())


class NeedData(Enum):
    """The type of `NEED_DATA`."""

    NEED_DATA = "more bytes are needed"


NEED_DATA: Final = NeedData.NEED_DATA


def frame(message_type: MessageType, session_id: int, payload: bytes) -> bytes:
    """A whole message from a payload that was encoded before: answers are encoded once and sent many times.

    Raises `LocalProtocolError` for a payload of more than `MAX_PAYLOAD` bytes.
    """
    if len(payload) > MAX_PAYLOAD:
        raise LocalProtocolError(f"a payload has {len(payload)} bytes; {MAX_PAYLOAD} is the most")
    header = _HEADER.pack(PROTOCOL_DISCRIMINATOR, PROTOCOL_VERSION, message_type, 0, session_id, len(payload))
    return header + payload


def encode(message: Message) -> bytes:
    """A whole message: header and payload. Raises `LocalProtocolError` for a value that the format cannot carry."""
    return frame(message.message_type, message.session_id, encode_payload(message))


# -- decoder -------------------------------------------------------------------------------------------------


class Decoder:
    """Decodes messages from bytes that arrive in pieces of any size.

    Args:
        accept: message types that this side accepts; another one is refused as soon as its byte is in.
        max_payload: maximum payload bytes; a header that announces more is refused before they are buffered.

    Attributes:
        elements: elements of the message that `next_message` returned last; none before the first.

    After an error the decoder raises the same error again: the start of the next message is unknown.
    """

    __slots__ = ("_accept", "_buffer", "_ended", "_error", "_frame", "_max_payload", "_start", "elements")

    def __init__(
        self, *, accept: Collection[MessageType] = frozenset(MessageType), max_payload: int = MAX_PAYLOAD
    ) -> None:
        self._accept = accept
        self._max_payload = max_payload
        self._buffer = b""
        self._start = 0  # position in the buffer of the next message
        self._ended = False
        self._error: tuple[ErrorKind, str, int | None] | None = None  # its arguments: it would hold its frames
        self._frame = b""
        self.elements = _NO_ELEMENTS

    @property
    def frame(self) -> bytes:
        """Header and payload of the message that `next_message` returned last."""
        return self._frame

    @property
    def buffered(self) -> int:
        """Bytes that were received and not yet returned in a message."""
        return len(self._buffer) - self._start

    def receive_data(self, data: bytes) -> None:
        """Takes bytes from the peer. Raises `LocalProtocolError` after `receive_end`."""
        if self._ended:
            raise LocalProtocolError("data after the end of the stream")
        if self._error is None:
            self._buffer = self._buffer[self._start :] + data
            self._start = 0

    def receive_end(self) -> None:
        """Takes the end of the stream: an incomplete message is an error from now on."""
        self._ended = True

    def next_message(self) -> Message | NeedData:
        """The next whole message, or `NEED_DATA`. Raises `RemoteProtocolError` for bytes that are not a message."""
        if self._error is not None:
            raise RemoteProtocolError(*self._error)
        try:
            return self._next()
        except RemoteProtocolError as error:
            self._error = (error.kind, error.reason, error.offset)
            self._buffer, self._start = b"", 0
            raise

    def _next(self) -> Message | NeedData:
        buffer, start = self._buffer, self._start
        available = len(buffer) - start
        if available < HEADER_SIZE:
            self._check_start(buffer[start:])
            return self._need_data()
        discriminator, version, message_type, _, session_id, length = _HEADER.unpack_from(buffer, start)
        if discriminator != PROTOCOL_DISCRIMINATOR or version != PROTOCOL_VERSION or message_type not in self._accept:
            self._check_start(buffer[start:])
        if length > self._max_payload:
            raise RemoteProtocolError(
                ErrorKind.TOO_LARGE,
                f"a payload of {length} bytes is announced; {self._max_payload} is the most",
                8,
            )
        size = HEADER_SIZE + length
        if available < size:
            return self._need_data()
        self._frame = data = buffer[start : start + size]
        if available == size:
            self._buffer, self._start = b"", 0
        else:
            self._start = start + size
        self.elements = elements = PayloadElements(Reader(data, HEADER_SIZE).elements())
        return DECODERS[message_type](session_id, elements)

    def _check_start(self, buffer: bytes) -> None:
        """Refuses the first wrong byte at once, so that a stranger cannot make the service wait for a whole header."""
        if len(buffer) >= 1 and buffer[0] != PROTOCOL_DISCRIMINATOR:
            raise RemoteProtocolError(ErrorKind.DISCRIMINATOR, f"a message starts with 0x57, not 0x{buffer[0]:02x}", 0)
        if len(buffer) >= 2 and buffer[1] != PROTOCOL_VERSION:
            raise RemoteProtocolError(ErrorKind.VERSION, f"protocol version {buffer[1]} is not known", 1)
        if len(buffer) >= 3 and buffer[2] not in self._accept:
            raise RemoteProtocolError(ErrorKind.MESSAGE_TYPE, f"message type {buffer[2]} is not taken here", 2)

    def _need_data(self) -> NeedData:
        if self._ended and self.buffered:
            raise RemoteProtocolError(ErrorKind.UNEXPECTED_END, "the stream ended inside a message", self.buffered)
        return NEED_DATA
