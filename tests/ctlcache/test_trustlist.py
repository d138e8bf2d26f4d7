"""Parsing and serialising: what is kept, and what is refused with which place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlcache.elements import PADDING
from ctlcache.trustlist import (
    MAX_SIZE,
    HeaderTag,
    Record,
    RecordTag,
    TrustList,
    parse_trust_list,
    serialise,
    signed_bytes,
)
from ctlcache.verification import verify
from proto.errors import ErrorKind, RemoteProtocolError
from proto.tlv import Element

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Assemble = Callable[[Sequence[Element], Sequence[Record]], bytes]

PAD = Element(PADDING, b"")


def tlv(tag: int, value: bytes) -> bytes:
    """One element, put together by hand."""
    return bytes([tag]) + len(value).to_bytes(2) + value


def small_header(*extra: bytes, signer_id: bytes | None = None, info: bytes | None = None) -> bytes:
    """A header put together by hand, from elements that are as small as they can be."""
    if signer_id is None:
        signer_id = tlv(4, b"CN=a\0") + tlv(5, b"\x05") + tlv(6, b"CN=b\0")
    if info is None:
        info = tlv(8, b"\1") + tlv(9, tlv(10, b"\0") + tlv(11, b"\1"))
    body = tlv(3, signer_id) + tlv(7, info) + tlv(12, b"S") + b"".join(extra)
    return tlv(1, b"\1\2") + tlv(2, (10 + len(body)).to_bytes(2)) + body


def small_record(*elements: bytes) -> bytes:
    """A record put together by hand."""
    body = b"".join(elements)
    return tlv(1, (5 + len(body)).to_bytes(2)) + body


def refused(data: bytes) -> RemoteProtocolError:
    """The error that these bytes raise."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_trust_list(data)
    return caught.value


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


# -- refusals ------------------------------------------------------------------------------------------

FUNCTION = tlv(4, b"\0\2")
RECORD = small_record(FUNCTION)
HEADER = small_header()

