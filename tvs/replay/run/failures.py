"""Failures of queries: a closed set."""

from __future__ import annotations

import errno
from enum import StrEnum

from tvs.tls.failures import TLSFailure


class Failure(StrEnum):
    """Failure of one query: first those of the server or the network, then wrong answers."""

    REFUSED = "connection_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILED = "connect_failed"
    RESET = "connection_reset"
    CLOSED = "connection_closed"
    """The server closed the connection before the answer."""
    TLS_FAILED = "tls_failed"
    TLS_TIMEOUT = "tls_timeout"
    SERVER_UNTRUSTED = "server_untrusted"
    """--trust does not vouch for the server's certificate."""
    ANSWER_TIMEOUT = "answer_timeout"
    MALFORMED = "malformed_answer"
    """The bytes are not a TVS message, or the message answers another question."""
    WRONG_STATUS = "wrong_status"
    WRONG_CERTIFICATE = "wrong_certificate"
    WRONG_ROLES = "wrong_roles"
    WRONG_TIME_TO_LIVE = "wrong_time_to_live"


WRONG_ANSWERS = frozenset(
    {Failure.WRONG_STATUS, Failure.WRONG_CERTIFICATE, Failure.WRONG_ROLES, Failure.WRONG_TIME_TO_LIVE}
)
OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EADDRINUSE})
"""Errors of this machine: no descriptor, memory or source port is left. Such a call counts as dropped, not failed."""


def of_errno(code: int, *, connected: bool) -> Failure:
    """The failure for a socket's error number."""
    if code == errno.ECONNREFUSED:
        return Failure.REFUSED
    if code == errno.ETIMEDOUT and not connected:
        return Failure.CONNECT_TIMEOUT
    return Failure.RESET if connected else Failure.CONNECT_FAILED


def of_tls(failure: TLSFailure) -> Failure:
    """The failure for a TLS error during the handshake."""
    return Failure.CLOSED if failure is TLSFailure.CLOSED else Failure.TLS_FAILED
