"""Payloads: altered messages with their exact error, and oddities that are tolerated."""

from __future__ import annotations

import pytest

from proto import (
    CertVerificationResponse,
    ErrorKind,
    Message,
    QueryCertRequest,
    QueryCertResponse,
    encode,
)
from tests.fixtures.wire import CASES, NOT_TRUSTED, TRUSTED, Failure, bytewise, decode_all, element, message_of

DEVICE = element(1, b"\x01CP-8861")
SUBJECT = element(3, b"CN=a;OU=b\x00")
ISSUER = element(4, b"CN=Some CA 1\x00")
SERIAL = element(5, b"\x6b\x1d")
CERTIFICATE = element(2, b"DER")
YES = element(7, b"\x00")
NO = element(7, b"\x01")
ROLES = element(8, b"\x00\x02")
TIME_TO_LIVE = element(9, b"\x00\x01\x51\x80")

VERIFY, VERIFIED, QUERY, ANSWER = 1, 2, 3, 4

ALTERED = {
    # requests for verification: device name, certificate
    "verification without elements": (message_of(VERIFY), ErrorKind.MISSING_ELEMENT, None),
    "verification without device": (message_of(VERIFY, CERTIFICATE), ErrorKind.MISSING_ELEMENT, None),
    "verification without certificate": (message_of(VERIFY, DEVICE), ErrorKind.MISSING_ELEMENT, None),
    "empty certificate": (message_of(VERIFY, DEVICE, element(2, b"")), ErrorKind.BAD_ELEMENT, 21),
    "two certificates": (
        message_of(VERIFY, DEVICE, CERTIFICATE, CERTIFICATE),
        ErrorKind.DUPLICATE_ELEMENT,
        27,
    ),
    "two devices": (message_of(VERIFY, DEVICE, DEVICE, CERTIFICATE), ErrorKind.DUPLICATE_ELEMENT, 21),
    "tag without length": (message_of(VERIFY, DEVICE, CERTIFICATE, b"\x02"), ErrorKind.TRUNCATED, 27),
    "half a length": (message_of(VERIFY, DEVICE, CERTIFICATE, b"\x02\x00"), ErrorKind.TRUNCATED, 27),
    "value beyond the end": (message_of(VERIFY, DEVICE, b"\x02\x00\x04DER"), ErrorKind.TRUNCATED, 24),
    "largest length": (message_of(VERIFY, DEVICE, b"\x02\xff\xffDER"), ErrorKind.TRUNCATED, 24),
    # queries: device name, subject, issuer, serial number
    "query without device": (message_of(QUERY, SUBJECT, ISSUER, SERIAL), ErrorKind.MISSING_ELEMENT, None),
    "query without subject": (message_of(QUERY, DEVICE, ISSUER, SERIAL), ErrorKind.MISSING_ELEMENT, None),
    "query without issuer": (message_of(QUERY, DEVICE, SUBJECT, SERIAL), ErrorKind.MISSING_ELEMENT, None),
    "query without serial": (message_of(QUERY, DEVICE, SUBJECT, ISSUER), ErrorKind.MISSING_ELEMENT, None),
    "two subjects": (
        message_of(QUERY, DEVICE, SUBJECT, SUBJECT, ISSUER, SERIAL),
        ErrorKind.DUPLICATE_ELEMENT,
        34,
    ),
    "issuer and serial under one tag": (
        message_of(QUERY, DEVICE, SUBJECT, ISSUER, element(4, b"\x6b")),
        ErrorKind.DUPLICATE_ELEMENT,
        50,
    ),
    "all of tags 4, 5 and 6": (
        message_of(QUERY, DEVICE, SUBJECT, ISSUER, SERIAL, element(6, b"\x01")),
        ErrorKind.DUPLICATE_ELEMENT,
        None,
    ),
    "no issuer among the two": (
        message_of(QUERY, DEVICE, SUBJECT, element(4, b"Some CA\x00"), SERIAL),
        ErrorKind.BAD_ELEMENT,
        34,
    ),
    "empty serial": (message_of(QUERY, DEVICE, SUBJECT, ISSUER, element(5, b"")), ErrorKind.BAD_ELEMENT, 34),
    "serial of 21 bytes": (
        message_of(QUERY, DEVICE, SUBJECT, ISSUER, element(5, b"\x01" * 21)),
        ErrorKind.BAD_ELEMENT,
        34,
    ),
    "serial of 22 bytes": (
        message_of(QUERY, DEVICE, SUBJECT, ISSUER, element(5, b"\x00" * 22)),
        ErrorKind.BAD_ELEMENT,
        34,
    ),
    "NUL inside the subject": (
        message_of(QUERY, DEVICE, element(3, b"CN=a\x00;OU=b\x00"), ISSUER, SERIAL),
        ErrorKind.BAD_ELEMENT,
        21,
    ),
    "NUL inside the issuer": (
        message_of(QUERY, DEVICE, SUBJECT, element(4, b"CN=Some\x00CA 1"), SERIAL),
        ErrorKind.BAD_ELEMENT,
        34,
    ),
    # answers: status; when trusted certificates, roles, time to live
    "verified without status": (message_of(VERIFIED, ROLES), ErrorKind.MISSING_ELEMENT, None),
    "status 2": (message_of(VERIFIED, element(7, b"\x02")), ErrorKind.BAD_ELEMENT, 10),
    "empty status": (message_of(VERIFIED, element(7, b"")), ErrorKind.BAD_ELEMENT, 10),
    "status of two bytes": (message_of(VERIFIED, element(7, b"\x00\x00")), ErrorKind.BAD_ELEMENT, 10),
    "two statuses": (message_of(VERIFIED, YES, NO), ErrorKind.DUPLICATE_ELEMENT, 14),
    "two lists of roles": (message_of(VERIFIED, YES, ROLES, ROLES), ErrorKind.DUPLICATE_ELEMENT, 19),
    "time to live of 3 bytes": (message_of(VERIFIED, YES, element(9, b"\0\0\1")), ErrorKind.BAD_ELEMENT, 14),
    "answer without status": (message_of(ANSWER, CERTIFICATE), ErrorKind.MISSING_ELEMENT, None),
    "trusted without certificate": (message_of(ANSWER, YES, ROLES), ErrorKind.MISSING_ELEMENT, None),
    "answer with an empty certificate": (
        message_of(ANSWER, YES, CERTIFICATE, element(2, b"")),
        ErrorKind.BAD_ELEMENT,
        20,
    ),
    "two times to live": (
        message_of(ANSWER, YES, CERTIFICATE, TIME_TO_LIVE, TIME_TO_LIVE),
        ErrorKind.DUPLICATE_ELEMENT,
        27,
    ),
}


