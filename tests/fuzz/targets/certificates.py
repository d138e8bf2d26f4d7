"""Harnesses of X.509: names as text, certificates as DER, and files of certificates."""

from __future__ import annotations

import contextlib
import warnings

from asn1crypto import x509 as other  # type: ignore[import-untyped] # it has no types
from cryptography import x509

from certstore.certificate import Certificate, CertificateError, extensions, public_key, read_certificate_file
from certstore.names import attribute_texts, name_from_text, name_key, name_text, parse_name, same_name
from certstore.report import alternative_names, certificate_text
from certstore.serials import normal_serial, serial_text, unique_map_id
from tests.fuzz.harness import Harness
from tests.fuzz.mutators import mutate_der, mutate_lines
from tests.fuzz.scratch import written

_SAME_KINDS = ("utf8_string", "printable_string", "ia5_string")
"""ASN.1 strings that both libraries decode in one way; T61 and BMP strings are read differently."""


def one_name(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    pairs = parse_name(text)
    assert sum(len(kind) + len(value) for kind, value in pairs) <= len(text)
    assert same_name(text, text)
    key = name_key(text)
    assert name_key(text.replace(",", ", ")) is not None
    swapped = ";".join(f"{kind}={value}" for kind, value in reversed(pairs))
    if pairs and pairs[0][0] and ";" in text and not any(";" in value for _, value in pairs):
        assert name_key(swapped) == key or len(pairs) == 1
    _serials(data)
    try:
        name = name_from_text(text)
    except ValueError as error:
        assert str(error)
        return
    _encoded(name)


def _serials(data: bytes) -> None:
    number = int.from_bytes(data)
    assert int.from_bytes(normal_serial(data)) == number
    assert int(serial_text(data), 16) == number
    assert unique_map_id(data, "CN=a").endswith("CN=a")


def _encoded(name: x509.Name) -> None:
    """Another library reads the same attributes in the DER."""
    read = other.Name.load(name.public_bytes(), strict=True)
    values = [str(part["value"].native) for rdn in read.chosen for part in rdn]
    assert values == [value for _, value in attribute_texts(name)]
    assert name_text(name)


def one_certificate(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(CertificateError):
            _certificate(Certificate.from_der(data))


def _certificate(certificate: Certificate) -> None:
    loaded = x509.load_der_x509_certificate(certificate.der)
    with contextlib.suppress(CertificateError):
        public_key(loaded)
    with contextlib.suppress(CertificateError):
        extensions(loaded)
    assert len(certificate_text(certificate.der)) <= 10_000 + 20 * len(certificate.der)
    alternative_names(certificate.der)
    assert same_name(certificate.subject_name, certificate.subject_name)
    try:
        read = other.Certificate.load(certificate.der, strict=True)
        _ = read.serial_number, read.subject.native, read.issuer.native
    except (ValueError, TypeError, KeyError):  # what asn1crypto raises for DER that it does not read
        return
    _agrees(certificate, read, loaded)


def _agrees(certificate: Certificate, read: other.Certificate, loaded: x509.Certificate) -> None:
    number = read.serial_number
    assert int.from_bytes(certificate.serial_number, signed=number < 0) == number
    for text, name, ours in (
        (certificate.subject_name, read.subject, loaded.subject),
        (certificate.issuer_name, read.issuer, loaded.issuer),
    ):
        parts = [part for rdn in name.chosen for part in rdn]
        if all(getattr(part["value"], "name", "") in _SAME_KINDS for part in parts):
            values = sorted(str(part["value"].native) for part in parts)
            assert sorted(value for _, value in attribute_texts(ours)) == values
            assert all(f"={value}" in text for value in values), (text, values)


def one_file(data: bytes) -> None:
    with written(data) as path:
        try:
            found = read_certificate_file(path)
        except CertificateError as error:
            assert str(path) in str(error)
            return
    assert found
    assert all(len(der) <= len(data) for der in found)
    assert b"PRIVATE KEY-----" not in data or data[:1] == b"\x30"


NAMES = Harness(
    name="names",
    invariant="Any text equals itself and is split without growing; asn1crypto reads the values of a name made of it.",
    one=one_name,
    parsers={"certstore.names": 85, "certstore.serials": 90},
    tokens=(b"CN=", b"OU=", b"O=", b"L=", b"ST=", b"C=", b";", b",", b'"', b"emailAddress=", b"DC="),
)
CERTIFICATE = Harness(
    name="certificate",
    invariant="Any DER gives a certificate whose serial number and names asn1crypto reads too, or CertificateError.",
    one=one_certificate,
    parsers={"certstore.certificate": 50, "certstore.report": 80},
    mutate=mutate_der,
)
CERTFILE = Harness(
    name="certfile",
    invariant="Any file gives at least one piece of DER, none longer than the file, or CertificateError with its path.",
    one=one_file,
    parsers={"certstore.certificate": 45},
    mutate=mutate_lines,
    tokens=(b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----", b"TRUSTED ", b"X509 ", b"PRIVATE KEY-----"),
)
