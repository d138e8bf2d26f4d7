"""Certificates that real authorities do not issue: the table in docs/trust.md."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from certstore.certificate import Certificate, CertificateError, read_certificate_file
from certstore.index import CacheEntry, CertificateIndex
from certstore.purposes import Purpose
from certstore.report import alternative_names, certificate_fields
from certstore.sqlite.store import SqliteStore
from ctlcache.builder import build_trust_list
from ctlcache.entries import ListEntry
from ctlcache.listindex import index_of
from ctlcache.trustlist import parse_trust_list
from proto.codec import HEADER_SIZE, MAX_REQUEST_PAYLOAD, encode
from proto.errors import LocalProtocolError
from proto.messages import QueryCertRequest
from proto.roles import TrustRole
from tests.fixtures.certificates import NOT_AFTER, NOT_BEFORE, certificate, sign, with_serial_bytes
from tvs.server.phonecertificate import subject_and_issuer_class

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.programs import RequireProgram


@dataclass(frozen=True)
class Behaviour:
    """The columns of the table.

    Attributes:
        imported: whether a trust store takes it.
        listed: whether a trust list can have a record of it.
        asked: whether a phone can ask for it by name and serial number.
    """

    imported: bool = True
    listed: bool = True
    asked: bool = True


ALL = Behaviour()
NOT_LISTED = Behaviour(listed=False)
REFUSED = Behaviour(imported=False, listed=False, asked=False)


def named(*attributes: x509.NameAttribute[str]) -> bytes:
    """A certificate with these parts of its name."""
    name = x509.Name(attributes)
    return sign(name, 7, name)


def text(value: str, kind: _ASN1Type = _ASN1Type.UTF8String) -> x509.NameAttribute[str]:
    """A common name in a kind of string."""
    return x509.NameAttribute(NameOID.COMMON_NAME, value, _type=kind, _validate=False)


def with_key(
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, not_after: datetime = NOT_AFTER
) -> bytes:
    """A self-signed certificate of a key."""
    name = x509.Name([text("key")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOT_BEFORE, not_after)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.DER)


def serial_of(length: int) -> bytes:
    """A certificate whose serial number is made longer by hand, to this many bytes."""
    der = certificate(serial=int.from_bytes(b"\x11" * 20))
    grown = der.replace(b"\x02\x14" + b"\x11" * 20, bytes([2, length]) + b"\x11" * length, 1)
    outer = (int.from_bytes(grown[2:4]) + length - 20).to_bytes(2)
    inner = (int.from_bytes(grown[6:8]) + length - 20).to_bytes(2)
    return grown[:2] + outer + grown[4:6] + inner + grown[8:]


def of_version(number: int) -> bytes:
    """A certificate of another X.509 version."""
    return certificate().replace(b"\xa0\x03\x02\x01\x02", bytes([0xA0, 3, 2, 1, number - 1]), 1)


def zero_serial() -> bytes:
    """A certificate with serial number 0, written over a 1."""
    return certificate(serial=1).replace(b"\x02\x01\x01\x30", b"\x02\x01\x00\x30", 1)


TABLE: dict[str, tuple[Callable[[], bytes], Behaviour]] = {
    "serial number 0": (zero_serial, ALL),
    "serial number negative": (lambda: with_serial_bytes(b"\x83" + bytes(18) + b"\x31"), ALL),
    "serial number of 20 bytes": (lambda: serial_of(20), ALL),
    "serial number of 21 bytes": (lambda: serial_of(21), Behaviour(asked=False)),
    "serial number of 120 bytes": (lambda: serial_of(120), Behaviour(asked=False)),
    "name with a NUL": (lambda: named(text("a\0b")), Behaviour(listed=False, asked=False)),
    "name in BMPString": (lambda: named(text("Kraków", _ASN1Type.BMPString)), ALL),
    "name in UTF-8": (lambda: named(text("電話")), ALL),
    "name of 20,000 characters": (lambda: named(text("x" * 20_000)), Behaviour(listed=False, asked=False)),
    "name with a part twice": (lambda: named(text("a"), text("a")), ALL),
    "issuer empty": (named, REFUSED),
    "EC P-256": (lambda: with_key(ec.generate_private_key(ec.SECP256R1())), ALL),
    "RSA 1024": (lambda: with_key(rsa.generate_private_key(65537, 1024)), ALL),  # noqa: S505 - that is the case
    "Ed25519": (lambda: with_key(ed25519.Ed25519PrivateKey.generate()), NOT_LISTED),
    "expired": (lambda: with_key(ec.generate_private_key(ec.SECP256R1()), NOT_BEFORE + timedelta(days=1)), ALL),
    "X.509 version 5": (lambda: of_version(5), REFUSED),
}
"""Certificates made by cryptography, some of them patched."""
OPENSSL = {
    "RSA 512, SHA-1": ("rsa:512", ["-sha1"], ALL),
    "RSA 8192": ("rsa:8192", [], ALL),
    "RSA, MD5": ("rsa:2048", ["-md5"], ALL),
    "EC on an unknown curve": ("ec", ["-pkeyopt", "ec_paramgen_curve:sect233k1"], NOT_LISTED),
    "Ed448": ("ed448", [], NOT_LISTED),
}
"""Certificates made by openssl: kind of key, options."""


@pytest.fixture
def behaves(tmp_path: Path, make_signer: Callable[..., KeyFileSigner]) -> Callable[[bytes, Behaviour], None]:
    """A function that asserts a certificate's behaviour in a store, in a list, in a query, and as a phone's own."""
    signer = make_signer("CN=signer", "01", 2048)

    def check(der: bytes, expected: Behaviour) -> None:
        assert _imported(tmp_path, der) == expected.imported
        assert _listed(signer, der) == expected.listed
        assert _asked(der) == expected.asked
        _recorded(der)

    return check


def _imported(directory: Path, der: bytes) -> bool:
    store = SqliteStore(directory / "tvs.db", create=True)
    try:
        store.import_certificate(der, Purpose.Phone_trust)
    except CertificateError:
        return False
    else:
        assert [trusted.certificate.der for trusted in store.trusted()] == [der]
        assert certificate_fields(der)["serial_number"]
        assert alternative_names(der) == []
        return True
    finally:
        store.close()


def _listed(signer: KeyFileSigner, der: bytes) -> bool:
    entries = [
        ListEntry(role=TrustRole.SAST, certificate=signer.certificate, dns_name="a"),
        ListEntry(role=TrustRole.CCM, certificate=der, dns_name="b"),
    ]
    try:
        data = build_trust_list(entries, signer, timestamp=1)
    except LocalProtocolError as error:
        if not str(error).startswith("the certificate of b as CCM: "):
            pytest.fail(f"the sentence does not name the certificate: {error}")
        return False
    found = index_of(parse_trust_list(data), 60)
    assert {entry.certificate for entry in found.index} == {signer.certificate, der}
    return True


def _asked(der: bytes) -> bool:
    try:
        read = Certificate.from_der(der)
        request = QueryCertRequest(
            session_id=1,
            device_name="SEP",
            subject_name=read.subject_name,
            issuer_name=read.issuer_name,
            serial_number=read.serial_number,
        )
        payload = len(encode(request)) - HEADER_SIZE
    except (CertificateError, LocalProtocolError):
        return False
    if payload > MAX_REQUEST_PAYLOAD:  # the service refuses it
        return False
    entry = CacheEntry(
        serial_number=read.serial_number, issuer_name=read.issuer_name, certificate=der, roles=[7], time_to_live=60
    )
    return CertificateIndex([entry]).find(request.serial_number, request.issuer_name) is entry


def _recorded(der: bytes) -> None:
    """A phone's own certificate is put into a class, unless cryptography cannot load it."""
    try:
        loaded = x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        return
    assert subject_and_issuer_class(loaded)[1] == "self_signed"


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.filterwarnings("ignore:Attribute's length")
@pytest.mark.parametrize("kind", TABLE)
def test_behaviour(kind: str, behaves: Callable[[bytes, Behaviour], None]) -> None:
    """Import, record of a list, query and phone's certificate behave as the table says, without another error."""
    make, expected = TABLE[kind]
    behaves(make(), expected)


