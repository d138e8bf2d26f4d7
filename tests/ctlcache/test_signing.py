"""Signatures: made by a key file, verified here and by OpenSSL, and every way in which they are not good."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from certstore.certificate import Certificate
from ctlcache.builder import ListEntry, build_trust_list
from ctlcache.signing import Digest, KeyFileSigner, SigningError
from ctlcache.trustlist import (
    Header,
    HeaderTag,
    Record,
    RecordTag,
    TrustList,
    parse_trust_list,
    signed_bytes,
)
from ctlcache.verification import Reason, verify, verify_with
from proto.roles import TrustRole
from proto.tlv import Element

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Assemble = Callable[[Sequence[Element], Sequence[Record]], bytes]
    from tests.fixtures.programs import RequireProgram

    MakeSigner = Callable[..., KeyFileSigner]


@pytest.fixture
def openssl(require_program: RequireProgram) -> str:
    """The program."""
    return require_program("openssl")


def without(record: Record, *tags: int) -> Record:
    """The record without some elements, with the right length."""
    return with_elements(element for element in record.elements[1:] if element.tag not in tags)


def changed(record: Record, tag: int, value: bytes) -> Record:
    """The record with another value for one element."""
    return with_elements(Element(tag, value) if element.tag == tag else element for element in record.elements[1:])


def with_elements(elements: object) -> Record:
    """A record of these elements, its length before them."""
    kept = tuple(elements)  # type: ignore[arg-type,var-annotated] # any iterable of elements
    size = 5 + sum(3 + len(element.value) for element in kept)
    return Record((Element(RecordTag.RECORD_LENGTH, size.to_bytes(2)), *kept))


# -- good signatures -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("openssl")
@pytest.mark.parametrize("digest", Digest)
@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_each_digest_and_key_size(make_signer: MakeSigner, bits: int, digest: Digest, tmp_path: Path) -> None:
    """What is signed verifies here, and with OpenSSL over the bytes that the format says are signed."""
    signer = make_signer("CN=signer;O=Cisco", f"{bits:x}", bits)
    entry = ListEntry(role=TrustRole.SAST, certificate=signer.certificate, dns_name="node", address="192.0.2.1")
    data = build_trust_list([entry], signer, timestamp=1, digest=digest)
    assert verify(data).reason is Reason.GOOD
    parsed = parse_trust_list(data)
    assert (parsed.header.digest, 512 << parsed.header.signature_modulus) == (digest, {4096: 4096}.get(bits, bits))
    assert openssl_verifies(signer.certificate, parsed, digest, tmp_path)


def openssl_verifies(certificate: bytes, parsed: TrustList, digest: Digest, directory: Path) -> bool:
    """Whether ``openssl dgst`` verifies the signature too."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    (directory / "key.pem").write_bytes(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (directory / "signature").write_bytes(parsed.header.signature)
    (directory / "signed").write_bytes(signed_bytes(parsed))
    option = f"-{digest.name.lower()}"
    command = ["openssl", "dgst", option, "-verify", "key.pem", "-signature", "signature", "signed"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return done.stdout == "Verified OK\n"


def test_the_guide_s_files(tokenless: bytes, regenerated: bytes, with_tokens: bytes) -> None:
    """The three files verify, and their signer is the record that the guide says."""
    for data, number in ((tokenless, 0), (regenerated, 0), (with_tokens, 4)):
        verification = verify(data)
        assert verification.ok
        assert verification.trust_list is not None
        assert verification.signer == verification.trust_list.records[number]
        assert verification.sentence == "the signature is good"


def test_a_record_with_only_a_public_key(tokenless: bytes, assemble: Assemble) -> None:
    """The signer's record may hold its key alone: PUBLICKEY is what verifies then."""
    parsed = parse_trust_list(tokenless)
    first = without(parsed.records[0], RecordTag.CERTIFICATE, RecordTag.SIGNATURE)
    assert verify(assemble(parsed.header.elements, [first])).ok
    first = without(parsed.records[0], RecordTag.PUBLIC_KEY)
    assert verify(assemble(parsed.header.elements, [first])).ok


# -- signatures that are not good ----------------------------------------------------------------------


def test_every_changed_byte_is_noticed(tokenless: bytes) -> None:
    """No byte of a file can be changed without its being damaged or not verified, non-signer's records included."""
    for offset in range(len(tokenless)):
        for mask in (0x01, 0xFF):
            data = bytearray(tokenless)
            data[offset] ^= mask
            assert not verify(bytes(data)).ok, offset


def test_no_signature(tokenless: bytes) -> None:
    """A file whose signature was left out is unsigned, not damaged."""
    parsed = parse_trust_list(tokenless)
    kept = tuple(element for element in parsed.header.elements if element.tag != HeaderTag.SIGNATURE)
    unsigned = TrustList(Header(kept), parsed.records)
    assert verify(unsigned).reason is Reason.NO_SIGNATURE
    assert verify_with(unsigned, parsed.records[0].certificate or b"").reason is Reason.NO_SIGNATURE


def test_no_record_of_the_signer(tokenless: bytes) -> None:
    """A file without a record of its signer is not verified."""
    parsed = parse_trust_list(tokenless)
    assert verify(replace(parsed, records=())).reason is Reason.NO_SIGNER_RECORD
    assert verify(replace(parsed, records=parsed.records[2:])).reason is Reason.NO_SIGNER_RECORD


def test_a_signer_that_is_no_token(tokenless: bytes, assemble: Assemble) -> None:
    """The signer must be in the list as SAST: CCM+TFTP does not sign trust lists."""
    parsed = parse_trust_list(tokenless)
    verification = verify(assemble(parsed.header.elements, parsed.records[1:]))
    assert verification.reason is Reason.NOT_SAST
    assert verification.signer is None


def test_records_that_contradict_themselves(tokenless: bytes, assemble: Assemble) -> None:
    """A signer's record without a key, with an unreadable one, or with two different ones is not good."""
    parsed = parse_trust_list(tokenless)
    signer = parsed.records[0]
    other_key = parsed.records[3].public_key or b""
    cases = {
        Reason.NO_KEY: [without(signer, RecordTag.PUBLIC_KEY, RecordTag.CERTIFICATE)],
        Reason.BAD_KEY: [
            changed(signer, RecordTag.CERTIFICATE, b"\x30\x03\x02\x01\x01"),
            changed(without(signer, RecordTag.CERTIFICATE), RecordTag.PUBLIC_KEY, b"\x04" + bytes(64)),
        ],
        Reason.KEY_MISMATCH: [
            changed(signer, RecordTag.PUBLIC_KEY, other_key),
            changed(signer, RecordTag.PUBLIC_KEY, b"no key at all"),
        ],
        Reason.BAD_SIGNATURE: [changed(without(signer, RecordTag.CERTIFICATE), RecordTag.PUBLIC_KEY, other_key)],
    }
    for reason, records in cases.items():
        for record in records:
            assert verify(assemble(parsed.header.elements, [record])).reason is reason


def test_an_ec_signer(tokenless: bytes, assemble: Assemble, ec_certificate: bytes) -> None:
    """An EC certificate cannot be what signed."""
    parsed = parse_trust_list(tokenless)
    record = changed(without(parsed.records[0], RecordTag.PUBLIC_KEY), RecordTag.CERTIFICATE, ec_certificate)
    assert verify(assemble(parsed.header.elements, [record])).reason is Reason.BAD_KEY


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (b"\x0a\x00\x01\x00", b"\x0a\x00\x01\x01", Reason.UNSUPPORTED_ALGORITHM),
        (b"\x08\x00\x01\x01", b"\x08\x00\x01\x04", Reason.UNSUPPORTED_DIGEST),
        (b"\x08\x00\x01\x01", b"\x08\x00\x01\x02", Reason.BAD_SIGNATURE),
    ],
)
def test_unknown_algorithms(tokenless: bytes, good: bytes, bad: bytes, reason: Reason) -> None:
    """An algorithm that the format does not have is its own reason."""
    assert tokenless.index(good) < 336
    assert verify(tokenless.replace(good, bad, 1)).reason is reason


