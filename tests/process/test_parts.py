"""The parts of the supervisor by themselves: when workers are restarted, what monitoring is told, what is shared."""

from __future__ import annotations

import select

from hypothesis import given
from hypothesis import strategies as st

from tvs.log.pipeline import whole_lines
from tvs.server.deadlines import Deadline, Deadlines


@given(st.lists(st.integers(0, 6000), max_size=8))
def test_log_is_written_in_whole_lines(lengths: list[int]) -> None:
    """Pieces hold whole lines, no more than the system writes in one go, and together everything."""
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    pieces = list(whole_lines(data))
    assert b"".join(pieces) == data
    for piece in pieces:
        assert piece.endswith(b"\n")
        assert len(piece) <= select.PIPE_BUF or piece.count(b"\n") == 1


class _Waiting:
    """Something with deadlines that remembers those that passed."""

    def __init__(self) -> None:
        self.passed: list[Deadline] = []

    def expired(self, deadline: Deadline) -> None:
        self.passed.append(deadline)


def test_deadlines_follow_new_durations() -> None:
    """A shorter duration also ends what was begun before it; a longer one does not extend that."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 10.0))
    early, late = _Waiting(), _Waiting()
    deadlines.set(early, Deadline.REQUEST, 0.0)
    deadlines.change(dict.fromkeys(Deadline, 1.0), 2.0)
    deadlines.set(late, Deadline.REQUEST, 2.5)
    deadlines.expire(3.0)
    assert (early.passed, late.passed) == ([Deadline.REQUEST], [])
    deadlines.change(dict.fromkeys(Deadline, 100.0), 3.0)
    deadlines.expire(3.5)
    assert late.passed == [Deadline.REQUEST]
