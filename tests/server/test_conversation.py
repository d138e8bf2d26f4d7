"""Conversation of a phone: decrypted bytes in, answers out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certstore.index import CacheEntry, CertificateIndex
from ctlcache.cache import CertificateCTLCache
from proto.codec import HEADER_SIZE, MAX_REQUEST_PAYLOAD, encode, frame
from proto.messages import CertVerificationRequest, MessageType, QueryCertResponse, TrustStatus
from proto.tlv import Reader, Writer
from tests.fixtures.caches import ISSUER, QUERIED, SERIAL, SUBJECT
from tests.fixtures.phones import ADDRESS, DEVICE, UNKNOWN, decoded, not_trusted, query
from tvs.answers.verifier import TrustVerifier
from tvs.server.conversation import (
    MAX_ANSWERS_PER_TURN,
    MAX_BUFFERED,
    MAX_UNSENT,
    Conversation,
    Turn,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.worker import Worker


def conversation_of(worker: Worker) -> Conversation:
    """A new conversation, traced if the log's level is debug."""
    tracing = worker.shared.tracing
    return Conversation(worker.shared, ADDRESS, None if tracing is None else tracing.connection(1, ADDRESS))


@pytest.fixture
def conversation(worker: Worker) -> Conversation:
    """A conversation that has just begun."""
    return conversation_of(worker)


def everything(conversation: Conversation) -> bytes:
    """All answers, turn by turn."""
    answers, turn = conversation.answer()
    while turn is Turn.MORE:
        more, turn = conversation.answer()
        answers += more
    return answers


# -- answers ---------------------------------------------------------------------------------------------------------


def test_published_query_is_answered(conversation: Conversation, published_query: bytes) -> None:
    """The published query comes back with its session id, the certificate, its roles and its time to live."""
    conversation.receive(published_query)
    answers, turn = conversation.answer()
    assert turn is Turn.DONE
    assert decoded(answers) == [
        QueryCertResponse(
            session_id=1001,
            status=TrustStatus.TRUSTED,
            certificates=(QUERIED,),
            roles=(0, 2),
            time_to_live=86_400,
        )
    ]
    assert (conversation.answered, conversation.unfinished) == (1, False)


def test_query_byte_by_byte(conversation: Conversation, published_query: bytes) -> None:
    """Nothing is answered before the last byte is in, and then the whole answer at once."""
    for number, byte in enumerate(published_query):
        assert conversation.answer() == (b"", Turn.DONE)
        assert conversation.unfinished is (number > 0)
        conversation.receive(bytes([byte]))
    assert decoded(conversation.answer()[0])[0].certificates == (QUERIED,)


def test_several_requests_at_once(conversation: Conversation) -> None:
    """Requests that come together are answered together, in their order."""
    conversation.receive(query(1) + query(2, serial=UNKNOWN) + query(3))
    answers, turn = conversation.answer()
    assert turn is Turn.DONE
    assert [answer.session_id for answer in decoded(answers)] == [1, 2, 3]
    assert not_trusted(2) in answers


def test_start_of_the_next_request_waits(conversation: Conversation) -> None:
    """A whole request is answered though the next one has only begun; that one is unfinished."""
    conversation.receive(query(1, serial=UNKNOWN) + query(2, serial=UNKNOWN)[:5])
    assert conversation.answer() == (not_trusted(1), Turn.DONE)
    assert (conversation.answered, conversation.unfinished) == (1, True)
    conversation.receive(query(2, serial=UNKNOWN)[5:])
    assert conversation.answer() == (not_trusted(2), Turn.DONE)
    assert (conversation.answered, conversation.unfinished) == (2, False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data(), serials=st.lists(st.sampled_from([SERIAL, UNKNOWN]), min_size=1, max_size=5))
