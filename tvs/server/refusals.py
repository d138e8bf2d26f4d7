"""Refusals: failed handshakes and signers that are not trusted, counted and logged for the administrator.

Strangers can provoke all of them, so the lines are rate-limited; the counters have all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tvs.client.defaults import CHECK_SERVER_NAME
from tvs.fleet.batches import NO_TLS
from tvs.server.requestline import MAX_DEVICE_NAME
from tvs.tls.clienthello import offered_suites, offered_version
from tvs.tls.failures import TLSFailure

if TYPE_CHECKING:
    from proto.messages import QueryCertRequest
    from tvs.answers.verifier import Verdict
    from tvs.server.shared import Shared
    from tvs.tls.failures import TLSError

_NO_PHONE: Final = CHECK_SERVER_NAME.encode("ascii")
_NOTHING_IN_COMMON: Final = {TLSFailure.UNSUPPORTED_VERSION, TLSFailure.NO_SHARED_CIPHER}


def handshake_failed(shared: Shared, address: str, error: TLSError, flight: bytes) -> None:
    """Counts and logs a failed handshake.

    A client that was refused for its versions or suites is counted by the highest version that it offers too, and the
    line says which settings would serve it. What checks and plans try is not handed to the observer.

    Args:
        shared: counts, log and hints.
        address: the client's IP address.
        error: the failure.
        flight: the client's bytes from the first one on.
    """
    shared.counts.handshake_failed(error.failure)
    reason, tls = error.failure.value, NO_TLS._replace(suites=offered_suites(flight))
    if error.failure not in _NOTHING_IN_COMMON:
        if _NO_PHONE not in flight:
            shared.connection_failed(address, reason, tls)
        shared.stranger("handshake_failed", address, reason=reason, detail=error.detail)
        return
    version = offered_version(flight)
    shared.counts.handshake_refused(version)
    if _NO_PHONE not in flight:
        shared.connection_failed(address, reason, tls, version.value)
    hints = shared.hints
    more = None if hints is None else lambda: {"hint": hints.hint(flight)}
    shared.stranger("handshake_failed", address, more, reason=reason, detail=error.detail, offered=version.value)


def signer_refused(shared: Shared, address: str, request: QueryCertRequest, verdict: Verdict) -> None:
    """Logs that a phone asked for a signer that is not trusted: the phone does not take the file.

    Args:
        shared: the log.
        address: the phone's IP address.
        request: the query.
        verdict: the answer, which is not ``trusted``.
    """
    shared.stranger(
        "signer_refused",
        address,
        device=request.device_name[:MAX_DEVICE_NAME],
        subject=request.subject_name,
        issuer=request.issuer_name,
        serial=verdict.serial,
        result=verdict.result.value,
    )
