"""The cluster of the published guide: its names, serial numbers, key sizes and certificate sizes, with new keys.

A plug-in: its fixtures are there for all tests.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from certstore.names import name_from_text
from ctlcache.builder import (
    ClusterNode,
    ListEntry,
    build_trust_list,
    token_ctl_entries,
    token_entry,
    tokenless_ctl_entries,
)
from ctlcache.signing import Digest, KeyFileSigner
from ctlcache.trustlist import (
    Header,
    HeaderTag,
    Record,
    TrustList,
    parse_trust_list,
    serialise,
    signed_bytes,
)
from proto.tlv import Element

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


REST = ";OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
PUBLISHER = "CN=cucm-1051-a-pub" + REST
CAPF = "CN=CAPF-e41e7d87" + REST
SUBSCRIBER = "CN=cucm-1051-a-sub1" + REST
TOKEN_ISSUER = "cn=Cisco Manufacturing CA;o=Cisco Systems"  # noqa: S105 - a name
TIMESTAMP = 1_425_667_513
_SHA256_RSA = bytes.fromhex("2a864886f70d01010b")
_SHA1_RSA = bytes.fromhex("2a864886f70d010105")
_FILLER = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")


def _builder(subject: str, issuer: str, serial: int, filler: int) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(
        subject_name=name_from_text(subject),
        issuer_name=name_from_text(issuer),
        serial_number=serial,
        not_valid_before=datetime(2014, 6, 5, tzinfo=UTC),
        not_valid_after=datetime(2040, 6, 4, tzinfo=UTC),
    )
    return builder.add_extension(x509.UnrecognizedExtension(_FILLER, bytes(filler)), critical=False)


def _sha1_signed(der: bytes, key: rsa.RSAPrivateKey) -> bytes:
    """The certificate signed with SHA-1, as those of old clusters are; libraries do not make such any more."""
    size = key.key_size // 8
    unsigned = der[:-size].replace(_SHA256_RSA, _SHA1_RSA)
    tbs = x509.load_der_x509_certificate(unsigned + bytes(size)).tbs_certificate_bytes
    return unsigned + key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - as above


def _certificate(
    subject: str, serial: int, key: rsa.RSAPrivateKey, *, size: int = 0, sha1: bool = False, issuer: str = ""
) -> bytes:
    """A certificate of `size` bytes, filled up with an extension that means nothing; 0 is any size."""
    filler = 1
    while True:
        builder = _builder(subject, issuer or subject, serial, filler).public_key(key.public_key())
        der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        if size in (0, len(der)):
            return _sha1_signed(der, key) if sha1 else der
        if len(der) > size:
            raise AssertionError(f"the certificate of {subject} has {len(der)} bytes, not {size}")
        filler += max(1, size - len(der) - 10)  # length fields grow on the way


@pytest.fixture(scope="session")
def make_signer(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., KeyFileSigner]:
    """Makes a key, a certificate for it, and a signer: (subject, serial in hex, bits, **certificate)."""
    directory = tmp_path_factory.mktemp("keys")

    def make(subject: str, serial: str, bits: int, **certificate: object) -> KeyFileSigner:
        key = rsa.generate_private_key(65537, bits)
        der = _certificate(subject, int(serial, 16), key, **certificate)  # type: ignore[arg-type] # forwarded
        path = directory / f"{serial}-{len(list(directory.iterdir()))}.pem"
        path.touch(mode=0o600)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return KeyFileSigner(der, path)

    return make


@pytest.fixture(scope="session")
def publisher(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """The publisher's CallManager before the regeneration: 1024 bits, SHA-1, 694 bytes."""
    return make_signer(PUBLISHER, "70CAF64E090751B9DF22F49F754FC5BB", 1024, size=694, sha1=True)