def test_pieces_do_not_matter(worker: Worker, data: st.DataObject, serials: list[bytes]) -> None:
    """However a stream of requests is cut, the answers are the same bytes."""
    stream = b"".join(query(number, serial=serial) for number, serial in enumerate(serials))
    whole, pieces = conversation_of(worker), conversation_of(worker)
    whole.receive(stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    answers = b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        pieces.receive(stream[start:end])
        answers += everything(pieces)
    assert answers == everything(whole)
    assert len(decoded(answers)) == len(serials)


# -- malformed requests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "discriminator"),
        (b"\x57\x02", "version"),
        (b"\x57\x01\x04", "message_type"),
        (b"\x57\x01\x09", "message_type"),
        (bytes.fromhex("57010300 00000001 4001"), "too_large"),
        (bytes.fromhex("57010300 00000001 0003 010018"), "truncated"),
        (bytes.fromhex("57010300 00000001 0003 030000"), "missing_element"),
    ],
)
def test_bad_request_after_good_ones(worker: Worker, bad: bytes, kind: str) -> None:
    """Good requests before a bad one are answered; the bad one is counted and logged, and nothing follows it."""
    conversation = conversation_of(worker)
    conversation.receive(query(1, serial=UNKNOWN) + query(2, serial=UNKNOWN) + bad)
    assert conversation.answer() == (not_trusted(1) + not_trusted(2), Turn.MALFORMED)
    conversation.receive(query(3))
    assert everything(conversation) == b""
    assert conversation.answered == 2
    assert worker.counted()[f"tvs_protocol_errors_total{{{kind}}}"] == 1
    (line,) = worker.events("malformed_request")
    assert (line["address"], line["kind"]) == (ADDRESS, kind)


def test_answers_are_not_requests(conversation: Conversation) -> None:
    """A phone that sends an answer's message type is refused at its third byte."""
    conversation.receive(frame(MessageType.QUERY_CERT_RES, 1, b"")[:3])
    assert conversation.answer() == (b"", Turn.MALFORMED)


# -- limits ----------------------------------------------------------------------------------------------------------


def test_turn_has_a_number_of_answers(conversation: Conversation) -> None:
    """A turn ends after a number of answers, so that other phones get theirs; the next turn continues there."""
    conversation.receive(b"".join(query(number, serial=UNKNOWN) for number in range(MAX_ANSWERS_PER_TURN + 1)))
    answers, turn = conversation.answer()
    assert (len(decoded(answers)), turn) == (MAX_ANSWERS_PER_TURN, Turn.MORE)
    assert conversation.unfinished
    assert conversation.answer() == (not_trusted(MAX_ANSWERS_PER_TURN), Turn.DONE)


