"""Signatures of trust lists: made with a private key, verified as a phone does.

RSA PKCS#1 v1.5 is the only signature that the format knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from certstore.certificate import Certificate, CertificateError
from certstore.serials import normal_serial
from ctlcache.keyfile import KeyFileError, read_private_key
from ctlcache.keys import certificate_key, element_key
from ctlcache.trustlist import TrustList, parse_trust_list, signed_bytes
from proto.errors import RemoteProtocolError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from ctlcache.trustlist import Record

MODULUS_BITS: Final = (512, 1024, 2048, 4096)
"""Key sizes that the header can name: SIGNATUREMODULUS is an index into them."""
RSA_PKCS1: Final = 0
"""SIGNATUREALGORTITHM of RSA PKCS#1 v1.5."""


class Digest(IntEnum):
    """DIGESTALGORTITHM: SHA-1 for every phone, SHA-512 for those that know it."""

    SHA1 = 1
    SHA256 = 2
    SHA512 = 3


_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    Digest.SHA1: hashes.SHA1(),  # noqa: S303 - the digest of the format; old phones know no other
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA512: hashes.SHA512(),
}


# -- signing ---------------------------------------------------------------------------------------


class SigningError(Exception):
    """A list cannot be signed; the message says why and what to do."""


class Signer(Protocol):
    """Whoever holds the private key that belongs to a certificate: a file, or a hardware token."""

    @property
    def certificate(self) -> bytes:
        """X.509 DER."""

    @property
    def key_bits(self) -> int:
        """Size of the key's modulus in bits, one of `MODULUS_BITS`."""

    def sign(self, data: bytes, digest: Digest) -> bytes:
        """The RSA PKCS#1 v1.5 signature over `data`: `key_bits` / 8 bytes. Raises `SigningError`."""


class KeySigner:
    """Signs with a private key in memory.

    Args:
        certificate_der: X.509 DER of the signer.
        key: its RSA key.
        place: where the key is from, for error sentences.

    Attributes:
        certificate: X.509 DER of the signer.
        key_bits: size of the modulus in bits, one of `MODULUS_BITS`.

    Raises `SigningError` if the key cannot sign for this certificate.
    """

    def __init__(self, certificate_der: bytes, key: PrivateKeyTypes, place: str = "the signer's key") -> None:
        if not isinstance(key, rsa.RSAPrivateKey):
            raise SigningError(f"{place}: trust lists are signed with RSA keys; this key is of another kind")
        self._key = key
        self.certificate = certificate_der
        self.key_bits = key.key_size
        self._check_key(place)

    def _check_key(self, place: str) -> None:
        if self.key_bits not in MODULUS_BITS:
            raise SigningError(
                f"{place}: a key of {self.key_bits} bits cannot sign a trust list; "
                "the format knows 512, 1024, 2048 and 4096 bits: use a certificate with such a key"
            )
        certified = certificate_key(self.certificate)
        if certified is None or certified.public_numbers() != self._key.public_key().public_numbers():
            raise SigningError(f"{place}: the private key does not belong to the signer's certificate")

    def sign(self, data: bytes, digest: Digest) -> bytes:
        """The signature over `data`. Raises `SigningError` where the key is too small for the digest."""
        try:
            return self._key.sign(data, padding.PKCS1v15(), _HASHES[digest])
        except ValueError as error:
            raise SigningError(
                f"a key of {self.key_bits} bits is too small for {digest.name}: take another digest or key"
            ) from error


class KeyFileSigner(KeySigner):
    """Signs with a private key from a file, PEM or DER, without a passphrase.

    Raises `SigningError` if the key cannot sign for this certificate, or if others than its owner can read
    its file.
    """

    def __init__(self, certificate_der: bytes, key_path: Path | str) -> None:
        path = Path(key_path)
        try:
            key = read_private_key(path)
        except KeyFileError as error:
            raise SigningError(str(error)) from error
        super().__init__(certificate_der, key, str(path))


# -- verifying -------------------------------------------------------------------------------------


class Reason(StrEnum):
    """The outcome of a verification: a closed set, fit for a metric's label."""

    GOOD = "good"
    DAMAGED = "damaged"
    """The bytes are no trust list."""
    NO_SIGNATURE = "no_signature"
    NO_SIGNER_RECORD = "no_signer_record"
    """No record has the header's serial number and issuer."""
    NOT_SAST = "not_sast"
    """The header's certificate stands in the list, but not as a security token."""
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
    """The signature does not match what it should be over."""


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
    """What a verification found.

    Attributes:
        reason: `Reason.GOOD`, or why not.
        signer: the record whose key was or would have been used; None where there is none.
        trust_list: what was verified; None where the bytes are no trust list.
        error: where the bytes are no trust list, what is wrong with them and where.
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
        """The reason for people, without a full stop."""
        return _SENTENCES[self.reason] if self.error is None else f"{_SENTENCES[self.reason]}: {self.error}"


def verify(data: TrustList | bytes) -> Verification:
    """Whether a trust list is signed by the SAST record that its header names. Never raises."""
    try:
        trust_list = data if isinstance(data, TrustList) else parse_trust_list(data)
    except RemoteProtocolError as error:
        return Verification(Reason.DAMAGED, error=error)
    return Verification(_check(trust_list), trust_list.signer_record, trust_list)


def verify_with(trust_list: TrustList, certificate_der: bytes) -> Verification:
    """Whether a trust list is signed by this certificate, as a phone asks that got the signer from TVS.

    The list needs no record of its signer. Never raises, whatever is in the list and the certificate.
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
    algorithm = _HASHES.get(header.digest)
    if algorithm is None:
        return Reason.UNSUPPORTED_DIGEST
    try:
        key.verify(header.signature, signed_bytes(trust_list), padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return Reason.BAD_SIGNATURE
    except Exception:  # noqa: BLE001 - a hostile key that loads but cannot be used
        return Reason.BAD_KEY
    return Reason.GOOD
