"""Questions from files and names, and the judgement of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from proto.messages import CertVerificationResponse, QueryCertResponse, TrustStatus
from tests.fixtures.guide import PUBLISHER
from tests.fixtures.tls import identity
from tvs.client.question import (
    QuestionError,
    TVSQuestion,
    certificate_question,
    identity_question,
    judge,
    signer_question,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner

SERIAL = bytes.fromhex("70CAF64E090751B9DF22F49F754FC5BB")
NOT_TRUSTED = QueryCertResponse(session_id=1001, status=TrustStatus.NOT_TRUSTED)


@pytest.fixture
def ctl(tokenless: bytes, tmp_path: Path) -> Path:
    """The tokenless CTL file of the guide."""
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(tokenless)
    return path


def test_signer_of_a_list_is_asked_for_as_its_header_names_it(ctl: Path) -> None:
    """The question has the three fields of the list's header, and the list for the judgement."""
    question = signer_question(ctl)
    assert (question.subject, question.issuer, question.serial) == (PUBLISHER, PUBLISHER, SERIAL)
    assert question.certificate is None
    assert question.trust_list is not None


def test_oddities_of_a_header_are_copied(with_tokens: bytes, tmp_path: Path) -> None:
    """A token's odd spelling goes into the question unchanged."""
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(with_tokens)
    question = signer_question(path)
    assert question.subject == 'cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems'
    assert question.issuer == "cn=Cisco Manufacturing CA;o=Cisco Systems"


def test_file_that_is_not_a_list_gives_no_signer_question(tmp_path: Path) -> None:
    """Missing, damaged and other files are errors that name the file."""
    path = tmp_path / "file"
    for data, reason in (
        (None, "cannot be read: No such file or directory"),
        (b"junk", "is not a trust list"),
        (b"\x01\x00\x02\x01", "is a damaged trust list: "),
    ):
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(QuestionError, match=f"file: {reason}"):
            signer_question(path)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_certificate_is_asked_for_by_identity_or_as_it_is(encoding: Encoding, tmp_path: Path) -> None:
    """A certificate file gives a question for its identity, or with `verify` for exactly these bytes."""
    certificate = identity("phone", issuer=identity("CA")).certificate
    path = tmp_path / "certificate"
    path.write_bytes(certificate.public_bytes(encoding))
    by_identity = certificate_question(path, verify=False)
    assert (by_identity.subject, by_identity.issuer) == ("CN=phone", "CN=CA")
    assert int.from_bytes(by_identity.serial) == certificate.serial_number
    assert by_identity.certificate is None
    assert certificate_question(path, verify=True).certificate == certificate.public_bytes(Encoding.DER)


def test_file_without_certificate_gives_no_question(tmp_path: Path) -> None:
    """A file of another kind is an error that names it."""
    path = tmp_path / "file"
    path.write_bytes(b"junk")
    with pytest.raises(QuestionError, match="file: neither PEM"):
        certificate_question(path, verify=True)


@pytest.mark.parametrize(
    ("text", "serial"),
    [
        ("70CAF6", b"\x70\xca\xf6"),
        ("0x1", b"\x01"),
        ("6b:1d:35", b"\x6b\x1d\x35"),
        ("00 a1", b"\x00\xa1"),
        ("123", b"\x01\x23"),
    ],
)
def test_serial_number_in_hex(text: str, serial: bytes) -> None:
    """A serial number is taken as administrators copy it: with colons, blanks or 0x, of odd length."""
    assert identity_question("CN=a", "CN=b", text) == TVSQuestion(subject="CN=a", issuer="CN=b", serial=serial)


def test_serial_number_that_is_not_hex_is_refused() -> None:
    """The error quotes the text."""
    with pytest.raises(QuestionError, match="serial number '12g4' is not hexadecimal"):
        identity_question("CN=a", "CN=b", "12g4")


# -- judgement -------------------------------------------------------------------------------------------------------


def trusted(*certificates: bytes, roles: tuple[int, ...] = (0, 2)) -> QueryCertResponse:
    """The answer 'trusted' with these certificates."""
    return QueryCertResponse(
        session_id=1001, status=TrustStatus.TRUSTED, certificates=certificates, roles=roles, time_to_live=60
    )


def test_signer_s_certificate_confirms_the_list(ctl: Path, publisher: KeyFileSigner, capf: bytes) -> None:
    """The list is confirmed if one of the answer's certificates verifies its signature."""
    answer = judge(signer_question(ctl), trusted(capf, publisher.certificate))
    assert (answer.trusted, answer.signs_the_list, answer.confirmed) == (True, True, True)
    assert answer.certificates == (capf, publisher.certificate)
    assert not answer.lacks_signer_role


def test_other_certificate_does_not_confirm_the_list(ctl: Path, capf: bytes) -> None:
    """'Trusted' with a certificate of another key confirms nothing; bytes that are not a certificate neither."""
    for wrong in (capf, b"not a certificate"):
        answer = judge(signer_question(ctl), trusted(wrong))
        assert (answer.trusted, answer.signs_the_list, answer.confirmed) == (True, False, False)


def test_signer_without_role_0_is_told(ctl: Path, publisher: KeyFileSigner) -> None:
    """A phone takes no list from a signer without role 0 (SAST), though the signature fits."""
    answer = judge(signer_question(ctl), trusted(publisher.certificate, roles=(2,)))
    assert (answer.signs_the_list, answer.lacks_signer_role) == (True, True)


def test_refusal_is_not_confirmed(ctl: Path) -> None:
    """Of 'not trusted' there is nothing to verify."""
    answer = judge(signer_question(ctl), NOT_TRUSTED)
    assert (answer.trusted, answer.signs_the_list, answer.confirmed, answer.certificates) == (False, None, False, ())


def test_question_without_list_has_no_signature_to_judge() -> None:
    """For an identity or a certificate the status alone counts, and roles are not judged."""
    question = identity_question("CN=a", "CN=b", "01")
    answer = judge(question, trusted(b"DER", roles=(4,)))
    assert (answer.signs_the_list, answer.confirmed, answer.lacks_signer_role) == (None, True, False)
    verified = CertVerificationResponse(session_id=1001, status=TrustStatus.TRUSTED, roles=(4,), time_to_live=60)
    assert (judge(question, verified).confirmed, judge(question, verified).certificates) == (True, ())
