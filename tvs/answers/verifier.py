"""Trust verifier: the only place that decides trust. A request in, a verdict with the encoded answer out.

The cache of the certificate database is asked first, then that of the CTL file; otherwise the answer is 'not
trusted'. No I/O, no await, no lock: one dictionary look-up in each cache.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from certstore.certificate import Certificate, CertificateError
from certstore.index import CacheEntry
from certstore.serials import serial_text
from proto.messages import (
    CertVerificationRequest,
    CertVerificationResponse,
    MessageType,
    QueryCertRequest,
    QueryCertResponse,
    TrustStatus,
)
from proto.payload import encode_payload
from tvs.answers import traces as lines

if TYPE_CHECKING:
    from certstore.lookup import CertificateCache
    from certstore.trace import Trace
    from proto.messages import Request


class TrustResult(StrEnum):
    """Result of a request: a closed set. Phones are told ``trusted`` or not; they cannot tell the others apart."""

    TRUSTED = "trusted"
    NOT_FOUND = "not_found"
    """Neither cache has the certificate."""
    NO_ROLE = "no_role"
    """A cache has it, but no purpose gives it a role."""
    DIFFERENT = "different"
    """A cache has another certificate of the same serial number and issuer."""
    UNREADABLE = "unreadable"
    """The request carries bytes that are not a certificate."""


class Source(StrEnum):
    """The cache that gave the answer."""

    DB = "db"
    CTL = "ctl"
    NONE = "none"


_TRUSTED = TrustResult.TRUSTED
_QUERY_CERT_RES = MessageType.QUERY_CERT_RES
"""A result and a type of every day; a global costs a sixth of an attribute of an enumeration (Python 3.11)."""


class Verdict(NamedTuple):
    """The answer to one request.

    Attributes:
        result: whether the certificate is trusted, or why not.
        source: the cache that decided.
        payload: the answer's bytes after the header.
        answer_type: the answer's message type.
        serial: serial number asked about, as the trace prints it; empty if the certificate is unreadable.
        issuer: issuer name, likewise.
        roles: role codes, ascending; empty unless trusted.
    """

    result: TrustResult
    source: Source
    payload: bytes
    answer_type: MessageType
    serial: str
    issuer: str
    roles: tuple[int, ...]


_Found = tuple[TrustResult, Source, CacheEntry | None]
"""Result and source of a look-up in both caches; the entry only if it is trusted."""
_NOT_TRUSTED_QUERY = encode_payload(QueryCertResponse(session_id=0, status=TrustStatus.NOT_TRUSTED))
_NOT_TRUSTED_VERIFICATION = encode_payload(CertVerificationResponse(session_id=0, status=TrustStatus.NOT_TRUSTED))


class TrustVerifier:
    """Answers requests from two caches.

    Args:
        db: cache of the certificate database.
        ctl: cache of CTLFile.tlv.
    """

    def __init__(self, db: CertificateCache, ctl: CertificateCache) -> None:
        self._caches = ((Source.DB, db), (Source.CTL, ctl))

    def answer(self, request: Request, trace: Trace | None = None) -> Verdict:
        """Decides on a request; `trace` takes the handler's lines."""
        if isinstance(request, QueryCertRequest):
            return self._query(request, trace)
        return self._verification(request, trace)

    def _query(self, request: QueryCertRequest, trace: Trace | None) -> Verdict:
        serial = serial_text(request.serial_number)
        if trace is not None:
            lines.query_received(trace, request.subject_name, request.issuer_name, serial)
        result, source, entry = self._find(request, trace)
        if trace is not None:
            if entry is not None:
                lines.converted(trace, entry)
            lines.timer_started(trace)
        kind = _QUERY_CERT_RES
        if entry is None:
            return Verdict(result, source, _NOT_TRUSTED_QUERY, kind, serial, request.issuer_name, ())
        return Verdict(result, source, entry.query_payload, kind, serial, request.issuer_name, entry.roles)

    def _find(self, request: QueryCertRequest, trace: Trace | None) -> _Found:
        """Finds the first entry that has a role. One without does not refuse: the signed CTL may still vouch for it."""
        without_role: Source | None = None
        for source, cache in self._caches:
            entry = cache.lookup(request.serial_number, request.issuer_name, trace)
            if entry is not None and entry.roles:
                return _TRUSTED, source, entry
            if entry is not None:
                without_role = source
        return _nothing_found(without_role, trace)

    def _verification(self, request: CertVerificationRequest, trace: Trace | None) -> Verdict:
        kind = MessageType.CERT_VERIFICATION_RES
        try:
            certificate = Certificate.from_der(request.certificate)
        except CertificateError as error:
            if trace is not None:
                lines.unreadable(trace, str(error))
            return Verdict(TrustResult.UNREADABLE, Source.NONE, _NOT_TRUSTED_VERIFICATION, kind, "", "", ())
        serial, issuer = serial_text(certificate.serial_number), certificate.issuer_name
        if trace is not None:
            lines.verification_received(trace, issuer, serial)
        result, source, entry = self._compare(certificate, trace)
        if entry is None:
            return Verdict(result, source, _NOT_TRUSTED_VERIFICATION, kind, serial, issuer, ())
        return Verdict(result, source, entry.verification_payload, kind, serial, issuer, entry.roles)

    def _compare(self, certificate: Certificate, trace: Trace | None) -> _Found:
        """As `_find`, but the same identity with other bytes refuses at once: one of the certificates is forged."""
        without_role: Source | None = None
        for source, cache in self._caches:
            entry, equal = cache.compare(certificate.serial_number, certificate.issuer_name, certificate.der, trace)
            if entry is None:
                continue
            if not equal:
                return TrustResult.DIFFERENT, source, None
            if entry.roles:
                return _TRUSTED, source, entry
            without_role = source
        return _nothing_found(without_role, trace)


def _nothing_found(without_role: Source | None, trace: Trace | None) -> _Found:
    if without_role is not None:
        if trace is not None:
            lines.no_role(trace)
        return TrustResult.NO_ROLE, without_role, None
    if trace is not None:
        lines.not_found(trace)
    return TrustResult.NOT_FOUND, Source.NONE, None
