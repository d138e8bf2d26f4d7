"""Texts of a status: short ones as they are, long ones cut behind a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tvs.status.members import MAX_TEXT, shortened, text

SENTENCE = (
    "postgresql://tvs@192.0.2.7/tvs: the server cannot be reached; start it, or correct host and port in the URL "
    '(connection to server at "192.0.2.7", port 5432 failed: Connection refused Is the server running on that host and '
    "accepting TCP/IP connections?)"
)


@given(st.text(max_size=3 * MAX_TEXT))
def test_what_comes_out_is_taken(value: str) -> None:
    """Any text is shortened to one that a status takes."""
    assert text(shortened(value)) == shortened(value)


def test_a_long_sentence_ends_behind_a_word() -> None:
    """It says that there is more; one that fits, and one without blanks, keep what they have."""
    cut = shortened(SENTENCE)
    assert cut.endswith("Connection refused Is the server ...")
    assert SENTENCE.startswith(cut.removesuffix("..."))
    assert shortened(SENTENCE[:MAX_TEXT]) == SENTENCE[:MAX_TEXT]
    assert shortened("x" * 300) == "x" * (MAX_TEXT - 4) + " ..."
    assert shortened(f"a {'x' * 300}") == f"a {'x' * (MAX_TEXT - 6)} ..."
