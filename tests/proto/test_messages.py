"""Messages refuse impossible values when they are made, or when they are encoded."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from proto import (
    DEFAULT_TIME_TO_LIVE,
    CertVerificationRequest,
    CertVerificationResponse,
    ErrorKind,
    LocalProtocolError,
    MessageType,
    ProtocolError,
    QueryCertRequest,
    QueryCertResponse,
    RemoteProtocolError,
    TrustStatus,
    encode,
    frame,
)

if TYPE_CHECKING:
    from proto import Message

QUERY = QueryCertRequest(
    session_id=1, device_name="SEP", subject_name="CN=a", issuer_name="CN=b", serial_number=b"\x01"
)
VERIFY = CertVerificationRequest(session_id=1, device_name="SEP", certificate=b"DER")
VERIFIED = CertVerificationResponse(
    session_id=1, status=TrustStatus.TRUSTED, roles=(0,), time_to_live=DEFAULT_TIME_TO_LIVE
)
ANSWER = QueryCertResponse(session_id=1, status=TrustStatus.TRUSTED, certificates=(b"DER",), roles=(0,))
REFUSAL = QueryCertResponse(session_id=1, status=TrustStatus.NOT_TRUSTED)

IMPOSSIBLE: list[tuple[Message, dict[str, Any]]] = [
    (QUERY, {"session_id": -1}),
    (QUERY, {"session_id": 2**32}),
    (QUERY, {"serial_number": b""}),
    (QUERY, {"serial_number": b"\x01" * 21}),
    (QUERY, {"serial_number": b"\x00" * 22}),
    (QUERY, {"issuer_name": "Some CA"}),
    (VERIFY, {"session_id": 2**32}),
    (VERIFY, {"certificate": b""}),
    (VERIFIED, {"session_id": -1}),
    (VERIFIED, {"roles": (256,)}),
    (VERIFIED, {"roles": (0, -1)}),
    (VERIFIED, {"time_to_live": -1}),
    (VERIFIED, {"time_to_live": 2**32}),
    (VERIFIED, {"status": TrustStatus.NOT_TRUSTED}),
    (VERIFIED, {"status": TrustStatus.NOT_TRUSTED, "roles": ()}),
    (ANSWER, {"session_id": -1}),
    (ANSWER, {"certificates": ()}),
    (ANSWER, {"certificates": (b"DER", b"")}),
    (REFUSAL, {"certificates": (b"DER",)}),
    (REFUSAL, {"roles": (0,)}),
    (REFUSAL, {"time_to_live": 0}),
]


@pytest.mark.parametrize(("message", "changes"), IMPOSSIBLE)
def test_impossible_message_cannot_be_made(message: Message, changes: dict[str, Any]) -> None:
    """A value that its field cannot have is refused on construction, as our own mistake."""
    with pytest.raises(LocalProtocolError):
        dataclasses.replace(message, **changes)


UNSENDABLE: list[tuple[Message, dict[str, Any], str]] = [
    (QUERY, {"device_name": "Zürich"}, "a device name is printable ASCII"),
    (QUERY, {"device_name": "SEP\n"}, "a device name is printable ASCII"),
    (QUERY, {"subject_name": "CN=a\0"}, "a name cannot hold a NUL"),
    (QUERY, {"issuer_name": "CN=\0b"}, "a name cannot hold a NUL"),
    (QUERY, {"subject_name": "CN=\ud800"}, "a name is Unicode text"),
    (QUERY, {"subject_name": "x" * 65_535}, "element 3 has 65536 bytes"),
    (VERIFY, {"certificate": bytes(65_536)}, "element 2 has 65536 bytes"),
    (VERIFY, {"certificate": bytes(65_535)}, "a payload has 65545 bytes; 65535 is the most"),
    (ANSWER, {"certificates": (bytes(33_000), bytes(33_000))}, "a payload has 66014 bytes"),
]


@pytest.mark.parametrize(("message", "changes", "text"), UNSENDABLE)
def test_unsendable_message_is_not_encoded(message: Message, changes: dict[str, Any], text: str) -> None:
    """The encoder refuses a value that the format cannot carry with a sentence, as our own mistake."""
    with pytest.raises(LocalProtocolError, match=text):
        encode(dataclasses.replace(message, **changes))


def test_payload_too_long_for_its_length_is_not_framed() -> None:
    """A payload made elsewhere is measured before it is framed."""
    assert len(frame(MessageType.QUERY_CERT_RES, 1, bytes(65_535))) == 65_545
    with pytest.raises(LocalProtocolError, match="65536 bytes"):
        frame(MessageType.QUERY_CERT_RES, 1, bytes(65_536))


def test_message_cannot_be_changed() -> None:
    """A message is a value: it stays as it was made."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        QUERY.session_id = 2  # type: ignore[misc]


def test_both_errors_have_one_parent() -> None:
    """A caller that does not care which side is at fault catches the parent."""
    assert issubclass(LocalProtocolError, ProtocolError)
    assert issubclass(RemoteProtocolError, ProtocolError)


def test_remote_error_keeps_its_parts_between_processes() -> None:
    """The error of a worker process arrives with its kind, reason and offset."""
    error = pickle.loads(pickle.dumps(RemoteProtocolError(ErrorKind.TRUNCATED, "cut", 7)))  # noqa: S301 - our own bytes
    assert (error.kind, error.reason, error.offset, str(error)) == (
        ErrorKind.TRUNCATED,
        "cut",
        7,
        "cut (at byte 7)",
    )
    assert str(RemoteProtocolError(ErrorKind.TRUNCATED, "cut")) == "cut"
