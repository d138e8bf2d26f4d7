"""Public keys of a record: the certificate's, and that in the element PUBLICKEY."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from certstore.certificate import public_key


def load_certificate(certificate_der: bytes) -> x509.Certificate | None:
    """The certificate, or None if the bytes are not one. Never raises."""
    try:
        return x509.load_der_x509_certificate(certificate_der)
    except Exception:  # noqa: BLE001 - the parser raises many kinds for hostile bytes
        return None


def certificate_key(certificate_der: bytes) -> rsa.RSAPublicKey | None:
    """The certificate's RSA key, or None if it does not have a readable one. Never raises."""
    certificate = load_certificate(certificate_der)
    if certificate is None:
        return None
    try:
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 - hostile keys, as above
        return None
    return key if isinstance(key, rsa.RSAPublicKey) else None


def has_ec_key(certificate_der: bytes | None) -> bool:
    """Whether the certificate has an EC key; False for bytes that are not one, and for None. Never raises."""
    certificate = None if certificate_der is None else load_certificate(certificate_der)
    if certificate is None:
        return False
    try:
        return isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    except Exception:  # noqa: BLE001 - hostile keys, as above
        return False


def element_key(element: bytes) -> rsa.RSAPublicKey | None:
    """The RSA key in a PUBLICKEY element (PKCS#1 DER), or None if it is not one. Never raises."""
    try:
        key = load_der_public_key(element)
    except Exception:  # noqa: BLE001 - hostile keys, as above
        return None
    return key if isinstance(key, rsa.RSAPublicKey) else None


def key_element(certificate: x509.Certificate) -> bytes:
    """The value of PUBLICKEY: PKCS#1 DER of an RSA key, the uncompressed point of an EC key.

    Raises `ValueError` for other keys, which trust lists cannot carry, and for keys that cannot be read.
    """
    key = public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    raise ValueError("a trust list carries RSA and EC keys only")
