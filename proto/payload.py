"""The payloads of the four messages, decoded and encoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from proto.elements import PayloadElements, Tag, bad_element, missing_element
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
from proto.tlv import Element, Writer

if TYPE_CHECKING:
    from collections.abc import Callable


_DEVICE_NAME_MARK = b"\x01"
"""The byte that precedes the device name in every published request."""

_DEVICE_NAME, _SUBJECT_NAME = Tag.DEVICE_NAME, Tag.SUBJECT_NAME
"""Tags of every query; a global costs a sixth of an attribute of an enumeration (Python 3.11)."""
_ISSUER_AND_SERIAL = (Tag.ISSUER_NAME, Tag.SERIAL_NUMBER, Tag.UNPUBLISHED)
"""Tags of a query's issuer name and serial number, which have two of them."""


def _name(element: Element) -> str:
    if b"\0" in element.value[:-1]:
        raise bad_element(element, "holds a NUL inside a name")
    return text_from_bytes(element.value)


def _device_name(element: Element) -> str:
    """The name after its mark, printable ASCII. Only logs use it, so odd bytes or a missing mark are tolerated."""
    value = element.value[1:] if element.value[:1] < b" " else element.value
    return printable(value.removesuffix(b"\0").decode("ascii", "backslashreplace"))


_TEXT = re.compile(rb"[^\x00-\x1f\x7f]*\0?")
_NAME_START = re.compile(rb"[A-Za-z][A-Za-z0-9.-]*=|[0-9]+(\.[0-9]+)+=")


def _issuer_likeness(value: bytes) -> tuple[bool, bool, bool]:
    """Likeness to an issuer name: is text, starts like a name, ends in a name's NUL; compared in this order."""
    return _TEXT.fullmatch(value) is not None, _NAME_START.match(value) is not None, value.endswith(b"\0")


def _issuer_and_serial(candidates: list[Element]) -> tuple[Element, Element]:
    """Tells the issuer name from the serial number by content; the candidates are in the order of their tags.

    The tags of these two elements in a query were never published. The lengths of published dumps say only
    that they are two of 4, 5 and 6, so any two are taken, in any order: the issuer is the text that holds a
    ``=``, the serial number is the other one, 1 to 20 bytes that a 00 may precede. A random serial number can
    hold 0x3D, the code of ``=``: if both readings are possible, the element that is more like a name is the
    issuer, and of two alike the one with the lower tag, as we write them.
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
        raise bad_element(low, f"and element {high.tag} are not an issuer name and a serial number")
    if high_fits and (not low_fits or _issuer_likeness(high.value) > _issuer_likeness(low.value)):
        return high, low
    return low, high


def _certificate(element: Element) -> bytes:
    if not element.value:
        raise bad_element(element, "is a certificate without bytes")
    return element.value


_STATUS = {b"\0": TrustStatus.TRUSTED, b"\1": TrustStatus.NOT_TRUSTED}


def _status(payload: PayloadElements) -> TrustStatus:
    element = payload.required(Tag.STATUS)
    status = _STATUS.get(element.value)
    if status is None:
        raise bad_element(element, "is a status of one byte, 0 or 1")
    return status


def _roles_and_time_to_live(payload: PayloadElements, status: TrustStatus) -> tuple[tuple[int, ...], int | None]:
    roles = payload.optional(Tag.ROLES)
    time_to_live = payload.optional(Tag.TIME_TO_LIVE)
    if time_to_live is not None and len(time_to_live.value) != 4:
        raise bad_element(time_to_live, "is a time to live of 4 bytes")
    if status is TrustStatus.NOT_TRUSTED:  # such an answer grants nothing, whatever else it carries
        return (), None
    return tuple(roles.value) if roles else (), int.from_bytes(time_to_live.value) if time_to_live else None


def _decode_verification_request(session_id: int, payload: PayloadElements) -> Message:
    return CertVerificationRequest(
        session_id=session_id,
        device_name=_device_name(payload.required(Tag.DEVICE_NAME)),
        certificate=_certificate(payload.required(Tag.CERTIFICATE)),
    )


def _decode_verification_response(session_id: int, payload: PayloadElements) -> Message:
    status = _status(payload)
    roles, time_to_live = _roles_and_time_to_live(payload, status)
    return CertVerificationResponse(session_id=session_id, status=status, roles=roles, time_to_live=time_to_live)


def _decode_query_request(session_id: int, payload: PayloadElements) -> Message:
    device_name = _device_name(payload.required(_DEVICE_NAME))
    subject_name = _name(payload.required(_SUBJECT_NAME))
    issuer, serial = _issuer_and_serial(payload.any_of(_ISSUER_AND_SERIAL))
    return QueryCertRequest(
        session_id=session_id,
        device_name=device_name,
        subject_name=subject_name,
        issuer_name=_name(issuer),
        serial_number=serial.value,
    )


def _decode_query_response(session_id: int, payload: PayloadElements) -> Message:
    status = _status(payload)
    certificates = tuple(_certificate(element) for element in payload.all(Tag.CERTIFICATE))
    roles, time_to_live = _roles_and_time_to_live(payload, status)
    if status is TrustStatus.NOT_TRUSTED:
        certificates = ()
    elif not certificates:
        raise missing_element(Tag.CERTIFICATE)
    return QueryCertResponse(
        session_id=session_id,
        status=status,
        certificates=certificates,
        roles=roles,
        time_to_live=time_to_live,
    )


DECODERS: dict[int, Callable[[int, PayloadElements], Message]] = {
    MessageType.CERT_VERIFICATION_REQ: _decode_verification_request,
    MessageType.CERT_VERIFICATION_RES: _decode_verification_response,
    MessageType.QUERY_CERT_REQ: _decode_query_request,
    MessageType.QUERY_CERT_RES: _decode_query_response,
}


def _device_name_to_bytes(text: str) -> bytes:
    if not (text.isascii() and text.isprintable()):
        raise LocalProtocolError(f"a device name is printable ASCII: {text!r}")
    return _DEVICE_NAME_MARK + text.encode("ascii")


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
    """The elements of a message, without the header. Raises `LocalProtocolError` for a value that does not fit."""
    writer = Writer()
    if isinstance(message, QueryCertRequest):
        _write_query(writer, message)
    elif isinstance(message, CertVerificationRequest):
        writer.element(Tag.DEVICE_NAME, _device_name_to_bytes(message.device_name))
        writer.element(Tag.CERTIFICATE, message.certificate)
    else:
        _write_answer(writer, message)
    return bytes(writer)
