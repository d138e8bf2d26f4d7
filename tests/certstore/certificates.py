"""Certificates for the tests of the store, made cheaply with one key."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certstore import name_from_text

REST = ";OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
PUBLISHER = "CN=cucm-1051-a-pub" + REST
CAPF = "CN=CAPF-e41e7d87" + REST
SUBSCRIBER = "CN=cucm-1051-a-sub1" + REST
TOKEN_SUBJECT = 'cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems'  # noqa: S105 - a name
TOKEN_ISSUER = "cn=Cisco Manufacturing CA;o=Cisco Systems"  # noqa: S105 - a name
"""Names of the published guide; those of the token with the odd quoting of real files."""

NOT_BEFORE = datetime(2015, 3, 6, tzinfo=UTC)
NOT_AFTER = datetime(2040, 3, 4, 12, 30, tzinfo=UTC)
_SERIAL = 0x1122334455667788990011223344556677889900


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def certificate(subject: str = PUBLISHER, serial: int = 1, *, issuer: str = "") -> bytes:
    """The DER of a certificate with these names; its issuer is its subject where none is given."""
    return sign(name_from_text(subject), serial, name_from_text(issuer or subject))


def sign(subject: x509.Name, serial: int, issuer: x509.Name) -> bytes:
    """The DER of a certificate with these names as they are."""
    builder = x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=_key().public_key(),
        serial_number=serial,
        not_valid_before=NOT_BEFORE,
        not_valid_after=NOT_AFTER,
    )
    return builder.sign(_key(), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def with_serial_bytes(serial: bytes) -> bytes:
    """A certificate whose serial number has exactly these 20 bytes, also where no authority may write such."""
    return certificate(serial=_SERIAL).replace(_SERIAL.to_bytes(20), serial)


def twin(der: bytes) -> bytes:
    """A certificate with the same names and serial number and other bytes: another signature."""
    return der[:-1] + bytes([der[-1] ^ 1])


def pem(der: bytes) -> bytes:
    """The certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
