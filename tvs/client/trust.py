"""The client's trust in TVS servers: the certificates that a trust list vouches for."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import crypto

from certstore.certificate import CertificateError, read_certificate_file
from proto.roles import TrustRole
from tvs.client.lists import read_signed_list
from tvs.log.forms import line_text

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.trustlist import TrustList


class NoAnswer(Exception):  # noqa: N818 - what phones and operators call it
    """No answer came: a sentence that gives the reason."""


class UntrustedServer(NoAnswer):
    """Nothing vouches for the server's certificate; the client asked nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTrust:
    """The server certificates that a client accepts.

    Attributes:
        certificates: X.509 DER of servers, compared byte for byte, as phones do with the ITL's TVS records.
        authorities: certificates of CAs; a server certificate that one of them issued is accepted.
        anyone: accept every server; for tests.
        source: origin of these certificates, for error sentences.
    """

    certificates: frozenset[bytes] = frozenset()
    authorities: tuple[x509.Certificate, ...] = ()
    anyone: bool = False
    source: str = ""

    @classmethod
    def from_file(cls, path: Path) -> ServerTrust:
        """From an ITL, a CTL, or certificates in PEM or DER. Raises `ValueError` with a sentence."""
        trust_list = read_signed_list(path)
        if trust_list is not None:
            return cls(certificates=_listed_servers(trust_list, path), source=str(path))
        try:
            certificates = read_certificate_file(path)
        except CertificateError as error:
            raise ValueError(f"{error}; --trust takes an ITL, a CTL, or certificates in PEM or DER") from None
        authorities = tuple(_authority(der, number, path) for number, der in enumerate(certificates, 1))
        return cls(certificates=frozenset(certificates), authorities=authorities, source=str(path))

    def check(self, chain: list[x509.Certificate]) -> None:
        """Raises `UntrustedServer` if nothing vouches for the server's certificate, the first of `chain`."""
        if self.anyone:
            return
        if not chain:
            raise UntrustedServer("the server showed no certificate")
        if chain[0].public_bytes(Encoding.DER) in self.certificates or self._issued(chain):
            return
        raise UntrustedServer(
            f"the server's certificate ({_subject(chain[0])}) is not in {self.source or 'the trust list'}; if it was "
            "changed: tvs utils itl update, then reload the service; else give the list that its phones fetch"
        )

    def _issued(self, chain: list[x509.Certificate]) -> bool:
        if not self.authorities:
            return False
        store = crypto.X509Store()
        for authority in self.authorities:
            with contextlib.suppress(crypto.Error):  # OpenSSL refuses some certificates that cryptography reads
                store.add_cert(crypto.X509.from_cryptography(authority))
        try:
            leaf, *others = map(crypto.X509.from_cryptography, chain)
            crypto.X509StoreContext(store, leaf, others).verify_certificate()
        except (crypto.X509StoreContextError, crypto.Error):
            return False
        return True


def _authority(der: bytes, number: int, path: Path) -> x509.Certificate:
    """A certificate of a file. Raises `ValueError` with a sentence."""
    try:
        return x509.load_der_x509_certificate(der)
    except Exception as error:  # noqa: BLE001 - the parser raises many kinds for hostile DER
        raise ValueError(f"{path}: certificate {number} in it cannot be read: {error}") from None


def _subject(certificate: x509.Certificate) -> str:
    """A server's subject for error sentences: printable, cut, also if it cannot be read."""
    try:
        return line_text(certificate.subject.rfc4514_string())
    except Exception:  # noqa: BLE001 - a stranger's names can raise anything that the parser knows
        return "its subject cannot be read"


def _listed_servers(trust_list: TrustList, path: Path) -> frozenset[bytes]:
    """Certificates of TVS records; if a list has none (a CTL), those of its servers."""
    found: dict[int, set[bytes]] = {}
    for record in trust_list.records:
        if record.certificate is not None:
            found.setdefault(record.function, set()).add(record.certificate)
    servers = found.get(TrustRole.TVS) or found.get(TrustRole.CCM_TFTP, set()) | found.get(TrustRole.CCM, set())
    if not servers:
        raise ValueError(f"{path}: holds no server's certificate")
    return frozenset(servers)
