"""Lists that are built: their records and order, and entries that are refused."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ctlcache.builder import build_trust_list
from ctlcache.digests import Digest
from ctlcache.entries import ClusterNode, ListEntry, itl_entries, non_secure, tokenless_ctl_entries
from ctlcache.errors import SigningError
from ctlcache.trustlist import PHONE_LIMIT, RecordTag, parse_trust_list
from ctlcache.verification import verify
from proto.errors import LocalProtocolError
from proto.roles import TrustRole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.programs import RequireProgram


def test_elements_stand_in_the_order_of_their_tags(tokenless: bytes, with_tokens: bytes) -> None:
    """Header and records have their elements in order; files of the CTL Client have no element 8."""
    parsed = parse_trust_list(tokenless)
    assert [element.tag for element in parsed.header.elements] == [1, 2, 3, 7, 12, 14, 15, 13, 13, 13]
    assert [element.tag for element in parsed.records[0].elements] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    client = parse_trust_list(with_tokens)
    assert [element.tag for element in client.records[0].elements] == [1, 2, 3, 4, 5, 6, 7, 9, 10]


def test_the_itl(publisher: KeyFileSigner, capf: bytes, subscriber: bytes, ec_certificate: bytes) -> None:
    """SAST, then TFTP (CCM+TFTP in mixed mode), CAPF, and TVS for each node that runs it; EC keys as points."""
    server = ClusterNode(name="pub", address="192.0.2.1", call_manager=publisher.certificate, tvs=ec_certificate)
    nodes = [server, ClusterNode(name="sub", tvs=subscriber), ClusterNode(name="none")]
    for mixed_mode, tftp in ((True, TrustRole.CCM_TFTP), (False, TrustRole.TFTP)):
        entries = itl_entries(server, nodes, sast=[publisher.certificate], capf=capf, mixed_mode=mixed_mode)
        data = build_trust_list(entries, publisher, timestamp=2, file_name="ITLFile.tlv", digest=Digest.SHA512)
        parsed = parse_trust_list(data)
        assert parsed.header.file_name == "ITLFile.tlv"
        roles = [record.function for record in parsed.records]
        assert roles == [TrustRole.SAST, tftp, TrustRole.CAPF, TrustRole.TVS, TrustRole.TVS]
        point = parsed.records[3].public_key or b""
        assert (len(point), point[0]) == (65, 4)
        assert [record.dns_name for record in parsed.records[3:]] == ["pub", "sub"]
        assert [record.ip_address for record in parsed.records[3:]] == ["192.0.2.1", "0.0.0.0"]  # noqa: S104 - no address


def test_an_itl_of_a_node_without_callmanager(publisher: KeyFileSigner) -> None:
    """A server without CallManager and CAPF has no record for them."""
    server = ClusterNode(name="tftp")
    entries = itl_entries(server, [server], sast=[publisher.certificate], capf=None, mixed_mode=False)
    assert [entry.role for entry in entries] == [TrustRole.SAST]


def test_non_secure_mode(tokenless_entries: tuple[ListEntry, ...], publisher: KeyFileSigner) -> None:
    """CCM+TFTP records keep their length, DNS name, function and address; the others stay."""
    data = build_trust_list(non_secure(tokenless_entries), publisher, timestamp=3)
    records = parse_trust_list(data).records
    kept = [RecordTag.RECORD_LENGTH, RecordTag.DNS_NAME, RecordTag.FUNCTION, RecordTag.IP_ADDRESS]
    assert [element.tag for element in records[1].elements] == kept
    assert [element.tag for element in records[3].elements] == kept
    assert records[3].dns_name == "cucm-1051-a-sub1"
    assert records[0].certificate == publisher.certificate
    assert records[2].certificate is not None


def test_nodes_without_callmanager(publisher: KeyFileSigner, capf: bytes) -> None:
    """A subscriber without CallManager has no record; a publisher without it cannot sign."""
    nodes = [ClusterNode(name="pub", call_manager=publisher.certificate), ClusterNode(name="sub")]
    roles = [entry.role for entry in tokenless_ctl_entries(nodes, capf=None)]
    assert roles == [TrustRole.SAST, TrustRole.CCM_TFTP]
    with pytest.raises(ValueError, match="sub: the publisher has no CallManager"):
        tokenless_ctl_entries(nodes[1:], capf=capf)


def test_ipv6_addresses(publisher: KeyFileSigner) -> None:
    """An IPv6 address has 16 bytes."""
    entry = ListEntry(role=TrustRole.SAST, certificate=publisher.certificate, address="2001:db8::10")
    data = build_trust_list([entry], publisher, timestamp=0, version=(1, 0))
    parsed = parse_trust_list(data)
    assert parsed.records[0].ip_address == "2001:db8::10"
    assert parsed.header.version == (1, 0)


def test_the_header_is_a_multiple_of_four(make_signer: Callable[..., KeyFileSigner]) -> None:
    """For every length of names, 0 to 3 bytes of padding make it so."""
    paddings = set()
    for size in range(1, 5):
        signer = make_signer("CN=" + "a" * size, "05", 1024)
        entry = ListEntry(role=TrustRole.SAST, certificate=signer.certificate, issuer_name="CN=b")
        header = parse_trust_list(build_trust_list([entry], signer, timestamp=0)).header
        assert header.header_length % 4 == 0
        paddings.add([element.tag for element in header.elements].count(13))
    assert paddings == {0, 1, 2, 3}


@pytest.mark.parametrize("signer_version", [(1, 0), (1, 1)])
def test_signer_version(
    tokenless: bytes,
    tokenless_entries: tuple[ListEntry, ...],
    publisher: KeyFileSigner,
    signer_version: tuple[int, int],
) -> None:
    """Tag 28 stands behind the header length, which counts its 5 bytes; the padding makes 4 of the guide's 336 + 5."""
    data = build_trust_list(
        tokenless_entries, publisher, timestamp=1_425_667_513, signer_version=signer_version, file_name="CTLFile.tlv"
    )
    parsed = parse_trust_list(data)
    assert [element.tag for element in parsed.header.elements] == [1, 2, 28, 3, 7, 12, 14, 15, 13, 13]
    assert data[10:15] == bytes([28, 0, 2, *signer_version])
    assert parsed.header.signer_version == signer_version
    assert parsed.header.header_length == 336 - 3 + 5 + 2
    assert len(data) == len(tokenless) + 4
    assert verify(data).ok
    assert parse_trust_list(tokenless).header.signer_version is None


