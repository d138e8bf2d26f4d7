"""What TVS answers about the signer of a list, in a situation: the service's own verifier on small caches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError
from certstore.index import CacheEntry, CertificateIndex
from certstore.lookup import CertificateCache
from certstore.serials import normal_serial, serial_text
from ctlcache.listindex import index_of
from ctlcache.signing import verify
from proto.errors import LocalProtocolError
from proto.messages import DEFAULT_TIME_TO_LIVE, QueryCertRequest
from tvs.answers.verifier import Source, TrustResult, TrustVerifier

if TYPE_CHECKING:
    from ctlcache.trustlist import Header
    from tvs.cluster.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerAnswer:
    """What TVS answers: trusted, and this certificate.

    Attributes:
        certificate: X.509 DER.
        roles: role codes.
        source: which cache has it: db or ctl.
    """

    certificate: bytes
    roles: tuple[int, ...]
    source: str

    @property
    def name(self) -> str:
        """Subject and serial number, for people."""
        try:
            certificate = Certificate.from_der(self.certificate)
        except CertificateError:
            return "a certificate that cannot be read"
        return f"{certificate.subject_name} {serial_text(certificate.serial_number)}"


def tvs_answer(situation: Situation, header: Header) -> SignerAnswer | None:
    """The answer about the signer that a list's header names; None where it is 'not trusted'."""
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
    caches = {Source.DB: _database_cache(situation, header.serial_number), Source.CTL: _ctl_cache(situation)}
    verdict = TrustVerifier(caches[Source.DB], caches[Source.CTL]).answer(request)
    if verdict.result is not TrustResult.TRUSTED:
        return None
    entry = caches[verdict.source].lookup(request.serial_number, request.issuer_name)
    return (
        None if entry is None else SignerAnswer(certificate=entry.certificate, roles=entry.roles, source=verdict.source)
    )


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


def _ctl_cache(situation: Situation) -> CertificateCache:
    """The CTL file that TVS watches, if it verifies: TVS loads no other."""
    verification = verify(situation.tvs_ctl) if situation.tvs_ctl is not None else None
    if verification is None or verification.trust_list is None or not verification.ok:
        return _cache(CertificateIndex())
    return _cache(index_of(verification.trust_list, DEFAULT_TIME_TO_LIVE).index)


def _cache(index: CertificateIndex) -> CertificateCache:
    cache = CertificateCache()
    cache.swap(index)
    return cache