def test_turn_has_a_size(worker: Worker, tmp_path: Path) -> None:
    """Large certificates end a turn sooner: it stops with the answer that passes the limit of unsent bytes."""
    large = CertificateCTLCache(tmp_path / "CTLFile.tlv")
    entry = CacheEntry(
        serial_number=SERIAL, issuer_name=ISSUER, certificate=b"c" * (MAX_UNSENT // 3), roles=(0,), time_to_live=60
    )
    large.swap(CertificateIndex([entry]))
    worker.shared.verifier = TrustVerifier(large, large)
    conversation = conversation_of(worker)
    conversation.receive(query(0) * 5)
    answers, turn = conversation.answer()
    assert (len(decoded(answers)), turn) == (3, Turn.MORE)
    answers, turn = conversation.answer()
    assert (len(decoded(answers)), turn) == (2, Turn.DONE)


@pytest.mark.parametrize("announced", [0, 1, MAX_REQUEST_PAYLOAD - 1, MAX_REQUEST_PAYLOAD])
def test_full_buffer_always_gives_a_turn_work(conversation: Conversation, announced: int) -> None:
    """A full buffer always holds a whole request or an error: no phone can get stuck."""
    start = bytes.fromhex("57010300 00000001") + announced.to_bytes(2)
    conversation.receive(start.ljust(MAX_BUFFERED - 1, b"\0"))
    full = [conversation.full]
    conversation.receive(b"\0")
    full.append(conversation.full)
    answers, turn = conversation.answer()
    assert answers or turn is Turn.MALFORMED
    assert [*full, conversation.full] == [False, True, False]


def test_largest_request_fits(conversation: Conversation) -> None:
    """A verification request with the largest payload is answered."""
    smallest = CertVerificationRequest(session_id=9, device_name=DEVICE, certificate=b"x")
    room = MAX_BUFFERED - len(encode(smallest)) + 1
    data = encode(CertVerificationRequest(session_id=9, device_name=DEVICE, certificate=b"x" * room))
    assert len(data) == MAX_BUFFERED
    conversation.receive(data)
    assert conversation.answer() == (bytes.fromhex("57010200 00000009 0004 07000101"), Turn.DONE)


# -- the end of the stream -------------------------------------------------------------------------------------------


def test_stream_that_ends_inside_a_request(worker: Worker, published_query: bytes) -> None:
    """The end of the phone's bytes inside a request is a protocol error of its own kind."""
    conversation = conversation_of(worker)
    conversation.receive(published_query + published_query[:-1])
    assert len(decoded(conversation.answer()[0])) == 1
    conversation.end()
    assert worker.counted()["tvs_protocol_errors_total{unexpected_end}"] == 1


def test_stream_that_ends_after_a_request(worker: Worker, published_query: bytes) -> None:
    """The end after a whole request is not an error."""
    conversation = conversation_of(worker)
    conversation.receive(published_query)
    conversation.answer()
    conversation.end()
    assert not [name for name in worker.counted() if name.startswith("tvs_protocol_errors")]


# -- counts, log, trace -----------------------------------------------------------------------------------------------


def test_each_request_is_counted_once(worker: Worker) -> None:
    """Each answered request is in exactly one of the combinations of type, result and source, with its time."""
    conversation = conversation_of(worker)
    verification = CertVerificationRequest(session_id=3, device_name=DEVICE, certificate=b"not a certificate")
    conversation.receive(query(1) + query(2, serial=UNKNOWN) + encode(verification) + query(4))
    conversation.answer()
    counted = {name: value for name, value in worker.counted().items() if name.startswith("tvs_requests_total")}
    assert counted == {
        "tvs_requests_total{query_cert_req,trusted,db}": 2,
        "tvs_requests_total{query_cert_req,not_found,none}": 1,
        "tvs_requests_total{cert_verification_req,unreadable,none}": 1,
    }
    assert worker.counted()["tvs_request_duration_seconds_count{answer}"] == 4


def test_each_request_is_logged_at_info(worker: Worker) -> None:
    """At info a request is one line."""
    conversation = conversation_of(worker)
    conversation.receive(query(1))
    conversation.answer()
    (line,) = worker.logged()
    assert (line["event"], line["level"], line["address"], line["device"]) == ("request", "info", ADDRESS, DEVICE)
    assert (line["subject"], line["issuer"], line["serial"]) == (SUBJECT, ISSUER, SERIAL.hex().upper())
    assert (line["result"], line["source"], line["roles"]) == ("trusted", "db", [0, 2])
    assert line["tags"] == "1,3,4,5"


def test_line_shows_the_elements_as_they_came(worker: Worker, published_query: bytes) -> None:
    """Tags stand in the line as the phone sent them: other ones for the serial number, unknown and repeated ones."""
    device, subject, issuer, serial = (element.value for element in Reader(published_query, HEADER_SIZE).elements())
    payload = Writer()
    for tag, value in ((200, b""), (6, serial), (1, device), (77, b"?"), (4, issuer), (200, b"2"), (3, subject)):
        payload.element(tag, value)
    conversation = conversation_of(worker)
    conversation.receive(frame(MessageType.QUERY_CERT_REQ, 1, bytes(payload)))
    assert decoded(conversation.answer()[0])[0].status is TrustStatus.TRUSTED
    (line,) = worker.events("request")
    assert line["tags"] == "200,6,1,77,4,200,3"


def test_no_request_is_logged_above_info(make_worker: Callable[..., Worker]) -> None:
    """At warning good requests leave no line."""
    worker = make_worker("warning")
    conversation = conversation_of(worker)
    conversation.receive(query(1))
    assert conversation.answer()[0]
    assert worker.logged() == []


def test_request_is_traced_at_debug(make_worker: Callable[..., Worker], published_query: bytes) -> None:
    """At debug the handler's lines stand between those of the request and those of the answer."""
    worker = make_worker("debug")
    conversation = conversation_of(worker)
    conversation.receive(published_query)
    answer, _ = conversation.answer()
    texts = [line["text"] for line in worker.logged() if "text" in line]
    assert texts[0] == "1:UNKNOWN:Incoming Phone Msg:\nHEX_DUMP: Len = 153:"
    received = texts.index(
        "1:UNKNOWN:TVS CORE: Rcvd Event: TVS_EV_QUERY_CERT_REQ in State: TVS_STATE_AWAIT_REQ",
    )
    handled = texts.index("tvsHandleQueryCertReq")
    timer = texts.index("tvsHandleQueryCertReq: Timer started from tvsHandleNewPhConnection")
    sending = texts.index("1:UNKNOWN:Sending QUERY_CERT_RES msg")
    assert received + 1 == handled < timer == sending - 1
    sent = texts.index(f"Sending TLS Msg ..\nHEX_DUMP: Len = {len(answer)}:")
    assert texts[sending + 1] == "tvsPhoneDecodeMsg -\nDecoded Phone Msg:"
    assert texts[sending + 3] == "MsgType : TVS_MSG_QUERY_CERT_RES"
    assert texts[sending + 1 : sent].index("Cert[0] :") == 7
    assert texts[sent - 1] == QUERIED[48:50].hex(" ")
