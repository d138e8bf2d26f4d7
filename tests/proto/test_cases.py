"""One table of captures drives encoder and decoder; each has altered twins with their exact error."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from proto import (
    NEED_DATA,
    REQUESTS,
    RESPONSES,
    CertVerificationRequest,
    CertVerificationResponse,
    Decoder,
    ErrorKind,
    LocalProtocolError,
    Message,
    MessageType,
    QueryCertRequest,
    QueryCertResponse,
    RemoteProtocolError,
    TrustStatus,
    encode,
    encode_payload,
    frame,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

TRUSTED = TrustStatus.TRUSTED
NOT_TRUSTED = TrustStatus.NOT_TRUSTED


class Failure(NamedTuple):
    """What is compared of an error."""

    kind: ErrorKind
    offset: int | None


def decode_all(pieces: Iterable[bytes]) -> list[Message | Failure]:
    """Everything that comes out of these pieces and the end of the stream, an error last."""
    decoder = Decoder()
    found: list[Message | Failure] = []
    try:
        for piece in pieces:
            decoder.receive_data(piece)
            drain(decoder, found)
        decoder.receive_end()
        drain(decoder, found)
    except RemoteProtocolError as error:
        found.append(Failure(error.kind, error.offset))
    return found


def drain(decoder: Decoder, found: list[Message | Failure]) -> None:
    while (message := decoder.next_message()) is not NEED_DATA:
        found.append(message)


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def element(tag: int, value: bytes) -> bytes:
    return bytes([tag]) + len(value).to_bytes(2) + value


def message_of(message_type: int, *elements: bytes) -> bytes:
    payload = b"".join(elements)
    return bytes([0x57, 1, message_type, 0, 0, 0, 3, 0xE9]) + len(payload).to_bytes(2) + payload


# -- what is written and read --------------------------------------------------------------------------------


class Case(NamedTuple):
    """A message and its bytes, written down by hand."""

    wire: bytes
    message: Message


CASES = {
    "verification request": Case(
        b"\x57\x01\x01\x00\x00\x00\x03\xea\x00\x22\x01\x00\x18\x01CP-7975-SEP0019E8F2AFBB\x02\x00\x04\x30\x02\x05\x00",
        CertVerificationRequest(
            session_id=1002, device_name="CP-7975-SEP0019E8F2AFBB", certificate=b"\x30\x02\x05\x00"
        ),
    ),
    "verification answer, trusted": Case(
        b"\x57\x01\x02\x00\x00\x00\x03\xea\x00\x10\x07\x00\x01\x00\x08\x00\x02\x00\x02\x09\x00\x04\x00\x01\x51\x80",
        CertVerificationResponse(session_id=1002, status=TRUSTED, roles=(0, 2), time_to_live=86_400),
    ),
    "verification answer, not trusted": Case(
        b"\x57\x01\x02\x00\xff\xff\xff\xff\x00\x04\x07\x00\x01\x01",
        CertVerificationResponse(session_id=0xFFFF_FFFF, status=NOT_TRUSTED),
    ),
    "query": Case(
        b"\x57\x01\x03\x00\x00\x00\x03\xe9\x00\x30"
        b"\x01\x00\x08\x01"
        b"CP-8861"
        b"\x03\x00\x0a"
        b"CN=a;OU=b\x00"
        b"\x04\x00\x0d"
        b"CN=Some CA 1\x00"
        b"\x05\x00\x05"
        b"\x6b\x1d\x35\x7b\x68",
        QueryCertRequest(
            session_id=1001,
            device_name="CP-8861",
            subject_name="CN=a;OU=b",
            issuer_name="CN=Some CA 1",
            serial_number=b"\x6b\x1d\x35\x7b\x68",
        ),
    ),
    "query answer, trusted": Case(
        b"\x57\x01\x04\x00\x00\x00\x03\xe9\x00\x15"
        b"\x07\x00\x01\x00"
        b"\x02\x00\x03"
        b"DER"
        b"\x08\x00\x01\x15"
        b"\x09\x00\x04\x00\x00\x0e\x10",
        QueryCertResponse(session_id=1001, status=TRUSTED, certificates=(b"DER",), roles=(21,), time_to_live=3600),
    ),
    "query answer, two certificates": Case(
        b"\x57\x01\x04\x00\x00\x00\x00\x00\x00\x16"
        b"\x07\x00\x01\x00"
        b"\x02\x00\x01"
        b"A"
        b"\x02\x00\x01"
        b"B"
        b"\x08\x00\x00"
        b"\x09\x00\x04\xff\xff\xff\xff",
        QueryCertResponse(session_id=0, status=TRUSTED, certificates=(b"A", b"B"), roles=(), time_to_live=0xFFFF_FFFF),
    ),
    "query answer, not trusted": Case(
        b"\x57\x01\x04\x00\x00\x00\x03\xe9\x00\x04\x07\x00\x01\x01",
        QueryCertResponse(session_id=1001, status=NOT_TRUSTED),
    ),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@each_case
def test_case_is_encoded(case: Case) -> None:
    """The encoder writes each message exactly as it stands in the table."""
    assert encode(case.message) == case.wire


@each_case
def test_case_is_framed(case: Case) -> None:
    """A payload that was encoded beforehand makes the same message once it is framed."""
    message = case.message
    assert frame(message.message_type, message.session_id, encode_payload(message)) == case.wire


@each_case
def test_case_is_decoded_however_it_arrives(case: Case) -> None:
    """Whole, byte by byte and in every two pieces, the decoder gives the one message."""
    wire = case.wire
    assert decode_all([wire]) == [case.message]
    assert decode_all(bytewise(wire)) == [case.message]
    for cut in range(len(wire) + 1):
        assert decode_all([wire[:cut], wire[cut:]]) == [case.message]


@each_case
def test_case_leaves_trailing_bytes(case: Case) -> None:
    """What follows a message waits in the buffer, outside its frame, and is an error of its own."""
    decoder = Decoder()
    decoder.receive_data(case.wire + b"\x57\x01")
    assert decoder.next_message() == case.message
    assert decoder.frame == case.wire
    assert decoder.next_message() is NEED_DATA
    assert decoder.buffered == 2
    assert decode_all([case.wire + b"\x57\x01"])[1:] == [Failure(ErrorKind.UNEXPECTED_END, 2)]
    assert decode_all([case.wire + b"\x16\x03"])[1:] == [Failure(ErrorKind.DISCRIMINATOR, 0)]


@each_case
@pytest.mark.parametrize("second", CASES.values(), ids=CASES.keys())
def test_two_messages_arrive_at_once(case: Case, second: Case) -> None:
    """Two messages in one piece, or cut anywhere, come out one after the other."""
    wire = case.wire + second.wire
    expected = [case.message, second.message]
    assert decode_all([wire]) == expected
    assert decode_all(bytewise(wire)) == expected
    for cut in range(len(wire)):
        assert decode_all([wire[:cut], wire[cut:]]) == expected


@each_case
def test_case_cut_short_is_an_unexpected_end(case: Case) -> None:
    """A stream that ends inside a message is an error at the place where it ended, whole or byte by byte."""
    for size in range(1, len(case.wire)):
        cut = case.wire[:size]
        assert decode_all([cut]) == [Failure(ErrorKind.UNEXPECTED_END, size)]
        assert decode_all(bytewise(cut)) == [Failure(ErrorKind.UNEXPECTED_END, size)]


@each_case
def test_case_announcing_one_byte_less_is_truncated(case: Case) -> None:
    """A payload length that is one too small cuts the last element, which is refused."""
    wire = case.wire
    shorter = wire[:8] + (len(wire) - 11).to_bytes(2) + wire[10:-1]
    [failure] = decode_all([shorter])
    assert isinstance(failure, Failure)
    assert failure.kind is ErrorKind.TRUNCATED
    assert decode_all(bytewise(shorter)) == [failure]


@each_case
def test_reserved_byte_is_ignored(case: Case) -> None:
    """A real server once sent f7 in the reserved byte: it changes nothing."""
    assert decode_all([case.wire[:3] + b"\xf7" + case.wire[4:]]) == [case.message]


@each_case
@pytest.mark.parametrize(
    ("offset", "value", "kind"),
    [
        (0, 0x58, ErrorKind.DISCRIMINATOR),
        (0, 0x16, ErrorKind.DISCRIMINATOR),  # a TLS handshake inside TLS
        (0, 0x47, ErrorKind.DISCRIMINATOR),  # GET
        (1, 0, ErrorKind.VERSION),
        (1, 2, ErrorKind.VERSION),
        (2, 0, ErrorKind.MESSAGE_TYPE),
        (2, 5, ErrorKind.MESSAGE_TYPE),
    ],
)
def test_altered_header_is_refused_at_its_byte(case: Case, offset: int, value: int, kind: ErrorKind) -> None:
    """A wrong discriminator, version or type is refused as soon as that byte is in, with its offset."""
    altered = case.wire[:offset] + bytes([value]) + case.wire[offset + 1 :]
    for pieces in ([altered], bytewise(altered), [altered[: offset + 1]]):
        assert decode_all(pieces) == [Failure(kind, offset)]


# -- altered twins -------------------------------------------------------------------------------------------

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
    """What differs from what we write but can be understood is understood, whole and byte by byte."""
    assert decode_all([wire]) == [message]
    assert decode_all(bytewise(wire)) == [message]


def test_name_that_is_not_utf8_is_written_back_unchanged() -> None:
    """A name in Latin-1 leaves with the bytes with which it came."""
    wire = message_of(QUERY, DEVICE, element(3, b"CN=Z\xfcrich\x00"), ISSUER, SERIAL)
    [message] = decode_all([wire])
    assert not isinstance(message, Failure)
    assert encode(message) == wire


# -- limits --------------------------------------------------------------------------------------------------


def header(message_type: int, length: int) -> bytes:
    return bytes([0x57, 1, message_type, 0, 0, 0, 3, 0xE9]) + length.to_bytes(2)


def verification_of_size(size: int) -> bytes:
    """A verification request whose payload has this size."""
    return message_of(VERIFY, DEVICE, element(2, b"x" * (size - len(DEVICE) - 3)))


def service_decoder() -> Decoder:
    """As the service uses it: requests only, 16 KiB at the most."""
    return Decoder(accept=REQUESTS, max_payload=16_384)


def test_largest_request_is_taken() -> None:
    """A request with a payload of exactly 16 KiB is decoded."""
    decoder = service_decoder()
    decoder.receive_data(verification_of_size(16_384))
    message = decoder.next_message()
    assert isinstance(message, CertVerificationRequest)
    assert len(message.certificate) == 16_384 - 14


def test_larger_request_is_refused_before_it_is_buffered() -> None:
    """A header that announces one byte more than 16 KiB is refused when only its 10 bytes are in."""
    decoder = service_decoder()
    too_large = header(VERIFY, 16_385)
    decoder.receive_data(too_large[:9])
    assert decoder.next_message() is NEED_DATA
    decoder.receive_data(too_large[9:])
    with pytest.raises(RemoteProtocolError, match="16385 bytes is announced") as caught:
        decoder.next_message()
    assert (caught.value.kind, caught.value.offset) == (ErrorKind.TOO_LARGE, 8)
    decoder.receive_data(b"x" * 16_385)
    assert decoder.buffered == 0


def test_client_takes_the_largest_payload_of_all() -> None:
    """The client's decoder takes the 65,535 bytes that the length field can announce."""
    head = YES + ROLES + TIME_TO_LIVE
    wire = message_of(ANSWER, head, element(2, b"x" * (65_535 - len(head) - 3)))
    assert wire[8:10] == b"\xff\xff"
    decoder = Decoder(accept=RESPONSES)
    decoder.receive_data(wire)
    message = decoder.next_message()
    assert isinstance(message, QueryCertResponse)
    assert encode(message)[8:10] == b"\xff\xff"


