"""The payloads of the four messages, decoded and encoded."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING

from proto.errors import ErrorKind, LocalProtocolError, RemoteProtocolError
from proto.messages import (
    CertVerificationRequest,
    CertVerificationResponse,
    Message,
    MessageType,
    QueryCertRequest,
    QueryCertResponse,
    Response,
    TrustStatus,
    is_serial,
)
from proto.text import printable, text_from_bytes, text_to_bytes
from proto.tlv import Element, Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Callable


HEADER_SIZE = 10
"""Discriminator, version, type, reserved (1 byte each), session id (4), payload length (2)."""
DEVICE_NAME_MARK = b"\x01"
"""The byte that stands before the device name in every published request."""


class Tag(IntEnum):
    """Element tags of the payload.

    Those of issuer and serial number in a query were never published: they are two of 4, 5 and 6.
    `_issuer_and_serial` says how they are told apart.
    """

    DEVICE_NAME = 1
    CERTIFICATE = 2
    SUBJECT_NAME = 3
    ISSUER_NAME = 4
    SERIAL_NUMBER = 5
    UNPUBLISHED = 6
    STATUS = 7
    ROLES = 8
    TIME_TO_LIVE = 9


ISSUER_AND_SERIAL = (Tag.ISSUER_NAME, Tag.SERIAL_NUMBER, Tag.UNPUBLISHED)
"""The tags of which issuer name and serial number of a query have two."""


def _bad(element: Element, reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(ErrorKind.BAD_ELEMENT, f"element {element.tag} {reason}", element.offset)


def _name(element: Element) -> str:
    if b"\0" in element.value[:-1]:
        raise _bad(element, "holds a NUL inside a name")
    return text_from_bytes(element.value)


def _device_name(element: Element) -> str:
    """The name after its mark, printable ASCII. Only logs use it, so odd bytes or no mark refuse no phone."""
    value = element.value[1:] if element.value[:1] < b" " else element.value
    return printable(value.removesuffix(b"\0").decode("ascii", "backslashreplace"))


_TEXT = re.compile(rb"[^\x00-\x1f\x7f]*\0?")
_NAME_START = re.compile(rb"[A-Za-z][A-Za-z0-9.-]*=|[0-9]+(\.[0-9]+)+=")


def _issuer_likeness(value: bytes) -> tuple[bool, bool, bool]:
    """Whether it is text, starts as a name does, ends in the NUL of a name: compared in this order."""
    return _TEXT.fullmatch(value) is not None, _NAME_START.match(value) is not None, value.endswith(b"\0")


def _issuer_and_serial(candidates: list[Element]) -> tuple[Element, Element]:
    """Tells the issuer name from the serial number by content; the candidates are in the order of their tags.

    The tags of these two elements in a query were never published. The lengths of published dumps say only
    that they are two of 4, 5 and 6, so any two are taken, in any order: the issuer is the text that holds a
    ``=``, the serial number is the other one, 1 to 20 bytes with perhaps a 00 before them. A random serial
    number can hold 0x3D, the code of ``=``: where both could be either, the one that is more like a name is
    the issuer, and of two alike the one that stands under the lower tag, as we write them.
    """
    if len(candidates) != 2:
        kind = ErrorKind.MISSING_ELEMENT if len(candidates) < 2 else ErrorKind.DUPLICATE_ELEMENT
        raise RemoteProtocolError(
            kind, f"issuer name and serial number are two of the elements 4, 5 and 6, not {len(candidates)}"
        )
    low, high = candidates
    low_fits = b"=" in low.value and is_serial(high.value)
    high_fits = b"=" in high.value and is_serial(low.value)
    if not low_fits and not high_fits:
        raise _bad(low, f"and element {high.tag} are not an issuer name and a serial number")
    if high_fits and (not low_fits or _issuer_likeness(high.value) > _issuer_likeness(low.value)):
        return high, low
    return low, high


class PayloadReader:
    """The elements of one payload. Those with tags that a message does not know are passed over."""

    __slots__ = ("_first", "_repeated")

    def __init__(self, data: bytes) -> None:
        self._first: dict[int, Element] = {}
        self._repeated: list[Element] = []
        first = self._first
        for element in Reader(data, HEADER_SIZE).elements():
            tag = element[0]
            if tag in first:
                self._repeated.append(element)
            else:
                first[tag] = element

    def all(self, tag: int) -> list[Element]:
        """Every element with this tag, in the order of the payload."""
        first = [self._first[tag]] if tag in self._first else []
        return first + [element for element in self._repeated if element.tag == tag]

    def any_of(self, tags: tuple[int, ...]) -> list[Element]:
        """The elements with one of these tags, at most one each, in the order of `tags`."""
        for element in self._repeated:
            if element.tag in tags:
                raise _repeated(element)
        return [self._first[tag] for tag in tags if tag in self._first]

    def optional(self, tag: int) -> Element | None:
        """The element with this tag, which stands once or not at all."""
        for element in self._repeated:
            if element.tag == tag:
                raise _repeated(element)
        return self._first.get(tag)

    def required(self, tag: int) -> Element:
        """The element with this tag, which stands once."""
        element = self.optional(tag)
        if element is None:
            raise _missing(tag)
        return element


def _repeated(element: Element) -> RemoteProtocolError:
    name = Tag(element.tag).name
    return RemoteProtocolError(
        ErrorKind.DUPLICATE_ELEMENT, f"element {element.tag} ({name}) stands twice", element.offset
    )


def _missing(tag: int) -> RemoteProtocolError:
    return RemoteProtocolError(ErrorKind.MISSING_ELEMENT, f"element {tag} ({Tag(tag).name}) is missing")


def _certificate(element: Element) -> bytes:
    if not element.value:
        raise _bad(element, "is a certificate without bytes")
    return element.value


_STATUS = {b"\0": TrustStatus.TRUSTED, b"\1": TrustStatus.NOT_TRUSTED}


def _status(payload: PayloadReader) -> TrustStatus:
    element = payload.required(Tag.STATUS)
    status = _STATUS.get(element.value)
    if status is None:
        raise _bad(element, "is a status of one byte, 0 or 1")
    return status


def _roles_and_time_to_live(payload: PayloadReader, status: TrustStatus) -> tuple[tuple[int, ...], int | None]:
    roles = payload.optional(Tag.ROLES)
    time_to_live = payload.optional(Tag.TIME_TO_LIVE)
    if time_to_live is not None and len(time_to_live.value) != 4:
        raise _bad(time_to_live, "is a time to live of 4 bytes")
    if status is TrustStatus.NOT_TRUSTED:  # whatever else such an answer carries, it grants nothing
        return (), None
    return tuple(roles.value) if roles else (), int.from_bytes(time_to_live.value) if time_to_live else None


def _decode_verification_request(session_id: int, payload: PayloadReader) -> Message:
    return CertVerificationRequest(
        session_id=session_id,
        device_name=_device_name(payload.required(Tag.DEVICE_NAME)),
        certificate=_certificate(payload.required(Tag.CERTIFICATE)),
    )


def _decode_verification_response(session_id: int, payload: PayloadReader) -> Message:
    status = _status(payload)
    roles, time_to_live = _roles_and_time_to_live(payload, status)
    return CertVerificationResponse(session_id=session_id, status=status, roles=roles, time_to_live=time_to_live)


def _decode_query_request(session_id: int, payload: PayloadReader) -> Message:
    device_name = _device_name(payload.required(Tag.DEVICE_NAME))
    subject_name = _name(payload.required(Tag.SUBJECT_NAME))
    issuer, serial = _issuer_and_serial(payload.any_of(ISSUER_AND_SERIAL))
    return QueryCertRequest(
        session_id=session_id,
        device_name=device_name,
        subject_name=subject_name,
        issuer_name=_name(issuer),
        serial_number=serial.value,
    )


def _decode_query_response(session_id: int, payload: PayloadReader) -> Message:
    status = _status(payload)
    certificates = tuple(_certificate(element) for element in payload.all(Tag.CERTIFICATE))
    roles, time_to_live = _roles_and_time_to_live(payload, status)
    if status is TrustStatus.NOT_TRUSTED:
        certificates = ()
    elif not certificates:
        raise _missing(Tag.CERTIFICATE)
    return QueryCertResponse(
        session_id=session_id,
        status=status,
        certificates=certificates,
        roles=roles,
        time_to_live=time_to_live,
    )


DECODERS: dict[int, Callable[[int, PayloadReader], Message]] = {
    MessageType.CERT_VERIFICATION_REQ: _decode_verification_request,
    MessageType.CERT_VERIFICATION_RES: _decode_verification_response,
    MessageType.QUERY_CERT_REQ: _decode_query_request,
    MessageType.QUERY_CERT_RES: _decode_query_response,
}


def _device_name_to_bytes(text: str) -> bytes:
    if not (text.isascii() and text.isprintable()):
        raise LocalProtocolError(f"a device name is printable ASCII: {text!r}")
    return DEVICE_NAME_MARK + text.encode("ascii")


def _write_query(writer: Writer, message: QueryCertRequest) -> None:
    writer.element(Tag.DEVICE_NAME, _device_name_to_bytes(message.device_name))
    writer.element(Tag.SUBJECT_NAME, text_to_bytes(message.subject_name))
    writer.element(Tag.ISSUER_NAME, text_to_bytes(message.issuer_name))
    writer.element(Tag.SERIAL_NUMBER, message.serial_number)


def _write_answer(writer: Writer, message: Response) -> None:
    writer.element(Tag.STATUS, bytes([message.status]))
    if isinstance(message, QueryCertResponse):
        for certificate in message.certificates:
            writer.element(Tag.CERTIFICATE, certificate)
    if message.status is TrustStatus.TRUSTED:
        writer.element(Tag.ROLES, bytes(message.roles))
    if message.time_to_live is not None:
        writer.element(Tag.TIME_TO_LIVE, message.time_to_live.to_bytes(4))


def encode_payload(message: Message) -> bytes:
    """The elements of a message, without the header. Raises `LocalProtocolError` for what does not fit."""
    writer = Writer()
    if isinstance(message, QueryCertRequest):
        _write_query(writer, message)
    elif isinstance(message, CertVerificationRequest):
        writer.element(Tag.DEVICE_NAME, _device_name_to_bytes(message.device_name))
        writer.element(Tag.CERTIFICATE, message.certificate)
    else:
        _write_answer(writer, message)
    return bytes(writer)
