"""Signatures of trust lists verified as a phone does: with the signer's record, or with a certificate from TVS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from certstore.certificate import Certificate, CertificateError
from certstore.serials import normal_serial
from ctlcache.keys import certificate_key, element_key
from ctlcache.signing import HASHES, RSA_PKCS1
from ctlcache.trustlist import TrustList, parse_trust_list, signed_bytes
from proto.errors import RemoteProtocolError

if TYPE_CHECKING:
    from ctlcache.trustlist import Record


class Reason(StrEnum):
    """Reason of a verification's result: a closed set, fit for a metric's label."""

    GOOD = "good"
    DAMAGED = "damaged"
    """The bytes are not a trust list."""
    NO_SIGNATURE = "no_signature"
    NO_SIGNER_RECORD = "no_signer_record"
    """None of the records has the header's serial number and issuer."""
    NOT_SAST = "not_sast"
    """The header's certificate is in the list, but not as a System Administrator Security Token."""
    NO_KEY = "no_key"
    """The signer's record has neither a certificate nor a public key."""
    BAD_KEY = "bad_key"
    """The signer's certificate or public key cannot be read, or is not RSA."""
    KEY_MISMATCH = "key_mismatch"
    """The signer's record has a certificate and another public key."""
    WRONG_CERTIFICATE = "wrong_certificate"
    """The certificate has another serial number than the header."""
    UNSUPPORTED_ALGORITHM = "unsupported_algorithm"
    UNSUPPORTED_DIGEST = "unsupported_digest"
    BAD_SIGNATURE = "bad_signature"
    """The signature does not match the signed part."""


_SENTENCES: Final = {
    Reason.GOOD: "the signature is good",
    Reason.DAMAGED: "the file is damaged",
    Reason.NO_SIGNATURE: "it has no signature",
    Reason.NO_SIGNER_RECORD: "no record has the serial number and issuer of its signer",
    Reason.NOT_SAST: "its signer stands in it, but not as a System Administrator Security Token",
    Reason.NO_KEY: "the signer's record holds neither a certificate nor a public key",
    Reason.BAD_KEY: "the signer's key cannot be read or is not an RSA key",
    Reason.KEY_MISMATCH: "the signer's record holds a public key that is not its certificate's",
    Reason.WRONG_CERTIFICATE: "the certificate is not that of its signer",
    Reason.UNSUPPORTED_ALGORITHM: "its signature algorithm is not RSA PKCS#1 v1.5",
    Reason.UNSUPPORTED_DIGEST: "its digest is not SHA-1, SHA-256 or SHA-512",
    Reason.BAD_SIGNATURE: "the signature does not match the file and the signer's key",
}


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a verification.

    Attributes:
        reason: `Reason.GOOD`, or the reason of the failure.
        signer: the signer's record; None if the list does not have one.
        trust_list: the parsed list; None for bytes that are not a trust list.
        error: the parser's error for bytes that are not a trust list.
    """

    reason: Reason
    signer: Record | None = None
    trust_list: TrustList | None = None
    error: RemoteProtocolError | None = None

    @property
    def ok(self) -> bool:
        """Whether the list is good."""
        return self.reason is Reason.GOOD

    @property
    def sentence(self) -> str:
        """The reason as a sentence for people, without a full stop."""
        return _SENTENCES[self.reason] if self.error is None else f"{_SENTENCES[self.reason]}: {self.error}"


def verify(data: TrustList | bytes) -> Verification:
    """Whether a trust list is signed by the SAST record that its header names. Never raises.

    An `UnsignedList` is good if that record's key can make its signature.
    """
    try:
        trust_list = data if isinstance(data, TrustList) else parse_trust_list(data)
    except RemoteProtocolError as error:
        return Verification(Reason.DAMAGED, error=error)
    return Verification(_check(trust_list), trust_list.signer_record, trust_list)


def verify_with(trust_list: TrustList, certificate_der: bytes) -> Verification:
    """Verifies a trust list with this certificate, as a phone does that got its signer from TVS.

    The list need not have a record of its signer. Never raises, also for hostile lists and certificates.
    """
    return Verification(_check_with(trust_list, certificate_der), trust_list.signer_record, trust_list)


def _check(trust_list: TrustList) -> Reason:
    record = trust_list.signer_record
    if not trust_list.header.signature:
        return Reason.NO_SIGNATURE
    if record is None:
        return Reason.NOT_SAST if trust_list.named_records else Reason.NO_SIGNER_RECORD
    key = _record_key(record)
    return key if isinstance(key, Reason) else _check_signature(trust_list, key)


def _check_with(trust_list: TrustList, certificate_der: bytes) -> Reason:
    if not trust_list.header.signature:
        return Reason.NO_SIGNATURE
    key = certificate_key(certificate_der)
    if key is None:
        return Reason.BAD_KEY
    try:
        serial = Certificate.from_der(certificate_der).serial_number
    except CertificateError:
        return Reason.BAD_KEY
    if normal_serial(serial) != normal_serial(trust_list.header.serial_number):
        return Reason.WRONG_CERTIFICATE
    return _check_signature(trust_list, key)


def _record_key(record: Record) -> rsa.RSAPublicKey | Reason:
    """The key of a signer's record: its certificate's, else its PUBLICKEY element; both must be the same."""
    if record.certificate is None and record.public_key is None:
        return Reason.NO_KEY
    given = None if record.public_key is None else element_key(record.public_key)
    if record.certificate is None:
        return given or Reason.BAD_KEY
    certified = certificate_key(record.certificate)
    if certified is None:
        return Reason.BAD_KEY
    if record.public_key is None or (given and given.public_numbers() == certified.public_numbers()):
        return certified
    return Reason.KEY_MISMATCH


def _check_signature(trust_list: TrustList, key: rsa.RSAPublicKey) -> Reason:
    header = trust_list.header
    if header.signature_algorithm != RSA_PKCS1:
        return Reason.UNSUPPORTED_ALGORITHM
    algorithm = HASHES.get(header.digest)
    if algorithm is None:
        return Reason.UNSUPPORTED_DIGEST
    if trust_list.unsigned:
        return _check_promise(trust_list, key)
    try:
        key.verify(header.signature, signed_bytes(trust_list), padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return Reason.BAD_SIGNATURE
    except Exception:  # noqa: BLE001 - a hostile key that loads but cannot be used
        return Reason.BAD_KEY
    return Reason.GOOD


def _check_promise(trust_list: TrustList, key: rsa.RSAPublicKey) -> Reason:
    """Whether the signature that is still to come will be this key's."""
    signer = None if trust_list.signer_record is None else _record_key(trust_list.signer_record)
    same = isinstance(signer, rsa.RSAPublicKey) and signer.public_numbers() == key.public_numbers()
    return Reason.GOOD if same else Reason.BAD_SIGNATURE
