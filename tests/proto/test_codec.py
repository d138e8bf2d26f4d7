"""Framing and the decoder: a table of messages whole, in pieces, cut, altered; limits; errors."""

from __future__ import annotations

import pytest

from proto import (
    NEED_DATA,
    REQUESTS,
    RESPONSES,
    CertVerificationRequest,
    Decoder,
    ErrorKind,
    LocalProtocolError,
    MessageType,
    QueryCertResponse,
    RemoteProtocolError,
    encode,
    encode_payload,
    frame,
)
from tests.fixtures.wire import CASES, Case, Failure, bytewise, decode_all, element, message_of

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
    """Bytes after a message wait in the buffer, outside its frame, and are an error of their own."""
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


# -- limits --------------------------------------------------------------------------------------------------


DEVICE = element(1, b"\x01CP-8861")
YES = element(7, b"\x00")
ROLES = element(8, b"\x00\x02")
TIME_TO_LIVE = element(9, b"\x00\x01\x51\x80")


def header(message_type: int, length: int) -> bytes:
    """A header that announces a payload of this length."""
    return bytes([0x57, 1, message_type, 0, 0, 0, 3, 0xE9]) + length.to_bytes(2)


def verification_of_size(size: int) -> bytes:
    """A verification request whose payload has this size."""
    return message_of(MessageType.CERT_VERIFICATION_REQ, DEVICE, element(2, b"x" * (size - len(DEVICE) - 3)))


def service_decoder() -> Decoder:
    """A decoder as the service uses it: requests only, of at most 16 KiB."""
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
    too_large = header(MessageType.CERT_VERIFICATION_REQ, 16_385)
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
    wire = message_of(MessageType.QUERY_CERT_RES, head, element(2, b"x" * (65_535 - len(head) - 3)))
    assert wire[8:10] == b"\xff\xff"
    decoder = Decoder(accept=RESPONSES)
    decoder.receive_data(wire)
    message = decoder.next_message()
    assert isinstance(message, QueryCertResponse)
    assert encode(message)[8:10] == b"\xff\xff"


@pytest.mark.parametrize("message_type", sorted(RESPONSES))
def test_decoder_of_requests_refuses_an_answer(message_type: MessageType) -> None:
    """The service refuses an answer at its third byte."""
    decoder = service_decoder()
    decoder.receive_data(header(message_type, 4)[:2])
    assert decoder.next_message() is NEED_DATA
    decoder.receive_data(header(message_type, 4)[2:3])
    with pytest.raises(RemoteProtocolError, match="is not taken here") as caught:
        decoder.next_message()
    assert (caught.value.kind, caught.value.offset) == (ErrorKind.MESSAGE_TYPE, 2)


@pytest.mark.parametrize("message_type", sorted(REQUESTS))
def test_decoder_of_answers_refuses_a_request(message_type: MessageType) -> None:
    """The client refuses a request, even one that announces too much: the first wrong byte counts."""
    decoder = Decoder(accept=RESPONSES, max_payload=100)
    decoder.receive_data(header(message_type, 101))
    with pytest.raises(RemoteProtocolError) as caught:
        decoder.next_message()
    assert caught.value.kind is ErrorKind.MESSAGE_TYPE


# -- life of a decoder ---------------------------------------------------------------------------------------


def test_error_of_the_decoder_lasts() -> None:
    """After an error the decoder raises the same error forever and buffers nothing more."""
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
    """A stream that ends after a message needs more data and is not an error."""
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