@pytest.mark.parametrize("message_type", sorted(RESPONSES))
def test_answer_is_refused_where_requests_are_taken(message_type: MessageType) -> None:
    """The service refuses an answer at its third byte."""
    decoder = service_decoder()
    decoder.receive_data(header(message_type, 4)[:2])
    assert decoder.next_message() is NEED_DATA
    decoder.receive_data(header(message_type, 4)[2:3])
    with pytest.raises(RemoteProtocolError, match="is not taken here") as caught:
        decoder.next_message()
    assert (caught.value.kind, caught.value.offset) == (ErrorKind.MESSAGE_TYPE, 2)


@pytest.mark.parametrize("message_type", sorted(REQUESTS))
def test_request_is_refused_where_answers_are_taken(message_type: MessageType) -> None:
    """The client refuses a request, even one that announces too much: the first wrong byte counts."""
    decoder = Decoder(accept=RESPONSES, max_payload=100)
    decoder.receive_data(header(message_type, 101))
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.next_message()
    assert caught.value.kind is ErrorKind.MESSAGE_TYPE


# -- life of a decoder ---------------------------------------------------------------------------------------


def test_error_of_the_decoder_lasts() -> None:
    """After an error the decoder gives the same error for ever and keeps nothing more."""
    decoder = Decoder()
    decoder.receive_data(b"GET / HTTP/1.1\r\n")
    texts = []
    for _ in range(3):
        with pytest.raises(RemoteProtocolError) as caught:
            decoder.next_message()
        texts.append(str(caught.value))
        decoder.receive_data(CASES["query"].wire)
    assert texts == ["a message starts with 0x57, not 0x47 (at byte 0)"] * 3
    assert decoder.buffered == 0


def test_end_between_messages_is_no_error() -> None:
    """A stream that ends where a message ended needs more data and says nothing else."""
    decoder = Decoder()
    decoder.receive_data(CASES["query"].wire)
    decoder.receive_end()
    assert decoder.next_message() == CASES["query"].message
    assert decoder.next_message() is NEED_DATA
    assert decoder.next_message() is NEED_DATA


def test_data_after_the_end_is_our_own_mistake() -> None:
    """To feed bytes after the end of the stream is a misuse of the decoder, not the peer's fault."""
    decoder = Decoder()
    decoder.receive_end()
    with pytest.raises(LocalProtocolError, match="after the end"):
        decoder.receive_data(b"\x57")
