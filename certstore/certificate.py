"""X.509 certificates as values, and certificates read from files."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from certstore.names import COMMON_NAME, name_text
from certstore.serials import normal_serial, unique_map_id

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MAX_CERTIFICATE_SIZE = 65_000
"""Largest certificate in bytes: with roles and time to live it must fit an answer's payload of 65,535."""
MAX_FILE_SIZE = 1024 * 1024
"""Largest certificate file in bytes: some hundred certificates."""


class CertificateError(ValueError):
    """A certificate, or a file of certificates, cannot be read: a sentence with what, where and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One X.509 certificate with the fields that identify it.

    Attributes:
        der: the whole certificate, X.509 DER, at most `MAX_CERTIFICATE_SIZE` bytes.
        subject_name: CTL text form, see `certstore.names.name_text`.
        issuer_name: CTL text form.
        serial_number: raw bytes, unsigned big endian, without leading zeros.
        not_before: start of validity, UTC.
        not_after: end of validity, UTC.
        common_name: the subject's first CN; empty if it has none.
    """

    der: bytes
    subject_name: str
    issuer_name: str
    serial_number: bytes
    not_before: datetime
    not_after: datetime
    common_name: str

    @classmethod
    def from_der(cls, der: bytes) -> Certificate:
        """The certificate in these bytes, which it must fill.

        Raises:
            CertificateError: the bytes are not one certificate, or too many for an answer.
        """
        from cryptography import x509  # noqa: PLC0415 - commands that list certificates decode none

        if len(der) > MAX_CERTIFICATE_SIZE:
            raise CertificateError(f"the certificate has {len(der)} bytes; {MAX_CERTIFICATE_SIZE} fit an answer")
        try:
            return cls._from_x509(der, x509.load_der_x509_certificate(der))
        except Exception as error:  # the parser raises many kinds for hostile DER; callers get one
            raise CertificateError(
                f"not a readable X.509 certificate in DER ({len(der)} bytes): {error}. "
                "Check it with: openssl x509 -inform DER -text"
            ) from error

    @classmethod
    def _from_x509(cls, der: bytes, loaded: x509.Certificate) -> Certificate:
        common_names = [part for part in loaded.subject if part.oid.dotted_string == COMMON_NAME]
        return cls(
            der=der,
            subject_name=name_text(loaded.subject),
            issuer_name=name_text(loaded.issuer),
            serial_number=_serial_bytes(loaded.serial_number),
            not_before=loaded.not_valid_before_utc,
            not_after=loaded.not_valid_after_utc,
            common_name=str(common_names[0].value) if common_names else "",
        )

    @property
    def unique_map_id(self) -> str:
        """The Unique MAP ID, as traces print it: serial number in upper-case hex, then the issuer."""
        return unique_map_id(self.serial_number, self.issuer_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedCertificate:
    """A certificate with the roles that it is trusted in.

    Attributes:
        certificate: the certificate.
        roles: role codes, ascending; empty if none of its purposes gives one.
        time_to_live: seconds that phones keep an answer; None for the server's default.
    """

    certificate: Certificate
    roles: tuple[int, ...]
    time_to_live: int | None

    def answer_values(self, default_time_to_live: int) -> dict[str, Any]:
        """What answers about it are made of: the arguments of `certstore.index.CacheEntry`.

        Args:
            default_time_to_live: seconds, for a certificate without a time to live of its own.
        """
        own = self.time_to_live
        return {
            "serial_number": self.certificate.serial_number,
            "issuer_name": self.certificate.issuer_name,
            "certificate": self.certificate.der,
            "roles": self.roles,
            "time_to_live": default_time_to_live if own is None else own,
        }


# cryptography reads keys and extensions when they are asked for, and has errors for them that are not ValueErrors:
# UnsupportedAlgorithm, DuplicateExtension, UnsupportedGeneralNameType.


def public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """The public key of a certificate. Raises `CertificateError` for a key that is damaged or of an unknown kind."""
    try:
        return certificate.public_key()
    except Exception as error:
        raise CertificateError(f"the certificate's public key cannot be read: {error}") from error


def extensions(certificate: x509.Certificate) -> x509.Extensions:
    """The extensions of a certificate. Raises `CertificateError` if one stands twice or cannot be read."""
    try:
        return certificate.extensions
    except Exception as error:
        raise CertificateError(f"the certificate's extensions cannot be read: {error}") from error


def check_issuer(issuer_name: str) -> None:
    """Raises `CertificateError` for a certificate that phones cannot ask for: the protocol's issuer is not empty.

    Args:
        issuer_name: CTL text form.
    """
    if "=" not in issuer_name:
        raise CertificateError(
            "the certificate's issuer is empty, so that phones cannot ask for it: the issuer of a question holds at "
            "least one type=value; have it issued under a name"
        )


def _serial_bytes(serial_number: int) -> bytes:
    """The serial number's bytes as the certificate has them, without leading zeros; also of a negative one."""
    if serial_number >= 0:
        return normal_serial(serial_number.to_bytes((serial_number.bit_length() + 7) // 8))
    return serial_number.to_bytes((~serial_number).bit_length() // 8 + 1, signed=True)


# -- files -------------------------------------------------------------------------------------------------

_PEM_BLOCK = rb"-----BEGIN ([A-Z0-9 ]{1,64})-----([^-]*)-----END \1-----"
_PEM_CERTIFICATES = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})


def read_certificate_file(path: Path) -> list[bytes]:
    """The DER of each certificate in a file: PEM with one or more, in their order, or DER with one.

    The certificates are not decoded: see `Certificate.from_der`.

    Raises:
        CertificateError: the file cannot be read, is larger than `MAX_FILE_SIZE`, holds a private key, or holds no
            certificate.
    """
    return certificates_in(_read(path), path)


def certificates_in(data: bytes, path: Path) -> list[bytes]:
    """The DER of each certificate in these bytes of a file, see `read_certificate_file`. Raises `CertificateError`."""
    if b"-----BEGIN " in data:
        return _pem_certificates(data, path)
    if data[:1] != b"\x30":
        raise CertificateError(f"{path}: neither PEM (-----BEGIN CERTIFICATE-----) nor DER; is it a certificate?")
    return [data]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise CertificateError(f"{path}: cannot be read: {reason}") from error
    if len(data) > MAX_FILE_SIZE:
        raise CertificateError(f"{path}: larger than {MAX_FILE_SIZE} bytes, so not a file of certificates")
    return data


def _pem_certificates(data: bytes, path: Path) -> list[bytes]:
    if b"PRIVATE KEY-----" in data:
        raise CertificateError(
            f"{path}: holds a private key, which stays where it is: give a file with the certificate alone"
        )
    bodies = [body for label, body in re.findall(_PEM_BLOCK, data) if label in _PEM_CERTIFICATES]
    if not bodies:
        raise CertificateError(f"{path}: PEM without a whole certificate (-----BEGIN CERTIFICATE----- … END)")
    if len(bodies) != sum(data.count(b"-----BEGIN %b-----" % label) for label in _PEM_CERTIFICATES):
        raise CertificateError(f"{path}: a certificate in it is cut off: -----END CERTIFICATE----- is missing")
    return [_base64(body, number, path) for number, body in enumerate(bodies, 1)]


def _base64(body: bytes, number: int, path: Path) -> bytes:
    try:
        return a2b_base64(b"".join(body.split()), strict_mode=True)
    except Base64Error as error:
        raise CertificateError(f"{path}: certificate {number} in it is damaged: {error}") from error