def test_damaged_bytes_say_where(tokenless: bytes) -> None:
    """The sentence for a damaged file has the place."""
    verification = verify(tokenless[:1000])
    assert verification.reason is Reason.DAMAGED
    assert verification.error is not None
    assert verification.sentence.startswith("the file is damaged: ")
    assert verification.sentence.endswith("(at byte 336)")


def test_every_reason_has_a_sentence(tokenless: bytes) -> None:
    """People get a sentence for each reason."""
    verification = verify(tokenless)
    assert len({replace(verification, reason=reason).sentence for reason in Reason}) == len(Reason)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hostile_keys_never_raise(public_key: bytes, certificate: bytes) -> None:
    """Whatever stands in place of key and certificate, verifying answers."""
    name = b"CN=a\0"
    record = with_elements(
        (
            Element(RecordTag.FUNCTION, b"\0\0"),
            Element(RecordTag.ISSUER_NAME, name),
            Element(RecordTag.SERIAL_NUMBER, b"\5"),
            Element(RecordTag.PUBLIC_KEY, public_key),
            Element(RecordTag.CERTIFICATE, certificate),
        )
    )
    signer_id = b"\4\0\5" + name + b"\5\0\1\5" + b"\6\0\5" + name
    header = Header(
        (Element(3, signer_id), Element(7, bytes.fromhex("08000101 090008 0a000100 0b000101")), Element(12, b"S"))
    )
    verification = verify(TrustList(header, (record,)))
    assert verification.reason in (Reason.NO_KEY, Reason.BAD_KEY, Reason.KEY_MISMATCH, Reason.BAD_SIGNATURE)
    assert verify_with(TrustList(header, ()), certificate).reason is Reason.BAD_KEY


