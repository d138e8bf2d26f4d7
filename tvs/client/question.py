"""Questions for a TVS server: made from files or names, asked, and their answers judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError, read_certificate_file
from ctlcache.verification import verify_with
from proto.errors import LocalProtocolError
from proto.messages import QueryCertResponse, Response, TrustStatus
from proto.roles import TrustRole
from tvs.client.lists import TrustListError, read_trust_list

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.trustlist import TrustList
    from tvs.client.connection import TVSClient


class QuestionError(Exception):
    """A file or a name that gives no question: a sentence that says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TVSQuestion:
    """A question for a TVS server.

    Attributes:
        subject: subject name in CTL text form.
        issuer: issuer name in CTL text form.
        serial: raw bytes of the serial number, 1 to 21.
        certificate: X.509 DER, to ask whether exactly this certificate is trusted; None to ask for an identity.
        trust_list: the list whose signer is asked for; None for other questions.
    """

    subject: str
    issuer: str
    serial: bytes
    certificate: bytes | None = None
    trust_list: TrustList | None = None


def signer_question(path: Path) -> TVSQuestion:
    """Asks for a trust list's signer: the three fields of the list's header, as a phone copies them.

    The list's signature is not verified here: the answer tells whether it fits. Raises `QuestionError`.
    """
    try:
        trust_list = read_trust_list(path)
    except TrustListError as error:
        raise QuestionError(str(error)) from None
    if trust_list is None:
        raise QuestionError(f"{path}: is not a trust list")
    header = trust_list.header
    return TVSQuestion(
        subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number, trust_list=trust_list
    )


def certificate_question(path: Path, *, verify: bool) -> TVSQuestion:
    """Asks for a certificate's identity, or with `verify` whether exactly this certificate is trusted.

    Raises `QuestionError` for a file without a certificate. Of several certificates in a file the first is taken.
    """
    try:
        certificate = Certificate.from_der(read_certificate_file(path)[0])
    except CertificateError as error:
        raise QuestionError(str(error)) from None
    return TVSQuestion(
        subject=certificate.subject_name,
        issuer=certificate.issuer_name,
        serial=certificate.serial_number,
        certificate=certificate.der if verify else None,
    )


def identity_question(subject: str, issuer: str, serial: str) -> TVSQuestion:
    """Asks for an identity by its names and its serial number in hex, with or without ``0x``, colons and blanks.

    Raises `QuestionError` for a serial number that is not hexadecimal.
    """
    digits = serial.removeprefix("0x").replace(":", "").replace(" ", "")
    try:
        number = bytes.fromhex(digits if len(digits) % 2 == 0 else f"0{digits}")
    except ValueError:
        raise QuestionError(f"serial number {serial!r} is not hexadecimal") from None
    return TVSQuestion(subject=subject, issuer=issuer, serial=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAnswer:
    """A server's answer to a question, judged as a phone judges it.

    Attributes:
        question: what was asked.
        response: the message that answered it.
        signs_the_list: whether a certificate of the answer verifies the list that was asked about; None if no list
            was asked about or no certificate came.
    """

    question: TVSQuestion
    response: Response
    signs_the_list: bool | None

    @property
    def trusted(self) -> bool:
        """Whether the server says 'trusted'."""
        return self.response.status is TrustStatus.TRUSTED

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The certificates of the answer, X.509 DER; the answer to a verification has none."""
        return self.response.certificates if isinstance(self.response, QueryCertResponse) else ()

    @property
    def confirmed(self) -> bool:
        """Whether the answer is 'trusted' and, if a list was asked about, its signature fits."""
        return self.trusted and self.signs_the_list is not False

    @property
    def lacks_signer_role(self) -> bool:
        """Whether a list was asked about and its signer lacks role 0 (SAST): a phone refuses that list."""
        return self.question.trust_list is not None and TrustRole.SAST not in self.response.roles


def judge(question: TVSQuestion, response: Response) -> JudgedAnswer:
    """Judges an answer; of a trust list, verifies the signature with each certificate that came."""
    certificates = response.certificates if isinstance(response, QueryCertResponse) else ()
    signs = None
    if question.trust_list is not None and certificates:
        signs = any(verify_with(question.trust_list, certificate).ok for certificate in certificates)
    return JudgedAnswer(question=question, response=response, signs_the_list=signs)


async def ask(client: TVSClient, question: TVSQuestion, *, device: str) -> JudgedAnswer:
    """Asks over a connected client, as the phone named `device`.

    Raises `QuestionError` for names that the protocol cannot carry, `NoAnswer` if no answer comes.
    """
    try:
        if question.certificate is not None:
            return judge(question, await client.verify(device=device, certificate=question.certificate))
        response = await client.query(
            device=device, subject=question.subject, issuer=question.issuer, serial=question.serial
        )
    except LocalProtocolError as error:
        raise QuestionError(str(error)) from None
    return judge(question, response)
