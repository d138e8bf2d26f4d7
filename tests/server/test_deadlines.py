"""Deadlines of many connections behind one timer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvs.server.deadlines import Deadline, Deadlines, Timed

if TYPE_CHECKING:
    from collections.abc import Callable

DURATIONS = {**dict.fromkeys(Deadline, 10.0), Deadline.CONNECTION: 1000.0}
PHASES = [Deadline.HANDSHAKE, Deadline.REQUEST, Deadline.LINGER]


class Connection(Timed):
    """A connection that records its expired deadlines and then calls `at_each`."""

    def __init__(self, deadlines: Deadlines, at_each: Callable[[], None] = lambda: None) -> None:
        self.passed_by: list[Deadline] = []
        self.at_each = at_each
        self.begin_deadlines(deadlines, Deadline.HANDSHAKE, 0.0)

    def expired(self, deadline: Deadline) -> None:
        """A deadline has passed."""
        self.passed_by.append(deadline)
        self.at_each()


def test_deadline_passes_once() -> None:
    """A deadline passes when its time has come, not before, and only once."""
    deadlines = Deadlines(DURATIONS)
    connection = Connection(deadlines)
    connection.set_phase(Deadline.REQUEST, 100.0)
    deadlines.expire(109.9)
    assert connection.passed_by == []
    deadlines.expire(110.0)
    deadlines.expire(111.0)
    assert connection.passed_by == [Deadline.REQUEST]


def test_deadlines_of_one_connection_are_independent() -> None:
    """Setting or clearing one deadline leaves the others of the connection as they are."""
    deadlines = Deadlines({**DURATIONS, Deadline.CONNECTION: 12.0})
    connection = Connection(deadlines)
    connection.set_write(0.0)
    connection.set_phase(Deadline.REQUEST, 5.0)
    deadlines.expire(10.0)
    assert connection.passed_by == [Deadline.WRITE]
    deadlines.expire(12.0)
    deadlines.expire(15.0)
    assert connection.passed_by[1:] == [Deadline.CONNECTION, Deadline.REQUEST]


def test_deadlines_of_one_moment() -> None:
    """Deadlines of a connection that have passed when the timer looks expire one by one, with each look."""
    deadlines = Deadlines(DURATIONS)
    connection = Connection(deadlines)
    connection.set_write(0.0)
    expected = [Deadline.HANDSHAKE, Deadline.WRITE, Deadline.CONNECTION]
    for number in (1, 2, 3, 3):
        deadlines.expire(1000.0)
        assert connection.passed_by == expected[:number]


@pytest.mark.parametrize("phase", PHASES)
def test_a_phase_follows_another(phase: Deadline) -> None:
    """The deadline of a phase takes the place of that of the phase before, also if it passes earlier."""
    deadlines = Deadlines({**DURATIONS, phase: 3.0})
    connection = Connection(deadlines)
    connection.set_phase(phase, 6.0)
    deadlines.expire(8.9)
    assert connection.passed_by == []
    deadlines.expire(9.0)
    deadlines.expire(20.0)
    assert connection.passed_by == [phase]


def test_cleared_deadlines_do_not_pass() -> None:
    """Clearing takes away what is set; what is not set may be cleared too."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 1.0))
    connection = Connection(deadlines)
    connection.clear_write()
    connection.set_write(0.0)
    connection.clear_write()
    connection.clear_phase()
    deadlines.expire(0.9)
    deadlines.expire(1.0)
    assert connection.passed_by == [Deadline.CONNECTION]
    connection.set_phase(Deadline.REQUEST, 1.0)
    connection.clear_deadlines()
    connection.clear_deadlines()
    deadlines.expire(100.0)
    assert connection.passed_by == [Deadline.CONNECTION]
    assert not deadlines.connections


def test_last_deadline_is_the_only_one() -> None:
    """The deadline of the last phase clears all others, that of the whole life included."""
    deadlines = Deadlines({**DURATIONS, Deadline.CONNECTION: 5.0})
    connection = Connection(deadlines)
    connection.set_write(0.0)
    connection.set_last(Deadline.LINGER, 4.0)
    deadlines.expire(13.9)
    assert connection.passed_by == []
    deadlines.expire(14.0)
    assert connection.passed_by == [Deadline.LINGER]


