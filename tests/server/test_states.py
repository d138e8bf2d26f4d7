"""Session states and outcomes as pure functions: every state, deadline and end."""

from __future__ import annotations

import itertools

import pytest

from tvs.server.deadlines import Deadline
from tvs.server.states import (
    METRIC_STATES,
    OUTCOMES,
    STATES,
    TIMEOUT_OUTCOMES,
    TRANSITIONS,
    SessionState,
    outcome_of_deadline,
    outcome_of_end,
)

OPEN = (SessionState.HANDSHAKE, SessionState.AWAIT_REQUEST, SessionState.SENDING)
"""States of a session that has no outcome yet."""
RUNNING = (Deadline.HANDSHAKE, Deadline.REQUEST, Deadline.WRITE, Deadline.CONNECTION)
"""Deadlines of a session that has no outcome yet."""
FACTS = list(itertools.product((False, True), (0, 1, 7), (False, True)))
"""All of: whether the phone sent a byte, how many requests were answered, whether bytes wait."""


def test_every_state_has_its_transitions() -> None:
    """The table names each state, and leads from the handshake to the end and never back to it."""
    assert set(TRANSITIONS) == set(SessionState)
    assert TRANSITIONS[SessionState.CLOSED] == set()
    assert TRANSITIONS[SessionState.LINGER] == {SessionState.CLOSED}
    reached = set.union(*TRANSITIONS.values())
    assert set(SessionState) - reached == {SessionState.HANDSHAKE}
    assert all(SessionState.CLOSED in TRANSITIONS[state] for state in SessionState if state is not SessionState.CLOSED)


def test_requests_are_awaited_after_the_handshake_only() -> None:
    """Answers are sent only to phones that were waited for, and a lingering session answers nothing more."""
    before = {state for state, after in TRANSITIONS.items() if SessionState.AWAIT_REQUEST in after}
    assert before == {SessionState.HANDSHAKE, SessionState.SENDING}
    assert {state for state, after in TRANSITIONS.items() if SessionState.SENDING in after} == {
        SessionState.AWAIT_REQUEST
    }


def test_open_states_are_counted() -> None:
    """Every state but the last has its own label in the metrics."""
    assert set(METRIC_STATES) == set(SessionState) - {SessionState.CLOSED}
    assert STATES == ("handshake", "await_request", "sending", "linger")


DEADLINES = {
    # state, deadline: (outcome, closed in order) for a phone without an answer, and for one that has all its answers
    (SessionState.HANDSHAKE, Deadline.HANDSHAKE): (("handshake_timeout", False), ("handshake_timeout", False)),
    (SessionState.HANDSHAKE, Deadline.REQUEST): (("handshake_timeout", False), ("handshake_timeout", False)),
    (SessionState.HANDSHAKE, Deadline.WRITE): (("handshake_timeout", False), ("handshake_timeout", False)),
    (SessionState.HANDSHAKE, Deadline.CONNECTION): (("handshake_timeout", False), ("handshake_timeout", False)),
    (SessionState.AWAIT_REQUEST, Deadline.HANDSHAKE): (("handshake_timeout", True), ("answered", True)),
    (SessionState.AWAIT_REQUEST, Deadline.REQUEST): (("request_timeout", True), ("answered", True)),
    (SessionState.AWAIT_REQUEST, Deadline.WRITE): (("write_timeout", False), ("write_timeout", False)),
    (SessionState.AWAIT_REQUEST, Deadline.CONNECTION): (("connection_timeout", True), ("answered", True)),
    (SessionState.SENDING, Deadline.HANDSHAKE): (("handshake_timeout", False), ("handshake_timeout", False)),
    (SessionState.SENDING, Deadline.REQUEST): (("request_timeout", False), ("request_timeout", False)),
    (SessionState.SENDING, Deadline.WRITE): (("write_timeout", False), ("write_timeout", False)),
    (SessionState.SENDING, Deadline.CONNECTION): (("connection_timeout", False), ("connection_timeout", False)),
}


@pytest.mark.parametrize(("state", "deadline"), list(itertools.product(OPEN, RUNNING)))
def test_each_deadline_in_each_state(state: SessionState, deadline: Deadline) -> None:
    """The outcome of each deadline in each state, whatever else is known of the phone."""
    unanswered, satisfied = DEADLINES[state, deadline]
    for spoke, answered, unfinished in FACTS:
        expected = satisfied if answered and not unfinished else unanswered
        if state is SessionState.HANDSHAKE and not spoke:
            expected = ("probe", False)
        given = outcome_of_deadline(deadline, state, spoke=spoke, answered=answered, unfinished=unfinished)
        assert given == expected, (spoke, answered, unfinished)


@pytest.mark.parametrize(
    ("state", "reset", "spoke", "answered", "unfinished", "outcome"),
    [
        (SessionState.HANDSHAKE, False, False, 0, False, "probe"),
        (SessionState.HANDSHAKE, True, False, 0, False, "probe"),
        (SessionState.HANDSHAKE, False, True, 0, False, "handshake_failed"),
        (SessionState.HANDSHAKE, True, True, 0, False, "handshake_failed"),
        (SessionState.AWAIT_REQUEST, False, True, 0, False, "no_request"),
        (SessionState.AWAIT_REQUEST, False, True, 0, True, "protocol_error"),
        (SessionState.AWAIT_REQUEST, False, True, 1, False, "answered"),
        (SessionState.AWAIT_REQUEST, False, True, 1, True, "protocol_error"),
        (SessionState.AWAIT_REQUEST, True, True, 0, False, "reset"),
        (SessionState.AWAIT_REQUEST, True, True, 0, True, "reset"),
        (SessionState.AWAIT_REQUEST, True, True, 1, False, "answered"),
        (SessionState.AWAIT_REQUEST, True, True, 1, True, "answered"),
        (SessionState.SENDING, False, True, 1, False, "answered"),
        (SessionState.SENDING, False, True, 1, True, "protocol_error"),
        (SessionState.SENDING, True, True, 1, False, "answered"),
        (SessionState.SENDING, True, True, 1, True, "answered"),
    ],
)
def test_each_end_in_each_state(
    state: SessionState, *, reset: bool, spoke: bool, answered: int, unfinished: bool, outcome: str
) -> None:
    """The outcome of a phone that closes or resets its connection, in each state."""
    assert outcome_of_end(state, reset=reset, spoke=spoke, answered=answered, unfinished=unfinished) == outcome


def test_outcomes_are_a_closed_set() -> None:
    """Whatever is decided has its own label in the metrics."""
    decided = set(TIMEOUT_OUTCOMES.values())
    for state, (spoke, answered, unfinished) in itertools.product(OPEN, FACTS):
        for deadline in RUNNING:
            decided.add(outcome_of_deadline(deadline, state, spoke=spoke, answered=answered, unfinished=unfinished)[0])
        for reset in (False, True):
            decided.add(outcome_of_end(state, reset=reset, spoke=spoke, answered=answered, unfinished=unfinished))
    assert decided <= set(OUTCOMES)
    assert len(set(OUTCOMES)) == len(OUTCOMES)
