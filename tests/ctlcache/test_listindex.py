"""The index of a trust list: one entry for each identity, and those that are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.builder import build_trust_list
from ctlcache.entries import ListEntry
from ctlcache.listindex import index_of
from ctlcache.trustlist import Header, Record, RecordTag, TrustList, parse_trust_list
from proto.roles import TrustRole
from proto.tlv import Element
from tests.fixtures.certificates import certificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner


def record_of(certificate: bytes, *, issuer: str, number: bytes, function: int) -> Record:
    """A record with these texts, independent of the certificate."""
    elements = (
        Element(RecordTag.RECORD_LENGTH, b"\0\5"),
        Element(RecordTag.FUNCTION, function.to_bytes(2)),
        Element(RecordTag.ISSUER_NAME, issuer.encode() + b"\0"),
        Element(RecordTag.SERIAL_NUMBER, number),
        Element(RecordTag.CERTIFICATE, certificate),
    )
    return Record(elements)


def index_for(*records: Record) -> tuple[dict[tuple[bytes, str], tuple[int, ...]], tuple[str, ...], tuple[str, ...]]:
    """Entries with their roles, keys, and identities that were left out, for a list of these records."""
    loaded = index_of(TrustList(Header(()), records), 60)
    entries = {(entry.serial_number, entry.issuer_name): entry.roles for entry in loaded.index}
    return entries, loaded.keys, loaded.left_out


def test_one_certificate_in_several_records() -> None:
    """The same identity is one entry with all roles, for all notations of zeros and separators."""
    entries, keys, left_out = index_for(
        record_of(b"A", issuer="CN=a;O=b", number=b"\5", function=2),
        record_of(b"A", issuer="O=b,CN=a", number=b"\0\5", function=0),
        record_of(b"A", issuer="CN=a;O=b", number=b"\5", function=2),
        record_of(b"B", issuer="CN=a;O=b", number=b"\6", function=4),
    )
    assert entries == {(b"\5", "CN=a;O=b"): (0, 2), (b"\6", "CN=a;O=b"): (4,)}
    assert keys == ("05CN=a;O=b", "05O=b,CN=a", "05CN=a;O=b", "06CN=a;O=b")
    assert left_out == ()


def test_two_certificates_of_one_identity() -> None:
    """Two different certificates contradict each other: the index has neither, but the list's others."""
    entries, _, left_out = index_for(
        record_of(b"A", issuer="CN=a", number=b"\5", function=0),
        record_of(b"B", issuer="cn=a", number=b"\5", function=2),
        record_of(b"C", issuer="CN=c", number=b"\5", function=2),
    )
    assert entries == {(b"\5", "CN=c"): (2,)}
    assert left_out == ("05CN=a",)


def test_what_an_answer_cannot_carry() -> None:
    """A role of two bytes is left out, and a certificate that does not fit an answer."""
    entries, keys, left_out = index_for(
        record_of(b"A", issuer="CN=a", number=b"\5", function=256),
        record_of(bytes(65_530), issuer="CN=b", number=b"\6", function=2),
        Record((Element(RecordTag.FUNCTION, b"\0\2"),)),
    )
    assert entries == {(b"\5", "CN=a"): ()}
    assert keys == ("05CN=a", "06CN=b")
    assert left_out == ("06CN=b",)


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
