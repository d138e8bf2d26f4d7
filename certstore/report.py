"""A certificate's fields, in the layout of the original's certificate page."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certstore.certificate import Certificate, CertificateError, extensions, public_key
from certstore.names import name_text, parse_name
from certstore.serials import serial_text
from proto.text import printable

KEY_DIGITS = 84
"""Hex digits of a key in one line."""
_ALGORITHMS = {
    "1.2.840.113549.1.1.4": "MD5withRSA",
    "1.2.840.113549.1.1.5": "SHA1withRSA",
    "1.2.840.113549.1.1.11": "SHA256withRSA",
    "1.2.840.113549.1.1.12": "SHA384withRSA",
    "1.2.840.113549.1.1.13": "SHA512withRSA",
    "1.2.840.10045.4.3.2": "SHA256withECDSA",
    "1.2.840.10045.4.3.3": "SHA384withECDSA",
    "1.2.840.10045.4.3.4": "SHA512withECDSA",
}
"""The page's (Java's) names of signature algorithms by OID (RFC 3279, RFC 4055, RFC 5758)."""
_NAME_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.UniformResourceIdentifier: "URI",
    x509.RFC822Name: "email",
    x509.DirectoryName: "DN",
    x509.RegisteredID: "OID",
}
"""Kinds of subject alternative names, as openssl prints them."""
_NAME_ORDER = ("L", "ST", "CN", "OU", "O", "C")
"""The order in which the page prints the parts of a name."""


def certificate_fields(der: bytes) -> dict[str, object]:
    """The page's fields by name, numbers and texts, for JSON too. `Certificate.from_der` must accept `der`."""
    certificate = Certificate.from_der(der)
    loaded = x509.load_der_x509_certificate(der)
    oid = loaded.signature_algorithm_oid.dotted_string
    kind, value = _key(loaded)
    return {
        "version": f"V{loaded.version.value + 1}",
        "serial_number": serial_text(certificate.serial_number),
        "signature_algorithm": f"{_ALGORITHMS.get(oid, 'Unknown')} ({oid})",
        "issuer_name": _page_name(certificate.issuer_name),
        "valid_from": certificate.not_before.isoformat(),
        "valid_to": certificate.not_after.isoformat(),
        "subject_name": _page_name(certificate.subject_name),
        "key": kind,
        "key_value": value,
        "extensions": _extension_count(loaded),
    }


def certificate_text(der: bytes) -> str:
    """The page as text, one line for each field, control characters escaped."""
    fields = {name: printable(str(field)) for name, field in certificate_fields(der).items()}
    value = fields["key_value"]
    lines = [value[start : start + KEY_DIGITS] for start in range(0, len(value), KEY_DIGITS)]
    return "\n".join(
        [
            "[",
            f"Version: {fields['version']}",
            f"Serial Number: {fields['serial_number']}",
            f"SignatureAlgorithm: {fields['signature_algorithm']}",
            f"Issuer Name: {fields['issuer_name']}",
            f"Validity From: {_local_time(fields['valid_from'])}",
            f"To: {_local_time(fields['valid_to'])}",
            f"Subject Name: {fields['subject_name']}",
            f"Key: {fields['key']}",
            "Key value:",
            *lines,
            f"Extensions: {fields['extensions']} present",
            "]",
        ]
    )


def alternative_names(der: bytes) -> list[str]:
    """The subject alternative names as texts such as ``DNS:cucm`` and ``IP:10.0.0.1``; empty if they are unreadable."""
    try:
        found = extensions(x509.load_der_x509_certificate(der))
        names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return []
    return [f"{_NAME_KINDS.get(type(name), type(name).__name__)}:{_name_value(name)}" for name in names]


def _name_value(name: x509.GeneralName) -> str:
    value = name.value
    if isinstance(value, x509.Name):
        return name_text(value)
    if isinstance(value, x509.ObjectIdentifier):
        return value.dotted_string
    return value.hex() if isinstance(value, bytes) else str(value)


def _page_name(text: str) -> str:
    parts = parse_name(text)
    rank = {kind: place for place, kind in enumerate(_NAME_ORDER)}
    ordered = sorted(parts, key=lambda part: rank.get(part[0], len(rank)))
    return ", ".join(f"{kind}={value}" for kind, value in ordered)


def _local_time(text: str) -> str:
    """Local time as the page prints it; UTC if the local calendar does not have that day: 9999-12-31 is common."""
    when = datetime.fromisoformat(text)
    with suppress(OverflowError):
        when = when.astimezone()
    return when.strftime("%a %b %d %H:%M:%S %Z %Y")


def _extension_count(certificate: x509.Certificate) -> int | str:
    try:
        return len(extensions(certificate))
    except CertificateError:  # an extension that stands twice or cannot be read
        return "unreadable extensions"


def _key(certificate: x509.Certificate) -> tuple[str, str]:
    try:
        key = public_key(certificate)
    except CertificateError:  # the page of a certificate with an unreadable key shows the rest
        return f"unknown ({certificate.public_key_algorithm_oid.dotted_string})", ""
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA (1.2.840.113549.1.1.1)", key.public_bytes(Encoding.DER, PublicFormat.PKCS1).hex()
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()
        return f"EC {key.curve.name} (1.2.840.10045.2.1)", point
    return type(key).__name__, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
