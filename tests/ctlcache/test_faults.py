"""Bytes that are not a trust list: each fault is refused with its kind and place, and nothing else is raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlcache.trustlist import (
    MAX_SIZE,
    TrustList,
    parse_trust_list,
    serialise,
)
from ctlcache.verification import verify
from proto.errors import ErrorKind, RemoteProtocolError
from tests.ctlcache.smalllist import small_header, small_record, tlv


def refused(data: bytes) -> RemoteProtocolError:
    """The error that these bytes raise."""
    with pytest.raises(RemoteProtocolError) as caught:
        parse_trust_list(data)
    return caught.value


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
