"""States, outcomes and deadlines of a phone's session: the closed sets that sessions and metrics share."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from tvs.server.deadlines import Deadline

if TYPE_CHECKING:
    Merge = Literal["livesum", "livemin", "livemax"]


class State(StrEnum):
    """A session's states. Only ``TVS_STATE_AWAIT_REQ`` is a name of the original's traces."""

    HANDSHAKE = "TVS_STATE_HANDSHAKE"
    AWAIT_REQUEST = "TVS_STATE_AWAIT_REQ"
    SENDING = "TVS_STATE_SENDING"
    """An answer did not fit into the socket's buffer."""
    LINGER = "TVS_STATE_LINGER"
    """We have closed our side; what still arrives is thrown away, so that no reset destroys our last bytes."""
    CLOSED = "TVS_STATE_CLOSED"


TRANSITIONS = {
    State.HANDSHAKE: {State.AWAIT_REQUEST, State.LINGER, State.CLOSED},
    State.AWAIT_REQUEST: {State.SENDING, State.LINGER, State.CLOSED},
    State.SENDING: {State.AWAIT_REQUEST, State.LINGER, State.CLOSED},
    State.LINGER: {State.CLOSED},
    State.CLOSED: set(),
}
METRIC_STATES = {
    State.HANDSHAKE: "handshake",
    State.AWAIT_REQUEST: "await_request",
    State.SENDING: "sending",
    State.LINGER: "linger",
}
TIMEOUT_OUTCOMES = {
    Deadline.HANDSHAKE: "handshake_timeout",
    Deadline.REQUEST: "request_timeout",
    Deadline.WRITE: "write_timeout",
    Deadline.CONNECTION: "connection_timeout",
}
STATES = ("handshake", "await_request", "sending", "linger")
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
REJECTIONS = ("connections", "half_open", "address", "descriptors", "draining")
PHASES = ("handshake", "answer", "connection")
"""``handshake``: accepted to TLS up. ``answer``: request decoded to answer encoded. ``connection``: its whole life."""