@pytest.fixture(scope="session")
def new_publisher(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """The publisher's CallManager after the regeneration: 2048 bits, SHA-256, 955 bytes."""
    return make_signer(PUBLISHER, "6B1D357B6841740B078FEE4A1813D5D6", 2048, size=955)


@pytest.fixture(scope="session")
def capf(make_signer: Callable[..., KeyFileSigner]) -> bytes:
    """The CAPF certificate, 680 bytes."""
    return make_signer(CAPF, "744B4999770496E799E91E81D3C8109B", 1024, size=680, sha1=True).certificate


@pytest.fixture(scope="session")
def subscriber(make_signer: Callable[..., KeyFileSigner]) -> bytes:
    """The subscriber's CallManager, 696 bytes."""
    return make_signer(SUBSCRIBER, "6BEBFDCDCD8CA277CB2FD1D183A60E72", 1024, size=696, sha1=True).certificate


@pytest.fixture(scope="session")
def tokens(make_signer: Callable[..., KeyFileSigner]) -> tuple[KeyFileSigner, KeyFileSigner]:
    """The two hardware tokens, certificates of 902 bytes."""
    first, second = (
        make_signer(f"CN={name};OU=IPCBU;O=Cisco Systems", serial, 1024, size=902, sha1=True, issuer=TOKEN_ISSUER)
        for name, serial in (
            ("SAST-ADN0054f509", "3CF927000000AFA2DA45"),
            ("SAST-ADN008580ef", "83E9080000005545AF31"),
        )
    )
    return first, second


@pytest.fixture(scope="session")
def ec_certificate() -> bytes:
    """A P-256 certificate, as a TVS may have."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("CN=tvs-p256;O=Cisco", "CN=tvs-p256;O=Cisco", 0x77, 1).public_key(key.public_key())
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _nodes(call_manager: bytes, subscriber: bytes, *, by_address: bool = False) -> list[ClusterNode]:
    names = ("10.48.47.153", "10.48.47.154") if by_address else ("cucm-1051-a-pub", "cucm-1051-a-sub1")
    return [
        ClusterNode(name=names[0], address="10.48.47.153", call_manager=call_manager),
        ClusterNode(name=names[1], address="10.48.47.154", call_manager=subscriber),
    ]


@pytest.fixture(scope="session")
def tokenless_entries(publisher: KeyFileSigner, capf: bytes, subscriber: bytes) -> tuple[ListEntry, ...]:
    """What the tokenless file is made from."""
    return tokenless_ctl_entries(_nodes(publisher.certificate, subscriber), capf=capf)


@pytest.fixture(scope="session")
def tokenless(tokenless_entries: tuple[ListEntry, ...], publisher: KeyFileSigner) -> bytes:
    """The tokenless CTL file of the guide, 4947 bytes."""
    return build_trust_list(tokenless_entries, publisher, timestamp=TIMESTAMP)


@pytest.fixture(scope="session")
def regenerated(new_publisher: KeyFileSigner, capf: bytes, subscriber: bytes) -> bytes:
    """The file after the regeneration, 6113 bytes."""
    entries = tokenless_ctl_entries(_nodes(new_publisher.certificate, subscriber), capf=capf)
    return build_trust_list(entries, new_publisher, timestamp=TIMESTAMP + 1, digest=Digest.SHA512)


@pytest.fixture(scope="session")
def with_tokens(
    tokens: tuple[KeyFileSigner, KeyFileSigner], publisher: KeyFileSigner, capf: bytes, subscriber: bytes
) -> bytes:
    """The file that the second token signs, 5728 bytes."""
    first, second = (
        token_entry(
            token.certificate,
            subject_name=f'cn="{name}        ";ou=IPCBU;o="Cisco Systems',
            issuer_name=TOKEN_ISSUER,
        )
        for token, name in zip(tokens, ("SAST-ADN0054f509", "SAST-ADN008580ef"), strict=True)
    )
    nodes = _nodes(publisher.certificate, subscriber, by_address=True)
    return build_trust_list(
        token_ctl_entries((first, second), nodes, capf=capf),
        tokens[1],
        timestamp=TIMESTAMP,
        record_signature=False,
    )


@pytest.fixture(scope="session")
def assemble(publisher: KeyFileSigner) -> Callable[[Sequence[Element], Sequence[Record]], bytes]:
    """Puts a file together from any elements and records, with the right header length and a good signature."""

    def put(header: Sequence[Element], records: Sequence[Record]) -> bytes:
        raw = serialise(TrustList(Header(tuple(header)), ()))
        header = _with_value(header, HeaderTag.HEADER_LENGTH, len(raw).to_bytes(2))
        unsigned = TrustList(Header(tuple(header)), tuple(records))
        digest = Digest(parse_trust_list(serialise(unsigned)).header.digest)
        signature = publisher.sign(signed_bytes(unsigned), digest)
        return serialise(replace(unsigned, header=Header(_with_value(header, HeaderTag.SIGNATURE, signature))))

    return put


def _with_value(elements: Sequence[Element], tag: int, value: bytes) -> tuple[Element, ...]:
    return tuple(Element(element.tag, value) if element.tag == tag else element for element in elements)
