"""The errors of the protocol: one parent, one child for each side that can be at fault."""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """The fault in bytes from outside: a closed set, fit for a metric's label."""

    DISCRIMINATOR = "discriminator"
    """The first byte of a message is not 0x57."""
    VERSION = "version"
    """The protocol version is not 1, or a trust list's version cannot be read."""
    MESSAGE_TYPE = "message_type"
    """The message type is not defined, or this side does not accept it."""
    TOO_LARGE = "too_large"
    """The header announces more bytes than this side accepts."""
    TRUNCATED = "truncated"
    """An element or a record reaches beyond the end of what holds it."""
    UNEXPECTED_END = "unexpected_end"
    """The peer closed the connection in the middle of a message."""
    MISSING_ELEMENT = "missing_element"
    """A required element is missing."""
    DUPLICATE_ELEMENT = "duplicate_element"
    """An element occurs twice that may occur once."""
    BAD_ELEMENT = "bad_element"
    """An element's value cannot be what its tag says."""


class ProtocolError(Exception):
    """Parent of both errors, for callers that do not care which side is at fault."""


class LocalProtocolError(ProtocolError):
    """This program asked for something that the format cannot carry: a bug or bad input on our side."""


class RemoteProtocolError(ProtocolError):
    """Bytes from outside (a peer or a file) are not what the format says.

    Attributes:
        kind: the closed-set reason.
        reason: a sentence for people, without the offset.
        offset: position in the message or file, in bytes from its start; None if the fault has no single position.
    """

    def __init__(self, kind: ErrorKind, reason: str, offset: int | None = None) -> None:
        super().__init__(kind, reason, offset)
        self.kind = kind
        self.reason = reason
        self.offset = offset

    def __str__(self) -> str:
        return self.reason if self.offset is None else f"{self.reason} (at byte {self.offset})"
