"""Answers of TVS in a situation, from the service's own verifier on small caches."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from certstore.certificate import Certificate, CertificateError
from certstore.index import CacheEntry, CertificateIndex
from certstore.lookup import CertificateCache
from certstore.serials import normal_serial, serial_text
from ctlcache.listindex import index_of
from proto.defaults import DEFAULT_TIME_TO_LIVE
from proto.errors import LocalProtocolError
from proto.messages import CertVerificationRequest, QueryCertRequest
from tvs.answers.verifier import Source, TrustResult, TrustVerifier
from tvs.errors import StateError
from tvs.phone.trust import REMEMBERED, verified

if TYPE_CHECKING:
    from ctlcache.trustlist import TrustList
    from tvs.cluster.rollover import Rollover
    from tvs.cluster.situation import Situation

NEW = "new"
"""In place of a serial number that does not exist yet."""


class SignerNames(Protocol):
    """A signer as the header of a list names it: names in CTL text form, and the raw serial number."""

    @property
    def signer_name(self) -> str:
        """Its name."""

    @property
    def ca_name(self) -> str:
        """Name of its issuer."""

    @property
    def serial_number(self) -> bytes:
        """The serial number of its certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerAnswer:
    """TVS's positive answer about a signer.

    Attributes:
        certificate: X.509 DER.
        roles: role codes.
        source: which cache has it: db or ctl; empty if a server gave it, see `tvs.plan.servers`.
        new: the planned change makes the certificate, each time with another serial number.
    """

    certificate: bytes
    roles: tuple[int, ...]
    source: str
    new: bool = False

    @property
    def cache(self) -> str:
        """Which cache has it, for people."""
        return f"from the {self.source.upper()} cache" if self.source else "as the server answers now"

    @property
    def name(self) -> str:
        """Subject and serial number, for people."""
        try:
            certificate = Certificate.from_der(self.certificate)
        except CertificateError:
            return "a certificate that cannot be read"
        return f"{certificate.subject_name} {shown_serial(certificate.serial_number, new=self.new)}"


def shown_serial(serial_number: bytes, *, new: bool) -> str:
    """A serial number in hex digits, or ``new`` for that of a certificate that the change makes."""
    return NEW if new else serial_text(serial_number)


def tvs_answer(situation: Situation, header: SignerNames) -> SignerAnswer | None:
    """The answer about the signer that a list's header names; None for 'not trusted'."""
    try:
        request = QueryCertRequest(
            session_id=1,
            device_name="",
            subject_name=header.signer_name,
            issuer_name=header.ca_name,
            serial_number=header.serial_number,
        )
    except LocalProtocolError:  # a header that phones cannot ask about
        return None
    caches = _caches(situation, header.serial_number)
    verdict = TrustVerifier(caches[Source.DB], caches[Source.CTL]).answer(request)
    if verdict.result is not TrustResult.TRUSTED:
        return None
    entry = caches[verdict.source].lookup(request.serial_number, request.issuer_name)
    return (
        None if entry is None else SignerAnswer(certificate=entry.certificate, roles=entry.roles, source=verdict.source)
    )


def vouched_roles(situation: Situation, certificate: bytes) -> tuple[int, ...]:
    """The roles with which TVS vouches for exactly this certificate (X.509 DER); empty for 'not trusted'."""
    try:
        serial_number = Certificate.from_der(certificate).serial_number
    except CertificateError:
        return ()
    caches = _caches(situation, serial_number)
    request = CertVerificationRequest(session_id=1, device_name="", certificate=certificate)
    return TrustVerifier(caches[Source.DB], caches[Source.CTL]).answer(request).roles


def parsed(data: bytes | None) -> TrustList | None:
    """The trust list in these bytes, if it verifies; None for other bytes, and without a file."""
    verification = verified(data) if data is not None else None
    return verification.trust_list if verification is not None and verification.ok else None


def rollover_of(situation: Situation) -> Rollover | None:
    """The rollover that is under way; None for a damaged parameter too, which a plan does not need."""
    try:
        return situation.rollover
    except StateError:
        return None


def _caches(situation: Situation, serial_number: bytes) -> dict[Source, CertificateCache]:
    return {Source.DB: _database_cache(situation, serial_number), Source.CTL: _cache(_ctl_index(situation.tvs_ctl))}


def _database_cache(situation: Situation, serial_number: bytes) -> CertificateCache:
    """The database's certificates with this serial number; the others cannot be the answer."""
    serial = normal_serial(serial_number)
    found = {
        entry.certificate.der: entry.certificate
        for entry in situation.entries
        if normal_serial(entry.certificate.serial_number) == serial
    }
    return _cache(
        CertificateIndex(
            CacheEntry(
                serial_number=certificate.serial_number,
                issuer_name=certificate.issuer_name,
                certificate=der,
                roles=situation.roles(der),
                time_to_live=DEFAULT_TIME_TO_LIVE,
            )
            for der, certificate in found.items()
        )
    )


@functools.lru_cache(maxsize=REMEMBERED, typed=True)  # an unsigned list is equal to its bytes
def _ctl_index(ctl: bytes | None) -> CertificateIndex:
    """The CTL file that TVS watches, if it verifies: TVS loads no other."""
    trust_list = parsed(ctl)
    return CertificateIndex() if trust_list is None else index_of(trust_list, DEFAULT_TIME_TO_LIVE).index


def _cache(index: CertificateIndex) -> CertificateCache:
    cache = CertificateCache()
    cache.swap(index)
    return cache
