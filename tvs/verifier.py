"""The only place that decides trust: a request in, an answer and where it came from out.

The certificate database's cache is asked first, then that of the CTL file, then the answer is 'not trusted'.
No I/O, no await, no lock: one dictionary look-up a cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError
from certstore.index import CacheEntry, serial_text
from proto.codec import encode_payload
from proto.messages import (
    CertVerificationRequest,
    CertVerificationResponse,
    MessageType,
    QueryCertRequest,
    QueryCertResponse,
    Request,
    TrustStatus,
)
from tvs import trace as lines

if TYPE_CHECKING:
    from certstore.lookup import CertificateCache
    from certstore.trace import Trace


class Result(StrEnum):
    """What was found: a closed set. Only ``trusted`` is a positive answer; phones see the others as one."""

    TRUSTED = "trusted"
    NOT_FOUND = "not_found"
    """Neither cache has the certificate."""
    NO_ROLE = "no_role"
    """A cache has it, but no purpose gives it a role."""
    DIFFERENT = "different"
    """A cache has another certificate of the same serial number and issuer."""
    UNREADABLE = "unreadable"
    """The request carries bytes that are no certificate."""


class Source(StrEnum):
    """Which cache gave the answer."""

    DB = "db"
    CTL = "ctl"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one request.

    Attributes:
        result, source: what was found, and where.
        payload: the answer's bytes after the header.
        answer_type: the answer's message type.
        serial, issuer: of the certificate asked for, as the trace prints them; empty where it is unreadable.
        roles: role codes, ascending; empty unless trusted.
    """

    result: Result
    source: Source
    payload: bytes
    answer_type: MessageType
    serial: str
    issuer: str
    roles: tuple[int, ...] = ()


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
        """The verdict on a request; `trace` takes the handler's lines."""
        if isinstance(request, QueryCertRequest):
            return self._query(request, trace)
        return self._verification(request, trace)

    def _query(self, request: QueryCertRequest, trace: Trace | None) -> Verdict:
        serial = serial_text(request.serial_number)
        if trace is not None:
            lines.query_received(trace, request.subject_name, request.issuer_name, serial)
        result, source, entry = self._find(request, trace)
        trusted = entry is not None and result is Result.TRUSTED
        if trace is not None:
            if trusted:
                lines.converted(trace, entry)
            lines.timer_started(trace)
        return Verdict(
            result=result,
            source=source,
            payload=entry.query_payload if entry is not None and trusted else _NOT_TRUSTED_QUERY,
            answer_type=MessageType.QUERY_CERT_RES,
            serial=serial,
            issuer=request.issuer_name,
            roles=entry.roles if entry is not None and trusted else (),
        )

    def _find(self, request: QueryCertRequest, trace: Trace | None) -> tuple[Result, Source, CacheEntry | None]:
        """The first entry that has a role. One without is no refusal: the signed CTL may still vouch for it."""
        without_role: Source | None = None
        for source, cache in self._caches:
            entry = cache.lookup(request.serial_number, request.issuer_name, trace)
            if entry is not None and entry.roles:
                return Result.TRUSTED, source, entry
            if entry is not None:
                without_role = source
        return *_nothing_found(without_role, trace), None

    def _verification(self, request: CertVerificationRequest, trace: Trace | None) -> Verdict:
        try:
            certificate = Certificate.from_der(request.certificate)
        except CertificateError as error:
            if trace is not None:
                lines.unreadable(trace, str(error))
            return self._verdict(Result.UNREADABLE, Source.NONE, "", "", None)
        serial = serial_text(certificate.serial_number)
        if trace is not None:
            lines.verification_received(trace, certificate.issuer_name, serial)
        result, source, entry = self._compare(certificate, trace)
        return self._verdict(result, source, serial, certificate.issuer_name, entry)

    def _compare(self, certificate: Certificate, trace: Trace | None) -> tuple[Result, Source, CacheEntry | None]:
        """As `_find`; but the same identity with other bytes is a refusal at once: one of them is forged."""
        without_role: Source | None = None
        for source, cache in self._caches:
            entry, equal = cache.compare(certificate.serial_number, certificate.issuer_name, certificate.der, trace)
            if entry is None:
                continue
            if not equal:
                return Result.DIFFERENT, source, None
            if entry.roles:
                return Result.TRUSTED, source, entry
            without_role = source
        return *_nothing_found(without_role, trace), None

    @staticmethod
    def _verdict(result: Result, source: Source, serial: str, issuer: str, entry: CacheEntry | None) -> Verdict:
        return Verdict(
            result=result,
            source=source,
            payload=_NOT_TRUSTED_VERIFICATION if entry is None else entry.verification_payload,
            answer_type=MessageType.CERT_VERIFICATION_RES,
            serial=serial,
            issuer=issuer,
            roles=() if entry is None else entry.roles,
        )


def _nothing_found(without_role: Source | None, trace: Trace | None) -> tuple[Result, Source]:
    if without_role is not None:
        if trace is not None:
            lines.no_role(trace)
        return Result.NO_ROLE, without_role
    if trace is not None:
        lines.not_found(trace)
    return Result.NOT_FOUND, Source.NONE
