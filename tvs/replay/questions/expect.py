"""Expected answers and certificates, from trust lists, certificate files and a service's database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError, read_certificate_file
from certstore.names import name_key
from certstore.serials import normal_serial
from proto.messages import TrustStatus
from tvs.client.lists import TrustListError, read_signed_list
from tvs.replay.questions.model import QUERY, VERIFICATION, Asked, Expected, Question, SourceError, digest

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.certificate import TrustedCertificate
    from ctlcache.trustlist import TrustList
    from proto.messages import MessageType

_Identity = tuple[bytes, frozenset[tuple[str, str]]]


def identity(serial: bytes, issuer: str) -> _Identity:
    """Key of a certificate, equal for all spellings of its serial number and issuer."""
    return normal_serial(serial), name_key(issuer)


@dataclass(slots=True)
class _Known:
    certificate: bytes
    roles: set[int] = field(default_factory=set)
    time_to_live: int | None = None
    exact: bool = False


@dataclass(slots=True)
class KnownCertificates:
    """Certificates that a server must vouch for."""

    _known: dict[_Identity, _Known] = field(default_factory=dict)

    def add_file(self, path: Path) -> None:
        """Adds the records of a CTL or ITL, or certificates in PEM or DER. Raises `SourceError`."""
        trust_list = read_trust_list(path)
        if trust_list is not None:
            for record in trust_list.records:
                if record.certificate is not None:
                    known = self._entry(record.serial_number, record.issuer_name, record.certificate)
                    known.roles.update(() if known.exact else (record.function,))
            return
        for certificate in read_certificates(path):
            self._entry(certificate.serial_number, certificate.issuer_name, certificate.der)

    def add_trusted(self, trusted: TrustedCertificate) -> None:
        """Adds a certificate of a server's database; its roles are complete."""
        if trusted.roles:  # the CTL file may still vouch for a certificate without a role
            certificate = trusted.certificate
            known = self._entry(certificate.serial_number, certificate.issuer_name, certificate.der)
            known.roles, known.time_to_live, known.exact = set(trusted.roles), trusted.time_to_live, True

    def _entry(self, serial: bytes, issuer: str, der: bytes) -> _Known:
        return self._known.setdefault(identity(serial, issuer), _Known(der))

    def complete(self, asked: Asked) -> Asked:
        """Completes a question's certificate and its expected answer, as far as they are known here.

        Values of the recording are kept.
        """
        question, expected = asked
        known = self._known.get(identity(question.serial, question.issuer))
        if known is None:
            return asked
        if question.request is VERIFICATION and question.certificate is None:
            question = replace(question, certificate=known.certificate)
        if question.certificate in (None, known.certificate):
            expected = _completed(expected, known, query=question.request is QUERY)
        return Asked(question, expected)


def _completed(expected: Expected | None, known: _Known, *, query: bool) -> Expected:
    if expected is None:
        expected = Expected(
            status=TrustStatus.TRUSTED, roles=tuple(sorted(known.roles)) or None, more_roles=not known.exact
        )
    if expected.status is TrustStatus.NOT_TRUSTED:
        return expected
    if query and expected.certificates is None:
        expected = replace(expected, certificates=(digest(known.certificate),))
    if expected.time_to_live is None:
        expected = replace(expected, time_to_live=known.time_to_live)
    return expected


# -- files -----------------------------------------------------------------------------------------------------------


def read_trust_list(path: Path) -> TrustList | None:
    """The CTL or ITL in a file; None if the file holds something else. Raises `SourceError` for a damaged one."""
    try:
        return read_signed_list(path)
    except TrustListError as error:
        raise SourceError(str(error)) from None


def read_certificates(path: Path) -> list[Certificate]:
    """The certificates in a PEM or DER file. Raises `SourceError`."""
    try:
        return [Certificate.from_der(der) for der in read_certificate_file(path)]
    except CertificateError as error:
        raise SourceError(f"{error}; give a CTL, an ITL, or certificates in PEM or DER") from None


def questions_of(path: Path) -> list[Question]:
    """The questions of phones about a file: for the signer of a CTL or ITL, or whether certificates are trusted."""
    trust_list = read_trust_list(path)
    if trust_list is not None:
        header = trust_list.header
        return [Question(subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number)]
    return [about(certificate) for certificate in read_certificates(path)]


def about(certificate: Certificate, request: MessageType = VERIFICATION) -> Question:
    """The question about a certificate: a verification, or a query for its serial number and issuer."""
    return Question(
        request=request,
        subject=certificate.subject_name if request is QUERY else "",
        issuer=certificate.issuer_name,
        serial=certificate.serial_number,
        certificate=certificate.der if request is VERIFICATION else None,
    )
