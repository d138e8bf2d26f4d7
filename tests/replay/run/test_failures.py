"""Failures by error number and by TLS error."""

from __future__ import annotations

import errno

import pytest

from tvs.replay.run.failures import OWN_LIMITS, Failure, of_errno, of_tls
from tvs.tls.failures import TLSFailure


@pytest.mark.parametrize(
    ("code", "connected", "failure"),
    [
        (errno.ECONNREFUSED, False, Failure.REFUSED),
        (errno.ETIMEDOUT, False, Failure.CONNECT_TIMEOUT),
        (errno.EHOSTUNREACH, False, Failure.CONNECT_FAILED),
        (errno.ECONNRESET, True, Failure.RESET),
        (errno.ETIMEDOUT, True, Failure.RESET),
    ],
)
def test_an_error_number_has_one_failure(code: int, connected: bool, failure: Failure) -> None:
    """Before the connection stands and after it, the same error means different failures."""
    assert of_errno(code, connected=connected) is failure


def test_every_tls_error_is_a_failure() -> None:
    """A connection that the server closed is told from a failed handshake."""
    assert {of_tls(failure) for failure in TLSFailure} == {Failure.CLOSED, Failure.TLS_FAILED}
    assert of_tls(TLSFailure.CLOSED) is Failure.CLOSED


def test_limits_of_this_machine_are_no_failures_of_the_server() -> None:
    """A missing descriptor or port drops the call instead."""
    assert {errno.EMFILE, errno.EADDRNOTAVAIL} <= OWN_LIMITS
    assert errno.ECONNREFUSED not in OWN_LIMITS
