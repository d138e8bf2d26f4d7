"""Parsing and serialising real lists: the bytes stay the same, and every element is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.elements import PADDING
from ctlcache.trustlist import (
    HeaderTag,
    Record,
    RecordTag,
    parse_trust_list,
    serialise,
    signed_bytes,
)
from ctlcache.verification import verify
from proto.tlv import Element
from tests.ctlcache.smalllist import small_header, small_record, tlv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Assemble = Callable[[Sequence[Element], Sequence[Record]], bytes]

PAD = Element(PADDING, b"")


def with_value(elements: Sequence[Element], tag: int, value: bytes) -> list[Element]:
    """The elements, with another value for one tag."""
    return [Element(tag, value) if element.tag == tag else element for element in elements]


# -- round trips ---------------------------------------------------------------------------------------


def test_round_trip_of_real_files(tokenless: bytes, regenerated: bytes, with_tokens: bytes) -> None:
    """Parsing, then serialising, gives the same bytes."""
    for data in (tokenless, regenerated, with_tokens):
        assert serialise(parse_trust_list(data)) == data


def test_unknown_elements_are_kept(tokenless: bytes, assemble: Assemble) -> None:
    """Unknown elements stay in their places, in the header and in records, and are signed."""
    parsed = parse_trust_list(tokenless)
    header = [*parsed.header.elements[:3], Element(200, b"new"), Element(200, b""), *parsed.header.elements[3:]]
    first = parsed.records[0].elements
    length = (parsed.records[0].length + 7).to_bytes(2)
    record = Record((*with_value(first, RecordTag.RECORD_LENGTH, length), Element(77, b"more")))
    data = assemble(header, [record, *parsed.records[1:]])
    assert serialise(parse_trust_list(data)) == data
    assert [element.tag for element in parse_trust_list(data).header.elements].count(200) == 2
    assert verify(data).ok
    assert not verify(data.replace(b"more", b"less")).ok


def test_other_orders_in_the_signer(tokenless: bytes, assemble: Assemble) -> None:
    """Other builders write name, issuer, serial number: tags 4, 6, 5."""
    header = parse_trust_list(tokenless).header
    name, serial, issuer = (
        tlv(4, header.signer_name.encode() + b"\0"),
        tlv(5, header.serial_number),
        tlv(6, header.ca_name.encode() + b"\0"),
    )
    for order in ((name, issuer, serial), (serial, name, issuer), (issuer, serial, name)):
        data = assemble(
            with_value(header.elements, HeaderTag.SIGNER_ID, b"".join(order)), parse_trust_list(tokenless).records
        )
        assert serialise(parse_trust_list(data)) == data
        assert parse_trust_list(data).header.serial_number == header.serial_number
        assert verify(data).ok


def test_other_orders_of_the_header(tokenless: bytes, assemble: Assemble) -> None:
    """The elements after version and length may stand in any order."""
    parsed = parse_trust_list(tokenless)
    version, length, *others = parsed.header.elements
    data = assemble([version, length, *reversed(others)], parsed.records)
    assert serialise(parse_trust_list(data)) == data
    assert verify(data).ok


def test_names_with_commas(tokenless: bytes, assemble: Assemble) -> None:
    """A header with ``CN=SAST,O=…`` names the record with ``;``: separators do not matter."""
    parsed = parse_trust_list(tokenless)
    commas = parsed.header.ca_name.replace(";", ",").encode() + b"\0"
    signer_id = tlv(4, commas) + tlv(5, b"\0\0" + parsed.header.serial_number) + tlv(6, commas)
    data = assemble(with_value(parsed.header.elements, HeaderTag.SIGNER_ID, signer_id), parsed.records)
    assert serialise(parse_trust_list(data)) == data
    assert parse_trust_list(data).signer_record == parse_trust_list(data).records[0]
    assert verify(data).ok


def test_padding_anywhere_in_the_header(tokenless: bytes, assemble: Assemble) -> None:
    """Padding bytes have no length and stand anywhere after the header length, in containers too."""
    parsed = parse_trust_list(tokenless)
    version, length, *others = parsed.header.elements
    spread = [version, length, *(part for element in others for part in (PAD, element))]
    data = assemble(spread, parsed.records)
    assert serialise(parse_trust_list(data)) == data
    assert verify(data).ok
    inside = tlv(8, b"\1") + b"\x0d" + tlv(9, tlv(10, b"\0") + b"\x0d\x0d" + tlv(11, b"\1")) + b"\x0d"
    data = assemble(with_value(parsed.header.elements, HeaderTag.SIGNATURE_INFO, inside), parsed.records)
    assert serialise(parse_trust_list(data)) == data
    assert verify(data).ok


def test_the_optional_signer_version(tokenless: bytes, assemble: Assemble) -> None:
    """Tag 28 stands in some files after the header length."""
    parsed = parse_trust_list(tokenless)
    header = [*parsed.header.elements[:2], Element(HeaderTag.SIGNER_VERSION, b"\0\1"), *parsed.header.elements[2:]]
    data = assemble(header, parsed.records)
    assert serialise(parse_trust_list(data)) == data
    assert verify(data).ok


def test_records_of_a_hash_and_of_nothing() -> None:
    """A record may have a hash in place of the certificate, or keep only its length, name, role and address."""
    by_hash = small_record(tlv(2, b"a\0"), tlv(4, b"\0\x15"), tlv(11, b"H" * 20), tlv(12, b"\1"))
    reduced = small_record(tlv(2, b"b\0"), tlv(4, b"\0\2"), tlv(10, bytes.fromhex("20010db8") + bytes(11) + b"\1"))
    odd = small_record(tlv(4, b"\1\0"), tlv(9, b""), tlv(10, b"\1"))
    parsed = parse_trust_list(small_header() + by_hash + reduced + odd)
    first, second, third = parsed.records
    assert (first.certificate, first.certificate_hash, first.hash_algorithm) == (None, b"H" * 20, 1)
    assert (second.dns_name, second.ip_address, second.public_key) == ("b", "2001:db8::1", None)
    assert (third.function, third.certificate, third.ip_address, third.dns_name) == (256, None, None, "")
    assert serialise(parsed) == small_header() + by_hash + reduced + odd


def test_optional_parts_of_the_header() -> None:
    """A header without file name, time and signature can be read."""
    body = small_header()[10:].replace(tlv(12, b"S"), b"")
    header = parse_trust_list(tlv(1, b"\1\0") + tlv(2, (10 + len(body)).to_bytes(2)) + body).header
    assert (header.version, header.signature, header.file_name, header.timestamp) == ((1, 0), b"", "", None)


def test_a_name_that_is_not_utf_8_is_kept() -> None:
    """Bytes that are not UTF-8 survive in names."""
    data = small_header() + small_record(tlv(2, b"\xff\xfe\0"), tlv(4, b"\0\2"))
    assert parse_trust_list(data).records[0].dns_name == "\udcff\udcfe"
    assert serialise(parse_trust_list(data)) == data


def test_signed_bytes_leave_the_signature_out(tokenless: bytes) -> None:
    """The signed part is the file without the signature's tag, length and value; the header length stays."""
    start = tokenless.index(b"\x0c\x00\x80")
    expected = tokenless[:start] + tokenless[start + 131 :]
    assert signed_bytes(tokenless) == expected
    assert signed_bytes(parse_trust_list(tokenless)) == expected