def test_a_list_larger_than_phones_take(tokenless_entries: tuple[ListEntry, ...], publisher: KeyFileSigner) -> None:
    """Lists over 64 KB can be built: the plan compares with the limit."""
    data = build_trust_list(tokenless_entries * 20, publisher, timestamp=0)
    assert len(data) > PHONE_LIMIT
    assert verify(data).ok


def test_what_cannot_be_built(tokenless_entries: tuple[ListEntry, ...], publisher: KeyFileSigner) -> None:
    """Entries that the format cannot carry, or without the signer, are refused with the place."""
    sast = tokenless_entries[0]
    cases: dict[str, list[ListEntry]] = {
        "the signer's certificate must be in the list": list(tokenless_entries[1:]),
        "'nowhere' is not an IP address": [replace(sast, address="nowhere")],
        "the certificate of cucm-1051-a-pub as CCM\\+TFTP": [sast, replace(tokenless_entries[1], certificate=b"x")],
        "a name cannot hold a NUL": [replace(sast, dns_name="a\0b")],
        "70000 does not fit": [sast, ListEntry(role=70_000, certificate=None)],
        "65535 is the most": [replace(sast, dns_name="a" * 70_000)],
        "does not fit into 2 bytes": [replace(sast, dns_name="a" * 65_000)],
        "at most 1048576 bytes, not ": list(tokenless_entries * 250),
    }
    for words, entries in cases.items():
        with pytest.raises(LocalProtocolError, match=words):
            build_trust_list(entries, publisher, timestamp=0)
    with pytest.raises(LocalProtocolError, match="does not fit into 4 bytes"):
        build_trust_list([sast], publisher, timestamp=-1)
    with pytest.raises(LocalProtocolError, match="does not fit into 1 bytes"):
        build_trust_list([sast], publisher, timestamp=0, version=(1, 256))
    with pytest.raises(LocalProtocolError, match="does not fit into 1 bytes"):
        build_trust_list([sast], publisher, timestamp=0, signer_version=(1, 256))


def test_a_key_that_lists_cannot_carry(
    publisher: KeyFileSigner, tmp_path: Path, require_program: RequireProgram
) -> None:
    """Keys other than RSA and EC have no form in a trust list."""
    certificate = tmp_path / "ed25519.der"
    command = [
        require_program("openssl"),
        "req",
        "-x509",
        "-new",
        "-newkey",
        "ed25519",
        "-nodes",
        "-subj",
        "/CN=ed",
        "-outform",
        "DER",
    ]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(certificate)]
    subprocess.run([*command, *files], check=True, capture_output=True)
    entries = [
        ListEntry(role=TrustRole.SAST, certificate=publisher.certificate),
        ListEntry(role=TrustRole.TVS, certificate=certificate.read_bytes(), dns_name="node"),
    ]
    with pytest.raises(LocalProtocolError, match="of node as TVS: a trust list carries RSA and EC keys only"):
        build_trust_list(entries, publisher, timestamp=0)


class BrokenSigner:
    """A signer whose token returns nonsense."""

    def __init__(self, certificate: bytes, key_bits: int, signature: bytes) -> None:
        self.certificate = certificate
        self.key_bits = key_bits
        self._signature = signature

    def sign(self, data: bytes, digest: Digest) -> bytes:  # noqa: ARG002 - the interface's
        """Always the same bytes."""
        return self._signature


def test_a_signer_that_lies(publisher: KeyFileSigner) -> None:
    """A list is returned only after its signature was verified."""
    entry = ListEntry(role=TrustRole.SAST, certificate=publisher.certificate)
    for signer in (
        BrokenSigner(publisher.certificate, 1024, bytes(128)),
        BrokenSigner(publisher.certificate, 1024, b""),
        BrokenSigner(publisher.certificate, 2048, bytes(256)),
    ):
        with pytest.raises(SigningError, match="does not verify"):
            build_trust_list([entry], signer, timestamp=0)
    with pytest.raises(SigningError, match="3072 bits cannot sign"):
        build_trust_list([entry], BrokenSigner(publisher.certificate, 3072, b""), timestamp=0)
