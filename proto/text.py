"""Text on the wire and text for people: bytes to text and back, control characters escaped."""

from __future__ import annotations

from proto.errors import LocalProtocolError


def text_from_bytes(value: bytes) -> str:
    """A text value without the NUL that may end it; bytes that are not UTF-8 become surrogate escapes."""
    return value.removesuffix(b"\0").decode("utf-8", "surrogateescape")


def text_to_bytes(text: str) -> bytes:
    """The reverse of `text_from_bytes`, NUL-terminated. Raises `LocalProtocolError` for what a name cannot hold."""
    if "\0" in text:
        raise LocalProtocolError(f"a name cannot hold a NUL: {text!r}")
    try:
        return text.encode("utf-8", "surrogateescape") + b"\0"
    except UnicodeEncodeError:
        raise LocalProtocolError(f"a name is Unicode text: {text!r}") from None


def printable(text: str) -> str:
    """The text with control characters and undecodable bytes escaped: ``\\x0a``, ``\\xff``, ``\\u2028``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, kept as a surrogate escape
        code -= 0xDC00
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