@pytest.mark.parametrize("kind", OPENSSL)
def test_behaviour_of_openssl_certificates(
    kind: str, behaves: Callable[[bytes, Behaviour], None], tmp_path: Path, require_program: RequireProgram
) -> None:
    """Keys and signatures that cryptography does not make behave as the table says."""
    key, options, expected = OPENSSL[kind]
    path = tmp_path / "certificate.pem"
    command = [require_program("openssl"), "req", "-x509", "-nodes", "-newkey", key, "-subj", "/CN=odd"]
    done = subprocess.run(
        [*command, *options, "-keyout", str(tmp_path / "key"), "-out", str(path)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"openssl here cannot make it: {done.stderr[-200:]!r}")
    (der,) = read_certificate_file(path)
    behaves(der, expected)


def test_the_table_in_the_documentation() -> None:
    """The table in docs/trust.md has a row for each certificate, with the same three columns."""
    rows = {kind: behaviour for kind, (_, behaviour) in TABLE.items()}
    rows |= {kind: behaviour for kind, (_, _, behaviour) in OPENSSL.items()}
    page = (Path(__file__).parents[2] / "docs" / "trust.md").read_text()
    for kind, each in rows.items():
        words = " | ".join("yes" if one else "no" for one in (each.imported, each.listed, each.asked))
        assert f"| {kind} | {words} |" in page


def test_a_record_without_an_issuer_is_left_out(make_signer: Callable[..., KeyFileSigner]) -> None:
    """A record whose issuer is empty, in a list from elsewhere, is reported and not in the index."""
    signer = make_signer("CN=signer", "01", 2048)
    entries = [
        ListEntry(role=TrustRole.SAST, certificate=signer.certificate, dns_name="a"),
        ListEntry(role=TrustRole.CCM, certificate=certificate("CN=X"), issuer_name="CN=X", dns_name="b"),
    ]
    made = build_trust_list(entries, signer, timestamp=1)
    found = index_of(parse_trust_list(made.replace(b"\x05\x00\x05CN=X\0", b"\x05\x00\x05NAME\0")), 60)
    assert found.left_out == ("01NAME",)
    assert [entry.certificate for entry in found.index] == [signer.certificate]
