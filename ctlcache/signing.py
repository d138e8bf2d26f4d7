"""Signatures of trust lists made with a private key. RSA PKCS#1 v1.5 is the only one that the format has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ctlcache.digests import Digest
from ctlcache.errors import SigningError
from ctlcache.keyfile import KeyFileError, read_private_key
from ctlcache.keys import certificate_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

MODULUS_BITS: Final = (512, 1024, 2048, 4096)
"""Key sizes of the format, in bits: SIGNATUREMODULUS is an index into them."""
RSA_PKCS1: Final = 0
"""SIGNATUREALGORTITHM of RSA PKCS#1 v1.5."""


HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    Digest.SHA1: hashes.SHA1(),  # noqa: S303 - the digest of the format; old phones know no other
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA512: hashes.SHA512(),
}


DIGEST_INFO_OVERHEAD: Final = {Digest.SHA1: 15, Digest.SHA256: 19, Digest.SHA512: 19}
"""Bytes of the DigestInfo before the digest in a PKCS#1 v1.5 signature: RFC 8017, section 9.2, note 1."""
PADDING_OVERHEAD: Final = 11
"""Least bytes of a signature's padding: RFC 8017, section 9.2, step 3."""


def check_room(key_bits: int, digest: Digest) -> None:
    """Raises `SigningError` if a key is too small for a digest; a token's PIN is not used for that."""
    if DIGEST_INFO_OVERHEAD[digest] + HASHES[digest].digest_size + PADDING_OVERHEAD > key_bits // 8:
        raise SigningError(f"a key of {key_bits} bits is too small for {digest.name}: take another digest or key")


class Signer(Protocol):
    """The private key of a certificate, in a file or on a hardware token."""

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
        place: the key's origin, for error sentences.

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
        """The signature over `data`. Raises `SigningError` if the key is too small for the digest."""
        try:
            return self._key.sign(data, padding.PKCS1v15(), HASHES[digest])
        except ValueError as error:
            raise SigningError(
                f"a key of {self.key_bits} bits is too small for {digest.name}: take another digest or key"
            ) from error


class KeyFileSigner(KeySigner):
    """Signs with a private key from a file, see `ctlcache.keyfile.read_private_key`.

    Raises `SigningError` if the file is not fit, or the key cannot sign for this certificate.
    """

    def __init__(self, certificate_der: bytes, key_path: Path | str) -> None:
        path = Path(key_path)
        try:
            key = read_private_key(path)
        except KeyFileError as error:
            raise SigningError(str(error)) from error
        super().__init__(certificate_der, key, str(path))
