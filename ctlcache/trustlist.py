"""CTLFile.tlv and ITLFile.tlv: a signed list of certificates, parsed and serialised.

Both have one format: a header, then records, each of elements of tag, length and value. Unknown elements, other orders
and padding are kept as they stood: to parse and then serialise gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.elements import CONTAINERS, PADDING, HeaderTag, RecordTag, children, header_elements
from ctlcache.model import Header, Record, TrustList, UnsignedList
from proto.errors import ErrorKind, RemoteProtocolError
from proto.tlv import Element, Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from enum import IntEnum

__all__ = [
    "MAX_SIZE",
    "PADDING",
    "PHONE_LIMIT",
    "Header",
    "HeaderTag",
    "Record",
    "RecordTag",
    "TrustList",
    "UnsignedList",
    "parse_trust_list",
    "serialise",
    "signed_bytes",
]

MAX_SIZE = 1024 * 1024
"""Most bytes of a trust list that are read: sixteen times `PHONE_LIMIT`."""
PHONE_LIMIT = 65_536
"""Most bytes of a trust list that phones load (64 KB, about 39 certificates)."""

_REQUIRED = (
    HeaderTag.SIGNER_ID,
    HeaderTag.SIGNER_NAME,
    HeaderTag.SERIAL_NUMBER,
    HeaderTag.CA_NAME,
    HeaderTag.SIGNATURE_INFO,
    HeaderTag.DIGEST_ALGORITHM,
    HeaderTag.SIGNATURE_ALGORITHM_INFO,
    HeaderTag.SIGNATURE_ALGORITHM,
    HeaderTag.SIGNATURE_MODULUS,
)
_HOME: dict[int, HeaderTag | None] = {
    HeaderTag.VERSION: None,
    HeaderTag.HEADER_LENGTH: None,
    HeaderTag.SIGNER_ID: None,
    HeaderTag.SIGNATURE_INFO: None,
    HeaderTag.SIGNATURE: None,
    HeaderTag.FILE_NAME: None,
    HeaderTag.TIMESTAMP: None,
    HeaderTag.SIGNER_NAME: HeaderTag.SIGNER_ID,
    HeaderTag.SERIAL_NUMBER: HeaderTag.SIGNER_ID,
    HeaderTag.CA_NAME: HeaderTag.SIGNER_ID,
    HeaderTag.DIGEST_ALGORITHM: HeaderTag.SIGNATURE_INFO,
    HeaderTag.SIGNATURE_ALGORITHM_INFO: HeaderTag.SIGNATURE_INFO,
    HeaderTag.SIGNATURE_ALGORITHM: HeaderTag.SIGNATURE_ALGORITHM_INFO,
    HeaderTag.SIGNATURE_MODULUS: HeaderTag.SIGNATURE_ALGORITHM_INFO,
}
"""The container of each element, None outside of all containers. Unknown elements may stand anywhere."""
_HEADER_SIZES: dict[int, int] = {
    HeaderTag.VERSION: 2,
    HeaderTag.HEADER_LENGTH: 2,
    HeaderTag.DIGEST_ALGORITHM: 1,
    HeaderTag.SIGNATURE_ALGORITHM: 1,
    HeaderTag.SIGNATURE_MODULUS: 1,
    HeaderTag.TIMESTAMP: 4,
}
_RECORD_SIZES: dict[int, int] = {RecordTag.RECORD_LENGTH: 2, RecordTag.FUNCTION: 2}
_HEADER_TEXTS: frozenset[int] = frozenset({HeaderTag.SIGNER_NAME, HeaderTag.CA_NAME, HeaderTag.FILE_NAME})
_RECORD_TEXTS: frozenset[int] = frozenset({RecordTag.DNS_NAME, RecordTag.SUBJECT_NAME, RecordTag.ISSUER_NAME})


# -- parsing ---------------------------------------------------------------------------------------


def parse_trust_list(data: bytes) -> TrustList:
    """The trust list in the bytes of a whole file.

    Raises `RemoteProtocolError` for bytes that are not a trust list, and nothing else; its offset is the byte of the
    file with the fault.
    """
    if len(data) > MAX_SIZE:
        raise RemoteProtocolError(
            ErrorKind.TOO_LARGE, f"a trust list has at most {MAX_SIZE} bytes, not {len(data)}", MAX_SIZE
        )
    header = _parse_header(data)
    records = tuple(_parse_records(data, header.header_length))
    return TrustList(header, records, unsigned=isinstance(data, UnsignedList))


def _parse_header(data: bytes) -> Header:
    header_length = _header_length(data)
    header = Header(tuple(header_elements(Reader(data, end=header_length), header_length)))
    _check_homes(header.elements)
    _check(header.every, _HEADER_SIZES, _HEADER_TEXTS, HeaderTag)
    present = {element.tag for element in header.every}
    for tag in _REQUIRED:
        if tag not in present:
            raise _missing(tag, "the header", 0)
    return header


def _header_length(data: bytes) -> int:
    reader = Reader(data)
    version = reader.element("header element")
    if version.tag != HeaderTag.VERSION or len(version.value) != 2:
        raise RemoteProtocolError(ErrorKind.VERSION, "a trust list starts with a version of 2 bytes", 0)
    length = reader.element("header element")
    if length.tag != HeaderTag.HEADER_LENGTH or len(length.value) != 2:
        raise RemoteProtocolError(
            ErrorKind.MISSING_ELEMENT, "a header length of 2 bytes stands after the version", length.offset
        )
    size = int.from_bytes(length.value)
    if size < reader.offset:
        raise RemoteProtocolError(
            ErrorKind.BAD_ELEMENT, f"a header of {size} bytes is shorter than its first elements", length.offset
        )
    if size > len(data):
        raise RemoteProtocolError(
            ErrorKind.TRUNCATED, f"the header has {size} bytes, the file ends after {len(data)}", len(data)
        )
    return size


def _check_homes(elements: tuple[Element, ...], home: int | None = None) -> None:
    """Checks that each known element is in its container, which also limits the depth."""
    for element in elements:
        if _HOME.get(element.tag, home) != home:
            raise _wrong(ErrorKind.BAD_ELEMENT, element, HeaderTag, "stands in the wrong container")
        if element.tag in CONTAINERS:
            _check_homes(children(element), element.tag)


def _parse_records(data: bytes, start: int) -> Iterator[Record]:
    while start < len(data):
        end = start + _record_length(data, start)
        elements = tuple(Reader(data, start, end).elements("record element"))
        _check(elements, _RECORD_SIZES, _RECORD_TEXTS, RecordTag)
        if all(element.tag != RecordTag.FUNCTION for element in elements):
            raise _missing(RecordTag.FUNCTION, "a record", start)
        yield Record(elements)
        start = end


def _record_length(data: bytes, start: int) -> int:
    reader = Reader(data, start)
    element = reader.element("record element")
    if element.tag != RecordTag.RECORD_LENGTH or len(element.value) != 2:
        raise RemoteProtocolError(ErrorKind.BAD_ELEMENT, "a record starts with its length in 2 bytes", start)
    size = int.from_bytes(element.value)
    if size < reader.offset - start:
        raise RemoteProtocolError(
            ErrorKind.BAD_ELEMENT, f"a record of {size} bytes is shorter than its first element", start
        )
    if start + size > len(data):
        raise RemoteProtocolError(
            ErrorKind.TRUNCATED, f"the record has {size} bytes, {len(data) - start} are left", start
        )
    return size


def _check(elements: Iterable[Element], sizes: dict[int, int], texts: frozenset[int], tags: type[IntEnum]) -> None:
    """Checks that known elements stand once, have their size, and do not have a NUL inside a name."""
    known = frozenset(tags)
    seen: set[int] = set()
    for element in elements:
        size = len(element.value)
        if element.tag in seen:
            raise _wrong(ErrorKind.DUPLICATE_ELEMENT, element, tags, "stands twice")
        if size != sizes.get(element.tag, size):
            raise _wrong(ErrorKind.BAD_ELEMENT, element, tags, f"has {sizes[element.tag]} bytes, not {size}")
        if element.tag in texts and b"\0" in element.value[:-1]:
            raise _wrong(ErrorKind.BAD_ELEMENT, element, tags, "holds a NUL inside a name")
        if element.tag in known:
            seen.add(element.tag)


def _wrong(kind: ErrorKind, element: Element, tags: type[IntEnum], reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(kind, f"element {element.tag} ({tags(element.tag).name}) {reason}", element.offset)


def _missing(tag: HeaderTag | RecordTag, where: str, offset: int) -> RemoteProtocolError:
    return RemoteProtocolError(ErrorKind.MISSING_ELEMENT, f"{where} has no element {tag} ({tag.name})", offset)


# -- serialising -----------------------------------------------------------------------------------


def serialise(trust_list: TrustList) -> bytes:
    """The bytes of the file. A list that was parsed gives the bytes that it was parsed from."""
    return _joined(trust_list.header.elements, trust_list.records)


def signed_bytes(trust_list: TrustList | bytes) -> bytes:
    """The signed part: the whole file without the SIGNATURE element (tag, length and value).

    Raises `RemoteProtocolError` for bytes that are not a trust list.
    """
    if isinstance(trust_list, bytes):
        trust_list = parse_trust_list(trust_list)
    kept = (element for element in trust_list.header.elements if element.tag != HeaderTag.SIGNATURE)
    return _joined(kept, trust_list.records)


def _joined(header: Iterable[Element], records: Iterable[Record]) -> bytes:
    writer = Writer()
    for element in header:
        if element.tag == PADDING:
            writer.uint(PADDING, 1)
        else:
            writer.element(element.tag, element.value)
    for record in records:
        for element in record.elements:
            writer.element(element.tag, element.value)
    return bytes(writer)