@pytest.mark.parametrize(("wire", "kind", "offset"), ALTERED.values(), ids=ALTERED.keys())
def test_altered_twin_is_refused(wire: bytes, kind: ErrorKind, offset: int | None) -> None:
    """Each altered message is refused with its exact kind and place; a good one before it is not lost."""
    assert decode_all([wire]) == [Failure(kind, offset)]
    assert decode_all(bytewise(wire)) == [Failure(kind, offset)]
    good = CASES["query"]
    assert decode_all([good.wire + wire + good.wire]) == [good.message, Failure(kind, offset)]


def query_request(**changes: str) -> QueryCertRequest:
    fields = {"device_name": "CP-8861", "subject_name": "CN=a;OU=b", "issuer_name": "CN=Some CA 1"} | changes
    return QueryCertRequest(session_id=1001, serial_number=b"\x6b\x1d", **fields)


TOLERATED: dict[str, tuple[bytes, Message]] = {
    "elements in another order": (message_of(QUERY, SERIAL, ISSUER, SUBJECT, DEVICE), query_request()),
    "unknown elements, even twice": (
        message_of(QUERY, element(0, b""), DEVICE, SUBJECT, element(200, b"?"), ISSUER, SERIAL, element(200, b"")),
        query_request(),
    ),
    "elements of other messages": (
        message_of(QUERY, DEVICE, SUBJECT, ISSUER, SERIAL, YES, YES, CERTIFICATE),
        query_request(),
    ),
    "device name without its mark": (
        message_of(QUERY, element(1, b"CP-8861\x00"), SUBJECT, ISSUER, SERIAL),
        query_request(),
    ),
    "empty device name": (
        message_of(QUERY, element(1, b""), SUBJECT, ISSUER, SERIAL),
        query_request(device_name=""),
    ),
    "device name that is not ASCII": (
        message_of(QUERY, element(1, b"\x01SEP\xe9"), SUBJECT, ISSUER, SERIAL),
        query_request(device_name="SEP\\xe9"),
    ),
    "device name that would forge a log line": (
        message_of(QUERY, element(1, b"\x01SEP\r\nx\x00\x7f"), SUBJECT, ISSUER, SERIAL),
        query_request(device_name="SEP\\x0d\\x0ax\\x00\\x7f"),
    ),
    "names without NUL": (
        message_of(QUERY, DEVICE, element(3, b"CN=a;OU=b"), element(4, b"CN=Some CA 1"), SERIAL),
        query_request(),
    ),
    "empty subject": (
        message_of(QUERY, DEVICE, element(3, b""), ISSUER, SERIAL),
        query_request(subject_name=""),
    ),
    "name in UTF-8": (
        message_of(QUERY, DEVICE, element(3, "CN=Zürich".encode() + b"\x00"), ISSUER, SERIAL),
        query_request(subject_name="CN=Zürich"),
    ),
    "name in Latin-1": (
        message_of(QUERY, DEVICE, element(3, b"CN=Z\xfcrich\x00"), ISSUER, SERIAL),
        query_request(subject_name="CN=Z\udcfcrich"),
    ),
    "a refusal that names roles": (
        message_of(VERIFIED, NO, ROLES, TIME_TO_LIVE),
        CertVerificationResponse(session_id=1001, status=NOT_TRUSTED),
    ),
    "a refusal with a certificate": (
        message_of(ANSWER, NO, CERTIFICATE),
        QueryCertResponse(session_id=1001, status=NOT_TRUSTED),
    ),
    "trusted with neither roles nor time to live": (
        message_of(ANSWER, CERTIFICATE, YES),
        QueryCertResponse(session_id=1001, status=TRUSTED, certificates=(b"DER",)),
    ),
}


@pytest.mark.parametrize(("wire", "message"), TOLERATED.values(), ids=TOLERATED.keys())
def test_harmless_oddity_is_tolerated(wire: bytes, message: Message) -> None:
    """Messages that differ from ours but are unambiguous are decoded, whole and byte by byte."""
    assert decode_all([wire]) == [message]
    assert decode_all(bytewise(wire)) == [message]


def test_name_that_is_not_utf8_is_written_back_unchanged() -> None:
    """A name in Latin-1 leaves with the bytes with which it came."""
    wire = message_of(QUERY, DEVICE, element(3, b"CN=Z\xfcrich\x00"), ISSUER, SERIAL)
    [message] = decode_all([wire])
    assert not isinstance(message, Failure)
    assert encode(message) == wire
