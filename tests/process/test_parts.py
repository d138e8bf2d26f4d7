"""The parts of the supervisor by themselves: when workers are restarted, what monitoring is told, what is shared."""

from __future__ import annotations

import select

from hypothesis import given
from hypothesis import strategies as st

from tvs.log.pipeline import whole_lines


@given(st.lists(st.integers(0, 6000), max_size=8))
def test_log_is_written_in_whole_lines(lengths: list[int]) -> None:
    """Pieces hold whole lines, no more than the system writes in one go, and together everything."""
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    pieces = list(whole_lines(data))
    assert b"".join(pieces) == data
    for piece in pieces:
        assert piece.endswith(b"\n")
        assert len(piece) <= select.PIPE_BUF or piece.count(b"\n") == 1
