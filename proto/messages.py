"""The four messages between a phone and the service, as values.

Names are `str` in CTL text form. Bytes that are not UTF-8 survive as surrogate escapes, so that a decoded
message encodes to the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from proto.errors import LocalProtocolError

MAX_SESSION_ID = 0xFFFF_FFFF
MAX_SERIAL = 21
"""Maximum bytes of a serial number: 20 in a certificate (RFC 5280, 4.1.2.2), a 00 may precede them."""


class MessageType(IntEnum):
    """Byte 2 of the header."""

    CERT_VERIFICATION_REQ = 1
    CERT_VERIFICATION_RES = 2
    QUERY_CERT_REQ = 3
    QUERY_CERT_RES = 4


REQUESTS = frozenset({MessageType.CERT_VERIFICATION_REQ, MessageType.QUERY_CERT_REQ})
RESPONSES = frozenset({MessageType.CERT_VERIFICATION_RES, MessageType.QUERY_CERT_RES})


class TrustStatus(IntEnum):
    """The status element of an answer."""

    TRUSTED = 0
    NOT_TRUSTED = 1


def _check_session_id(session_id: int) -> None:
    if not 0 <= session_id <= MAX_SESSION_ID:
        raise LocalProtocolError(f"session id {session_id} is not in 0 … {MAX_SESSION_ID}")


def is_serial(value: bytes) -> bool:
    """Whether these bytes can be a serial number: 1 to 20, or 21 when the first is 00."""
    return 1 <= len(value) < MAX_SERIAL or (len(value) == MAX_SERIAL and value[0] == 0)


def _check_certificate(certificate: bytes) -> None:
    if not certificate:
        raise LocalProtocolError("a certificate without bytes")


def _check_answer(status: TrustStatus, roles: tuple[int, ...], time_to_live: int | None) -> None:
    if status is TrustStatus.NOT_TRUSTED and (roles or time_to_live is not None):
        raise LocalProtocolError("an answer 'not trusted' carries neither roles nor a time to live")
    if roles and not 0 <= min(roles) <= max(roles) <= 0xFF:
        raise LocalProtocolError(f"a role is one byte: {roles}")
    if time_to_live is not None and not 0 <= time_to_live <= 0xFFFF_FFFF:
        raise LocalProtocolError(f"a time to live is 4 bytes of seconds: {time_to_live}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertVerificationRequest:
    """Request: 'is exactly this certificate trusted?', which a phone asks for a secure service URL.

    Attributes:
        message_type: the type code of the header.
        session_id: chosen by the phone, 32 bits; the answer repeats it.
        device_name: model and name, such as ``CP-8861-SEPB000B4BA0AEE``; printable ASCII, may be empty.
        certificate: X.509 DER, not examined here; not empty.
    """

    message_type: ClassVar[MessageType] = MessageType.CERT_VERIFICATION_REQ
    session_id: int
    device_name: str
    certificate: bytes

    def __post_init__(self) -> None:
        _check_session_id(self.session_id)
        _check_certificate(self.certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertVerificationResponse:
    """The answer to a `CertVerificationRequest`.

    Attributes:
        message_type: the type code of the header.
        session_id: that of the request.
        status: trusted or not.
        roles: role codes, 0 to 255 each; empty when not trusted.
        time_to_live: seconds, 0 to 2**32 - 1; None when not trusted.
    """

    message_type: ClassVar[MessageType] = MessageType.CERT_VERIFICATION_RES
    session_id: int
    status: TrustStatus
    roles: tuple[int, ...] = ()
    time_to_live: int | None = None

    def __post_init__(self) -> None:
        _check_session_id(self.session_id)
        _check_answer(self.status, self.roles, self.time_to_live)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCertRequest:
    """Request: 'who is this signer?', which a phone asks about the unknown signer of a trust list.

    The three fields are the phone's copy of the list's own header, not a fresh rendering of a certificate.

    Attributes:
        message_type: the type code of the header.
        session_id: chosen by the phone, 32 bits; the answer repeats it.
        device_name: model and name; printable ASCII, may be empty.
        subject_name: the signer's name in CTL text form, without the NUL that ends it on the wire.
        issuer_name: the issuer's name in the same form; it holds a ``=``.
        serial_number: raw bytes as they stand in the list, 1 to 20; a 00 may precede them.
    """

    message_type: ClassVar[MessageType] = MessageType.QUERY_CERT_REQ
    session_id: int
    device_name: str
    subject_name: str
    issuer_name: str
    serial_number: bytes

    def __post_init__(self) -> None:
        _check_session_id(self.session_id)
        if not is_serial(self.serial_number):
            raise LocalProtocolError(f"a serial number has 1 to 20 bytes, not {self.serial_number.hex(' ')!r}")
        if "=" not in self.issuer_name:
            raise LocalProtocolError(f"an issuer name holds at least one 'type=value': {self.issuer_name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCertResponse:
    """The answer to a `QueryCertRequest`.

    Attributes:
        message_type: the type code of the header.
        session_id: that of the request.
        status: trusted or not.
        certificates: X.509 DER each, not empty; one or more when trusted, none when not.
        roles: role codes, 0 to 255 each; empty when not trusted.
        time_to_live: seconds, 0 to 2**32 - 1; None when not trusted.
    """

    message_type: ClassVar[MessageType] = MessageType.QUERY_CERT_RES
    session_id: int
    status: TrustStatus
    certificates: tuple[bytes, ...] = ()
    roles: tuple[int, ...] = ()
    time_to_live: int | None = None

    def __post_init__(self) -> None:
        _check_session_id(self.session_id)
        _check_answer(self.status, self.roles, self.time_to_live)
        if (self.status is TrustStatus.TRUSTED) is not bool(self.certificates):
            raise LocalProtocolError("a certificate stands in every answer 'trusted' to a query, and in no other")
        for certificate in self.certificates:
            _check_certificate(certificate)


Request = CertVerificationRequest | QueryCertRequest
Response = CertVerificationResponse | QueryCertResponse
Message = Request | Response
