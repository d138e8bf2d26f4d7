"""A question for a TVS server, made from a certificate file or from a trust list's signer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError, read_certificate_file
from ctlcache.signing import verify_with
from ctlcache.trustlist import MAX_SIZE, TrustList, parse_trust_list
from proto.errors import RemoteProtocolError

if TYPE_CHECKING:
    from pathlib import Path


class QuestionError(Exception):
    """A file gives no question: a sentence that names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: an identity, or with `certificate` whether exactly that one is trusted."""

    subject: str
    issuer: str
    serial: bytes
    certificate: bytes | None = None
    trust_list: TrustList | None = None


def signer_question(path: Path) -> Question:
    """Asks for a trust list's signer: the three fields of the list's header, as a phone copies them.

    Raises `QuestionError`.
    """
    try:
        with path.open("rb") as file:
            trust_list = parse_trust_list(file.read(MAX_SIZE + 1))
    except OSError as error:
        raise QuestionError(f"{path}: cannot be read: {error.strerror}") from None
    except RemoteProtocolError as error:
        raise QuestionError(f"{path}: is a damaged trust list: {error}") from None
    header = trust_list.header
    return Question(
        subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number, trust_list=trust_list
    )


def certificate_question(path: Path, *, verify: bool) -> Question:
    """Asks for a certificate's identity, or with `verify` whether this very one is trusted. Raises `QuestionError`."""
    try:
        certificate = Certificate.from_der(read_certificate_file(path)[0])
    except CertificateError as error:
        raise QuestionError(str(error)) from None
    return Question(
        subject=certificate.subject_name,
        issuer=certificate.issuer_name,
        serial=certificate.serial_number,
        certificate=certificate.der if verify else None,
    )


def signs(question: Question, certificates: tuple[bytes, ...]) -> bool | None:
    """Whether a certificate of the answer verifies the list that was asked about; None where none was."""
    if question.trust_list is None or not certificates:
        return None
    return any(verify_with(question.trust_list, certificate).ok for certificate in certificates)
