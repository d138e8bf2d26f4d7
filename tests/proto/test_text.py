"""Text on the wire and printable text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto import LocalProtocolError
from proto.text import printable, text_from_bytes, text_to_bytes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CN=Zürich;O=\u65e5\u672c", "CN=Zürich;O=\u65e5\u672c"),
        ("a\nb\r\t\0", "a\\x0ab\\x0d\\x09\\x00"),
        ("\x1b[31m\x7f\x85", "\\x1b[31m\\x7f\\x85"),
        ("\u2028\u202e\ufeff", "\\u2028\\u202e\\ufeff"),
        ("\U000e0001", "\\U000e0001"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\ud800", "\\ud800"),
        ("\\x0a", "\\x0a"),
    ],
)
def test_printable_escapes_what_a_terminal_would_obey(text: str, shown: str) -> None:
    """Control characters, bidirectional marks and undecodable bytes are escaped by number, all else stays."""
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_printable_text_is_one_line(text: str) -> None:
    """The result is printable, can be encoded, and is its own printable form, whatever the text."""
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == printable(shown) == shown


@given(st.binary().filter(lambda value: b"\0" not in value))
def test_text_keeps_every_byte(value: bytes) -> None:
    """Any bytes without a NUL become text and the same bytes again, with the NUL that ends them."""
    assert text_to_bytes(text_from_bytes(value)) == value + b"\0"
    assert text_from_bytes(value + b"\0") == text_from_bytes(value)


@pytest.mark.parametrize(("text", "reason"), [("a\0b", "cannot hold a NUL"), ("\ud800", "is Unicode text")])
def test_text_that_no_name_holds_is_refused(text: str, reason: str) -> None:
    """A NUL inside, and half of a surrogate pair, are mistakes of this program."""
    with pytest.raises(LocalProtocolError, match=reason):
        text_to_bytes(text)