def test_connection_that_ends_another() -> None:
    """If the expiry of one connection closes another one, that one does not expire at the same moment."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 1.0))
    connections: list[Connection] = []

    def end_all() -> None:
        for connection in connections:
            connection.clear_deadlines()

    connections += [Connection(deadlines, end_all) for _ in range(2)]
    deadlines.expire(2.0)
    assert sum(len(connection.passed_by) for connection in connections) == 1


def test_deadline_can_be_set_again_when_it_passes() -> None:
    """A connection may set the same deadline again at its expiry; it passes a whole duration later."""
    deadlines = Deadlines({**DURATIONS, Deadline.LINGER: 1.0})
    connection = Connection(deadlines, lambda: connection.set_phase(Deadline.LINGER, 2.0))
    connection.set_phase(Deadline.LINGER, 0.0)
    deadlines.expire(2.0)
    deadlines.expire(2.9)
    assert len(connection.passed_by) == 1
    deadlines.expire(3.0)
    assert len(connection.passed_by) == 2


def test_deadlines_follow_new_durations() -> None:
    """A shorter duration also ends what was begun before it; a longer one does not extend that."""
    deadlines = Deadlines(DURATIONS)
    early, late = Connection(deadlines), Connection(deadlines)
    early.set_phase(Deadline.REQUEST, 0.0)
    late.clear_phase()
    deadlines.change({**DURATIONS, Deadline.REQUEST: 1.0}, 2.0)
    late.set_phase(Deadline.REQUEST, 2.5)
    deadlines.expire(3.0)
    assert (early.passed_by, late.passed_by) == ([Deadline.REQUEST], [])
    deadlines.change({**DURATIONS, Deadline.REQUEST: 100.0}, 3.0)
    deadlines.expire(3.5)
    assert late.passed_by == [Deadline.REQUEST]


@pytest.mark.parametrize("deadline", Deadline)
def test_each_running_deadline_is_shortened(deadline: Deadline) -> None:
    """A shorter duration of any kind ends what runs already, counted from the change."""
    deadlines = Deadlines(DURATIONS)
    connection = Connection(deadlines)
    if deadline in PHASES:
        connection.set_phase(deadline, 0.0)
    connection.set_write(0.0)
    deadlines.change({**DURATIONS, deadline: 2.0}, 1.0)
    deadlines.expire(2.9)
    assert connection.passed_by == []
    deadlines.expire(3.0)
    assert connection.passed_by == [deadline]


_STEPS = st.tuples(
    st.sampled_from(["phase", "write", "clear", "expire", "change"]),
    st.integers(0, 3),
    st.sampled_from([1.0, 3.0, 10.0]),
)


@settings(max_examples=100)
@given(steps=st.lists(_STEPS, max_size=30))
def test_deadlines_pass_as_in_a_plain_table(steps: list[tuple[str, int, float]]) -> None:
    """After any steps, exactly those deadlines have passed that a table of moments says, with new durations too."""
    duration, now = 3.0, 0.0
    deadlines = Deadlines(dict.fromkeys(Deadline, duration))
    connections = [Connection(deadlines) for _ in range(4)]
    both = (Deadline.HANDSHAKE, Deadline.CONNECTION)
    table: dict[tuple[int, Deadline], float] = {(number, kind): 3.0 for number in range(4) for kind in both}
    passed: list[list[Deadline]] = [[] for _ in range(4)]
    for step, number, seconds in steps:
        if step == "phase":
            connections[number].set_phase(Deadline.HANDSHAKE, now)
            table[number, Deadline.HANDSHAKE] = now + duration
        elif step == "write":
            connections[number].set_write(now)
            table[number, Deadline.WRITE] = now + duration
        elif step == "clear":
            connections[number].clear_phase()
            table.pop((number, Deadline.HANDSHAKE), None)
        elif step == "change":
            duration = seconds
            deadlines.change(dict.fromkeys(Deadline, duration), now)
            table = {key: min(when, now + duration) for key, when in table.items()}
        else:
            now += seconds
            for _ in Deadline:
                deadlines.expire(now)
            for key in [key for key, when in table.items() if when <= now]:
                del table[key]
                passed[key[0]].append(key[1])
        assert [sorted(connection.passed_by) for connection in connections] == [sorted(kinds) for kinds in passed]
