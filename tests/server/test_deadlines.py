"""Deadlines of many connections behind one timer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tvs.server.deadlines import Deadline, Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(eq=False)
class Connection:
    """A connection that records its expired deadlines and then calls `at_each`."""

    passed: list[Deadline] = field(default_factory=list)
    at_each: Callable[[], None] = lambda: None

    def expired(self, deadline: Deadline) -> None:
        """A deadline has passed."""
        self.passed.append(deadline)
        self.at_each()


def test_deadline_passes_once() -> None:
    """A deadline passes when its time has come, not before, and only once."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 10.0))
    connection = Connection()
    deadlines.set(connection, Deadline.REQUEST, 100.0)
    deadlines.expire(109.9)
    assert connection.passed == []
    deadlines.expire(110.0)
    deadlines.expire(111.0)
    assert connection.passed == [Deadline.REQUEST]


def test_deadlines_of_one_connection_are_independent() -> None:
    """Setting or cancelling one deadline leaves the others of the connection as they are."""
    deadlines = Deadlines({**dict.fromkeys(Deadline, 10.0), Deadline.CONNECTION: 12.0})
    connection = Connection()
    for deadline in Deadline:
        deadlines.set(connection, deadline, 0.0)
    deadlines.cancel(connection, Deadline.HANDSHAKE)
    deadlines.set(connection, Deadline.REQUEST, 5.0)
    deadlines.expire(10.0)
    assert connection.passed == [Deadline.WRITE, Deadline.LINGER]
    deadlines.expire(12.0)
    deadlines.expire(15.0)
    assert connection.passed[2:] == [Deadline.CONNECTION, Deadline.REQUEST]


def test_cancelled_deadlines_do_not_pass() -> None:
    """Cancelling takes away what is set; what is not set may be cancelled too."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 1.0))
    connection = Connection()
    deadlines.cancel(connection, Deadline.WRITE)
    for deadline in Deadline:
        deadlines.set(connection, deadline, 0.0)
    deadlines.cancel_all(connection)
    deadlines.cancel_all(connection)
    deadlines.expire(100.0)
    assert connection.passed == []


def test_connection_that_ends_another() -> None:
    """If the expiry of one connection closes another one, that one does not expire at the same moment."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 1.0))
    second = Connection()
    first = Connection(at_each=lambda: deadlines.cancel_all(second))
    deadlines.set(first, Deadline.REQUEST, 0.0)
    deadlines.set(second, Deadline.REQUEST, 0.0)
    deadlines.expire(2.0)
    assert (first.passed, second.passed) == ([Deadline.REQUEST], [])


def test_deadline_can_be_set_again_when_it_passes() -> None:
    """A connection may set the same deadline again at its expiry; it passes a whole duration later."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 1.0))
    connection = Connection(at_each=lambda: deadlines.set(connection, Deadline.LINGER, 2.0))
    deadlines.set(connection, Deadline.LINGER, 0.0)
    deadlines.expire(2.0)
    deadlines.expire(2.9)
    assert len(connection.passed) == 1
    deadlines.expire(3.0)
    assert len(connection.passed) == 2


def test_deadlines_follow_new_durations() -> None:
    """A shorter duration also ends what was begun before it; a longer one does not extend that."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 10.0))
    early, late = Connection(), Connection()
    deadlines.set(early, Deadline.REQUEST, 0.0)
    deadlines.change(dict.fromkeys(Deadline, 1.0), 2.0)
    deadlines.set(late, Deadline.REQUEST, 2.5)
    deadlines.expire(3.0)
    assert (early.passed, late.passed) == ([Deadline.REQUEST], [])
    deadlines.change(dict.fromkeys(Deadline, 100.0), 3.0)
    deadlines.expire(3.5)
    assert late.passed == [Deadline.REQUEST]


_STEPS = st.tuples(
    st.sampled_from(["set", "cancel", "expire", "change"]), st.integers(0, 3), st.sampled_from([1.0, 3.0, 10.0])
)


@settings(max_examples=50)
@given(steps=st.lists(_STEPS, max_size=30))
def test_deadlines_pass_as_in_a_plain_table(steps: list[tuple[str, int, float]]) -> None:
    """After any steps, exactly those deadlines have passed that a table of moments says, with new durations too."""
    connections = [Connection() for _ in range(4)]
    table: dict[int, float] = {}
    passed: dict[int, int] = dict.fromkeys(range(4), 0)
    duration, now = 3.0, 0.0
    deadlines = Deadlines(dict.fromkeys(Deadline, duration))
    for step, number, seconds in steps:
        if step == "set":
            deadlines.set(connections[number], Deadline.REQUEST, now)
            table[number] = now + duration
        elif step == "cancel":
            deadlines.cancel(connections[number], Deadline.REQUEST)
            table.pop(number, None)
        elif step == "change":
            duration = seconds
            deadlines.change(dict.fromkeys(Deadline, duration), now)
            table = {key: min(when, now + duration) for key, when in table.items()}
        else:
            now += seconds
            deadlines.expire(now)
            for key in [key for key, when in table.items() if when <= now]:
                del table[key]
                passed[key] += 1
        assert [len(connection.passed) for connection in connections] == list(passed.values())