REFUSED = {
    "empty": (b"", ErrorKind.TRUNCATED, 0),
    "no version": (tlv(2, b"\0\x0a") + HEADER, ErrorKind.VERSION, 0),
    "version of one byte": (tlv(1, b"\1") + HEADER[5:], ErrorKind.VERSION, 0),
    "no header length": (HEADER[:5] + HEADER[10:], ErrorKind.MISSING_ELEMENT, 5),
    "header shorter than its start": (HEADER[:8] + b"\0\x09" + HEADER[10:], ErrorKind.BAD_ELEMENT, 5),
    "header longer than the file": (HEADER[:8] + b"\xff\xff" + HEADER[10:], ErrorKind.TRUNCATED, len(HEADER)),
    "header ends inside an element": (HEADER[:8] + b"\0\x0c" + HEADER[10:], ErrorKind.TRUNCATED, 10),
    "no signer": (
        HEADER[:8] + b"\0\x0a",
        ErrorKind.MISSING_ELEMENT,
        0,
    ),
    "no serial number": (small_header(signer_id=tlv(4, b"a\0") + tlv(6, b"a\0")), ErrorKind.MISSING_ELEMENT, 0),
    "container longer than its elements": (small_header(signer_id=b"\x04"), ErrorKind.TRUNCATED, 13),
    "element reaches out of its container": (
        small_header(signer_id=tlv(5, b"\5") + b"\x04\0\x06CN=a\0"),
        ErrorKind.TRUNCATED,
        10 + 3 + 4 + 3,
    ),
    "container in itself": (small_header(signer_id=tlv(3, b"")), ErrorKind.BAD_ELEMENT, 13),
    "name outside of its container": (small_header(tlv(4, b"CN=a\0")), ErrorKind.BAD_ELEMENT, len(HEADER)),
    "two signatures": (small_header(tlv(12, b"T")), ErrorKind.DUPLICATE_ELEMENT, len(HEADER)),
    "time of three bytes": (small_header(tlv(15, b"\0\0\0")), ErrorKind.BAD_ELEMENT, len(HEADER)),
    "NUL in a name": (small_header(tlv(14, b"a\0b\0")), ErrorKind.BAD_ELEMENT, len(HEADER)),
    "digest of two bytes": (
        small_header(info=tlv(8, b"\0\1") + tlv(9, tlv(10, b"\0") + tlv(11, b"\1"))),
        ErrorKind.BAD_ELEMENT,
        len(HEADER) - 4 - 15,
    ),
    "trailing byte": (HEADER + b"\0", ErrorKind.TRUNCATED, len(HEADER)),
    "trailing element": (HEADER + RECORD + tlv(2, b"a\0"), ErrorKind.BAD_ELEMENT, len(HEADER) + len(RECORD)),
    "record length of one byte": (HEADER + tlv(1, b"\x05"), ErrorKind.BAD_ELEMENT, len(HEADER)),
    "record shorter than its start": (HEADER + tlv(1, b"\0\4"), ErrorKind.BAD_ELEMENT, len(HEADER)),
    "record longer than the file": (HEADER + tlv(1, b"\0\6"), ErrorKind.TRUNCATED, len(HEADER)),
    "element reaches out of its record": (
        HEADER + tlv(1, b"\0\x0a") + b"\4\0\3\0\2" + RECORD,
        ErrorKind.TRUNCATED,
        len(HEADER) + 8,
    ),
    "record without function": (HEADER + small_record(), ErrorKind.MISSING_ELEMENT, len(HEADER)),
    "two functions": (HEADER + small_record(FUNCTION, FUNCTION), ErrorKind.DUPLICATE_ELEMENT, len(HEADER) + 10),
    "function of one byte": (HEADER + small_record(tlv(4, b"\2")), ErrorKind.BAD_ELEMENT, len(HEADER) + 5),
    "NUL in a record's name": (
        HEADER + small_record(tlv(5, b"CN=a\0;O=b\0"), FUNCTION),
        ErrorKind.BAD_ELEMENT,
        len(HEADER) + 5,
    ),
    "too large": (HEADER + bytes(MAX_SIZE), ErrorKind.TOO_LARGE, MAX_SIZE),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    """Each fault has its kind and its place."""
    data, kind, offset = REFUSED[name]
    error = refused(data)
    assert (error.kind, error.offset) == (kind, offset), error


def test_the_small_list_itself_is_taken() -> None:
    """The list that the faults above were made from is good."""
    assert len(parse_trust_list(HEADER + RECORD).records) == 1


def test_containers_nested_without_end() -> None:
    """Thousands of containers in each other are refused, not followed."""
    nested = b""
    while len(nested) < 60_000:
        nested = tlv(3, nested)
    body = tlv(7, nested)
    assert refused(tlv(1, b"\1\2") + tlv(2, (10 + len(body)).to_bytes(2)) + body).kind is ErrorKind.BAD_ELEMENT


def test_each_cut_has_an_offset(tokenless: bytes) -> None:
    """A file that is cut anywhere is refused with a place inside it, or is a shorter, unsigned list."""
    boundaries = {336, 336 + 1156, 336 + 2 * 1156, 336 + 2 * 1156 + 1138}
    for size in range(len(tokenless)):
        if size in boundaries:
            assert not verify(tokenless[:size]).ok
        else:
            error = refused(tokenless[:size])
            assert error.offset is not None
            assert 0 <= error.offset <= size


# -- any bytes -----------------------------------------------------------------------------------------


def parses_or_refuses(data: bytes) -> None:
    """Any bytes are a list that serialises to them, or raise the remote error; verifying never raises."""
    try:
        parsed: TrustList | None = parse_trust_list(data)
    except RemoteProtocolError:
        parsed = None
    if parsed is not None:
        assert serialise(parsed) == data
        assert parsed.header.version
        for record in parsed.records:
            assert record.length >= 5
            assert record.ip_address is None or record.ip_address
    verify(data)


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    """Any bytes parse or are refused."""
    parses_or_refuses(data)
    parses_or_refuses(HEADER + data)
    parses_or_refuses(HEADER[:8] + (10 + len(data)).to_bytes(2) + data)


_ELEMENTS = st.lists(
    st.builds(
        tlv,
        st.one_of(st.integers(1, 15), st.sampled_from([28, 200])),
        st.one_of(st.binary(max_size=6), st.sampled_from([b"\0\2", b"CN=a\0", tlv(4, b"\0"), tlv(9, tlv(10, b"\0"))])),
    ),
    max_size=12,
).map(b"".join)


@given(_ELEMENTS, _ELEMENTS, st.binary(max_size=3))
def test_any_elements(header: bytes, record: bytes, tail: bytes) -> None:
    """Any elements in any order parse or are refused."""
    start = tlv(1, b"\1\2") + tlv(2, (10 + len(header)).to_bytes(2)) + header
    parses_or_refuses(start + small_record(record) + tail)
    parses_or_refuses(small_header(header) + small_record(FUNCTION, record) + tail)
