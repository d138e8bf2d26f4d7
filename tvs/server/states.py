"""Session states, and the outcome of a session: a closed set, shared with the metrics.

The decisions are pure functions: what a session knows about itself in, the outcome out.
"""

from __future__ import annotations

from enum import StrEnum

from tvs.server.deadlines import Deadline


class SessionState(StrEnum):
    """State of a phone's session. The original's traces publish one name only: ``TVS_STATE_AWAIT_REQ``."""

    HANDSHAKE = "TVS_STATE_HANDSHAKE"
    AWAIT_REQUEST = "TVS_STATE_AWAIT_REQ"
    SENDING = "TVS_STATE_SENDING"
    """Part of an answer waits for room in the socket's buffer; no request is read."""
    LINGER = "TVS_STATE_LINGER"
    """The service has closed its side and discards what still arrives: a reset would destroy its last bytes."""
    CLOSED = "TVS_STATE_CLOSED"


HANDSHAKE, AWAIT_REQUEST, SENDING, LINGER, CLOSED = SessionState
"""The states; a global costs a sixth of an attribute of an enumeration (Python 3.11)."""
TRANSITIONS = {
    HANDSHAKE: {AWAIT_REQUEST, LINGER, CLOSED},
    AWAIT_REQUEST: {SENDING, LINGER, CLOSED},
    SENDING: {AWAIT_REQUEST, LINGER, CLOSED},
    LINGER: {CLOSED},
    CLOSED: set(),
}
METRIC_STATES = {
    HANDSHAKE: "handshake",
    AWAIT_REQUEST: "await_request",
    SENDING: "sending",
    LINGER: "linger",
}
"""Label of each state in ``tvs_connections``; a closed session is not counted there."""
STATES = tuple(METRIC_STATES.values())
TIMEOUT_OUTCOMES = {
    Deadline.HANDSHAKE: "handshake_timeout",
    Deadline.REQUEST: "request_timeout",
    Deadline.WRITE: "write_timeout",
    Deadline.CONNECTION: "connection_timeout",
}
OUTCOMES = (
    "answered",
    "no_request",
    "probe",
    "handshake_failed",
    "handshake_timeout",
    "request_timeout",
    "write_timeout",
    "connection_timeout",
    "protocol_error",
    "reset",
    "tls_error",
    "drained",
    "internal_error",
    "worker_died",
)
"""How a connection ended: exactly one for each accepted connection."""
REJECTIONS = ("connections", "half_open", "queue", "address", "descriptors", "draining")
"""Why a connection was refused before TLS."""
PHASES = ("handshake", "answer", "connection")
"""``handshake``: accepted to TLS up. ``answer``: request decoded to answer encoded. ``connection``: its whole life."""


def outcome_of_deadline(
    deadline: Deadline, state: SessionState, *, spoke: bool, answered: int, unfinished: bool
) -> tuple[str, bool]:
    """The outcome of a session that has none yet and whose deadline has passed.

    Args:
        deadline: the deadline; not `Deadline.LINGER`, which is set only after the outcome.
        state: the session's state; neither `SessionState.LINGER` nor `SessionState.CLOSED`.
        spoke: whether the phone sent any byte.
        answered: how many requests were answered.
        unfinished: whether decrypted bytes wait that are not answered yet.

    Returns:
        The outcome, and whether TLS is closed in order; otherwise TCP is closed at once.
    """
    if state is HANDSHAKE:
        return "handshake_timeout" if spoke else "probe", False
    if state is SENDING or deadline is Deadline.WRITE:
        return TIMEOUT_OUTCOMES[deadline], False  # the phone reads nothing, a close notification included
    if answered and not unfinished:
        return "answered", True  # the phone has what it asked for and did not hang up
    return TIMEOUT_OUTCOMES[deadline], True


def outcome_of_end(state: SessionState, *, reset: bool, spoke: bool, answered: int, unfinished: bool) -> str:
    """The outcome of a session that has none yet and whose phone ended TLS or TCP.

    Args:
        state: the session's state; neither `SessionState.LINGER` nor `SessionState.CLOSED`.
        reset: whether TCP was reset.
        spoke: whether the phone sent any byte.
        answered: how many requests were answered.
        unfinished: whether decrypted bytes wait that are not answered yet.
    """
    if state is HANDSHAKE:
        return "handshake_failed" if spoke else "probe"
    if unfinished and not reset:
        return "protocol_error"
    if answered:
        return "answered"  # phones reset or just leave once they have their answer
    return "reset" if reset else "no_request"
