"""Invariants for any bytes and any message, one sentence each."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from proto import (
    HEADER_SIZE,
    NEED_DATA,
    REQUESTS,
    CertVerificationRequest,
    CertVerificationResponse,
    Decoder,
    ErrorKind,
    Message,
    MessageType,
    QueryCertRequest,
    QueryCertResponse,
    RemoteProtocolError,
    TrustStatus,
    encode,
)
from proto.text import text_from_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

ALL_TYPES = frozenset(MessageType)

# -- messages ------------------------------------------------------------------------------------------------

session_ids = st.integers(0, 0xFFFF_FFFF)
device_names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
any_names = st.binary(max_size=80).map(lambda value: text_from_bytes(value.replace(b"\0", b"")))
"""Everything that a peer can send as a name, Latin-1 and control characters among it."""
name_values = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60)
issuer_names = st.builds("{}={}".format, st.sampled_from(["CN", "cn", "OU", "2.5.4.5"]), name_values)
"""Names as issuers have them: they start with an attribute type and hold no control character."""
serial_numbers = st.binary(min_size=1, max_size=20).flatmap(lambda value: st.sampled_from([value, b"\0" + value]))
certificates = st.binary(min_size=1, max_size=300)
answers_without_trust = {"session_id": session_ids, "status": st.just(TrustStatus.NOT_TRUSTED)}
answers_with_trust = {
    "session_id": session_ids,
    "status": st.just(TrustStatus.TRUSTED),
    "roles": st.lists(st.integers(0, 255), max_size=5).map(tuple),
    "time_to_live": st.none() | st.integers(0, 0xFFFF_FFFF),
}
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        QueryCertRequest,
        session_id=session_ids,
        device_name=device_names,
        subject_name=any_names,
        issuer_name=issuer_names,
        serial_number=serial_numbers,
    ),
    st.builds(CertVerificationRequest, session_id=session_ids, device_name=device_names, certificate=certificates),
    st.builds(CertVerificationResponse, **answers_without_trust),
    st.builds(CertVerificationResponse, **answers_with_trust),
    st.builds(QueryCertResponse, **answers_without_trust),
    st.builds(
        QueryCertResponse,
        certificates=st.lists(certificates, min_size=1, max_size=3).map(tuple),
        **answers_with_trust,
    ),
)

# -- bytes ---------------------------------------------------------------------------------------------------

elements = st.builds(
    lambda tag, value, error: bytes([tag]) + max(0, len(value) + error).to_bytes(2) + value,
    st.integers(0, 10),
    st.binary(max_size=24) | st.just(b"CN=a\0") | st.sampled_from([b"\0", b"\1"]),
    st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1]),
)
nearly_messages = st.builds(
    lambda kind, payload, error: (
        bytes([0x57, 1, kind, 0, 0, 0, 3, 0xE9]) + max(0, len(payload) + error).to_bytes(2) + payload
    ),
    st.integers(0, 5),
    st.lists(elements, max_size=8).map(b"".join),
    st.sampled_from([0, 0, 0, 0, 1, -1]),
)
"""A header and elements, most of them of the right length, with tags and values that mostly make no sense."""


@st.composite
def mutated_messages(draw: st.DrawFn) -> bytes:
    """Good messages in a row with up to three bytes changed, dropped or doubled."""
    data = bytearray(b"".join(draw(st.lists(messages.map(encode), min_size=1, max_size=2))))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data) - 1))
        change = draw(st.binary(max_size=2))
        data[place : place + 1] = change
        if not data:
            break
    return bytes(data)


any_bytes = st.binary(max_size=100) | nearly_messages | mutated_messages()

# -- invariants ----------------------------------------------------------------------------------------------


def run(
    pieces: Iterable[bytes], accept: Collection[MessageType] = ALL_TYPES, max_payload: int = 0xFFFF
) -> list[Message | tuple[ErrorKind, str, int | None]]:
    """The results of a decoder for these pieces and the end of the stream; only the remote error may be raised."""
    decoder = Decoder(accept=accept, max_payload=max_payload)
    found: list[Message | tuple[ErrorKind, str, int | None]] = []
    try:
        for piece in pieces:
            decoder.receive_data(piece)
            while (message := decoder.next_message()) is not NEED_DATA:
                found.append(message)
            assert decoder.buffered < HEADER_SIZE + max_payload
        decoder.receive_end()
        assert decoder.next_message() is NEED_DATA
        assert decoder.buffered == 0
    except RemoteProtocolError as error:
        found.append((error.kind, error.reason, error.offset))
        assert decoder.buffered == 0
    return found


def bytewise(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


@given(any_bytes)
@example(b"")
@example(b"\x57\x01\x03\x00\x00\x00\x03\xe9\x00\x00")
def test_any_bytes_decode_or_raise_the_remote_error(data: bytes) -> None:
    """Any bytes decode to messages or raise RemoteProtocolError, byte by byte exactly as in one piece."""
    assert run(bytewise(data)) == run([data])


@given(any_bytes, st.sampled_from([REQUESTS, ALL_TYPES]), st.sampled_from([0, 8, 40, 100]))
def test_buffer_never_holds_more_than_the_limit(data: bytes, accept: Collection[MessageType], max_payload: int) -> None:
    """The buffer holds less than one largest message, whatever the limit and the pieces are."""
    assert run(bytewise(data), accept, max_payload) == run([data], accept, max_payload)


@given(st.lists(any_bytes, max_size=4), st.lists(st.integers(0, 400), max_size=6))
def test_any_cuts_give_the_same(parts: list[bytes], cuts: list[int]) -> None:
    """However a stream is cut into pieces, the same messages and the same error come out."""
    data = b"".join(parts)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert run(pieces) == run([data])


@given(st.lists(messages, max_size=4))
def test_decode_undoes_encode(sent: list[Message]) -> None:
    """Encoded messages are decoded to equal messages in the same order."""
    assert run([b"".join(map(encode, sent))]) == sent


@given(nearly_messages | mutated_messages())
def test_decoded_message_can_be_encoded(data: bytes) -> None:
    """Whatever the decoder accepts is a message that the encoder can write."""
    for message in run([data]):
        if not isinstance(message, tuple):
            assert len(encode(message)) >= HEADER_SIZE
