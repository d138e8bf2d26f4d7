"""Elements of a trust list: their tags, and the containers of the header."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from proto.errors import RemoteProtocolError
from proto.text import text_from_bytes
from proto.tlv import ELEMENT_OVERHEAD, Element, Reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PADDING = 0x0D
"""A single byte without a length that pads the header to a multiple of 4 bytes."""


class HeaderTag(IntEnum):
    """Element tags of the header."""

    VERSION = 1
    HEADER_LENGTH = 2
    SIGNER_ID = 3
    SIGNER_NAME = 4
    SERIAL_NUMBER = 5
    CA_NAME = 6
    SIGNATURE_INFO = 7
    DIGEST_ALGORITHM = 8
    SIGNATURE_ALGORITHM_INFO = 9
    SIGNATURE_ALGORITHM = 10
    SIGNATURE_MODULUS = 11
    SIGNATURE = 12
    FILE_NAME = 14
    TIMESTAMP = 15
    SIGNER_VERSION = 28


class RecordTag(IntEnum):
    """Element tags of a record."""

    RECORD_LENGTH = 1
    DNS_NAME = 2
    SUBJECT_NAME = 3
    FUNCTION = 4
    ISSUER_NAME = 5
    SERIAL_NUMBER = 6
    PUBLIC_KEY = 7
    SIGNATURE = 8
    CERTIFICATE = 9
    IP_ADDRESS = 10
    CERTIFICATE_HASH = 11
    HASH_ALGORITHM = 12


CONTAINERS = frozenset({HeaderTag.SIGNER_ID, HeaderTag.SIGNATURE_INFO, HeaderTag.SIGNATURE_ALGORITHM_INFO})
"""Header elements whose value consists of elements."""


def value_of(elements: Iterable[Element], tag: int) -> bytes | None:
    return next((element.value for element in elements if element.tag == tag), None)


def text_of(elements: Iterable[Element], tag: int) -> str:
    return text_from_bytes(value_of(elements, tag) or b"")


def children(container: Element) -> tuple[Element, ...]:
    """The elements inside a header's container, with offsets from the start of the file.

    Raises `RemoteProtocolError` if they do not fill the container exactly.
    """
    start = container.offset + ELEMENT_OVERHEAD
    try:
        return tuple(
            Element(inner.tag, inner.value, inner.offset + start)
            for inner in header_elements(Reader(container.value), len(container.value))
        )
    except RemoteProtocolError as error:
        raise RemoteProtocolError(error.kind, error.reason, start + (error.offset or 0)) from None


def header_elements(reader: Reader, end: int) -> Iterator[Element]:
    """Elements and padding bytes up to the end."""
    while reader.offset < end:
        if reader.peek() == PADDING:
            yield Element(PADDING, b"", reader.offset)
            reader.take(1, "padding")
        else:
            yield reader.element("header element")


def walk(element: Element) -> Iterator[Element]:
    yield element
    if element.tag in CONTAINERS:
        for inner in children(element):
            yield from walk(inner)