@given(offset=st.integers(0, 693), value=st.integers(0, 255))
def test_mutated_certificates_never_raise(publisher: KeyFileSigner, tokenless: bytes, offset: int, value: int) -> None:
    """A certificate with any byte changed does not end the verification."""
    certificate = bytearray(publisher.certificate)
    certificate[offset] = value
    verify_with(parse_trust_list(tokenless), bytes(certificate))


# -- with a certificate from TVS -----------------------------------------------------------------------


def test_a_signer_that_tvs_vouched_for(
    regenerated: bytes, new_publisher: KeyFileSigner, publisher: KeyFileSigner
) -> None:
    """A phone verifies with the certificate that TVS answered; another one's serial number gives it away."""
    parsed = replace(parse_trust_list(regenerated), records=())
    assert verify_with(parse_trust_list(regenerated), new_publisher.certificate).ok
    assert verify_with(parsed, new_publisher.certificate).reason is Reason.BAD_SIGNATURE
    assert verify_with(parsed, publisher.certificate).reason is Reason.WRONG_CERTIFICATE
    assert verify_with(parsed, b"").reason is Reason.BAD_KEY


# -- key files -----------------------------------------------------------------------------------------


def write_key(
    path: Path,
    *,
    form: serialization.Encoding = serialization.Encoding.PEM,
    passphrase: bytes | None = None,
    bits: int = 0,
) -> Path:
    """A key file; 0 bits is an EC key."""
    if bits:
        subprocess.run(["openssl", "genrsa", "-out", path, str(bits)], check=True, capture_output=True)
    else:
        protection = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        path.write_bytes(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(form, serialization.PrivateFormat.PKCS8, protection)
        )
    path.chmod(0o600)
    return path


@pytest.mark.usefixtures("openssl")
def test_key_files_that_cannot_sign(publisher: KeyFileSigner, tmp_path: Path) -> None:
    """Each unfit key file is refused with the reason and, where there is one, the remedy."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"nothing")
    garbage.chmod(0o600)
    cases = {
        tmp_path / "none.pem": "cannot be read",
        garbage: "not a private key",
        write_key(tmp_path / "ec.der", form=serialization.Encoding.DER): "RSA keys",
        write_key(tmp_path / "locked.pem", passphrase=b"secret"): "passphrase",
        write_key(tmp_path / "odd.pem", bits=3072): "3072 bits cannot sign",
        write_key(tmp_path / "other.pem", bits=1024): "does not belong",
    }
    for path, words in cases.items():
        with pytest.raises(SigningError, match=words):
            KeyFileSigner(publisher.certificate, path)


@pytest.mark.usefixtures("openssl")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_key_files_that_others_can_read(publisher: KeyFileSigner, tmp_path: Path, mode: int) -> None:
    """A key that group or others can touch is refused, with the command that mends it."""
    path = write_key(tmp_path / "key.pem", bits=1024)
    path.chmod(mode)
    with pytest.raises(SigningError, match=f"chmod 600 {path}"):
        KeyFileSigner(publisher.certificate, path)


@pytest.mark.usefixtures("openssl")
def test_a_key_too_small_for_its_digest(publisher: KeyFileSigner, tmp_path: Path) -> None:
    """512 bits sign with SHA-1 but not with SHA-512."""
    certificate = tmp_path / "small.der"
    key = write_key(tmp_path / "small.pem", bits=512)
    subprocess.run(
        ["openssl", "req", "-x509", "-new", "-key", key, "-subj", "/CN=small", "-outform", "DER", "-out", certificate],
        check=True,
        capture_output=True,
    )
    signer = KeyFileSigner(certificate.read_bytes(), str(key))
    entry = ListEntry(role=TrustRole.SAST, certificate=signer.certificate)
    assert parse_trust_list(build_trust_list([entry], signer, timestamp=0)).header.signature_modulus == 0
    with pytest.raises(SigningError, match="too small for SHA512"):
        signer.sign(b"", Digest.SHA512)
    assert Certificate.from_der(signer.certificate).common_name == "small"
