"""Trace lines of a connection, exact to the character, as the reference has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proto.codec import frame
from proto.messages import MessageType
from proto.tlv import Writer
from tests.fixtures.phones import ADDRESS
from tvs.log.forms import MAX_LINE
from tvs.server.states import SessionState
from tvs.server.traces import ConnectionTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.worker import Worker


class Lines(list[str]):
    """The texts of a trace."""

    def __call__(self, _event: str, text: str, /, **_fields: object) -> None:
        self.append(text)


@pytest.fixture
def lines() -> Lines:
    """What was traced."""
    return Lines()


@pytest.fixture
def trace(lines: Lines) -> ConnectionTrace:
    """The trace of the third connection."""
    return ConnectionTrace(lines, 3, ADDRESS)


def test_accepted_connection(trace: ConnectionTrace, lines: Lines) -> None:
    """The listening socket, the counters since the start, the event of a new phone, the phone's address."""
    trace.accepted(0x1A, 22, 5, 3)
    assert lines == [
        "Accepted TCP connection from socket 0x0000001a, fd = 22",
        "Total Session attempted = 5 accepted = 3",
        "tvsGetNextThread",
        "Recd event",
        "new ph on fd 22",
        "ipAddrStr (Phone) 192.0.2.77",
        "3:UNKNOWN:Got a new ph conn 192.0.2.77 on 22, Total Acc = 3..",
    ]


def test_finished_handshake(trace: ConnectionTrace, lines: Lines) -> None:
    """The phone's address and the notification, the suite, then the end of the handshake."""
    trace.handshake_done("AES256-SHA")
    assert lines == [
        "ipAddrStr (Phone) 192.0.2.77",
        "tvsSSLHandShakeNotify",
        "192.0.2.77: tvsSSLHandShake Session ciphers - AES256-SHA",
        "TLS HS Done for ph_conn",
    ]


def test_request(trace: ConnectionTrace, lines: Lines, published_query: bytes) -> None:
    """A dump of the first 50 bytes, eight on a line, then the header's fields and the event."""
    trace.incoming(published_query, MessageType.QUERY_CERT_REQ, 1001, SessionState.AWAIT_REQUEST)
    assert lines == [
        "3:UNKNOWN:Incoming Phone Msg:\nHEX_DUMP: Len = 153:",
        "57 01 03 00 00 00 03 e9",
        "00 8f 01 00 18 01 43 50",
        "2d 38 38 36 31 2d 53 45",
        "50 42 30 30 30 42 34 42",
        "41 30 41 45 45 03 00 42",
        "43 4e 3d 75 63 6d 31 31",
        "70 75",
        "tvsPhoneDecodeMsg -\nDecoded Phone Msg:",
        "Protocol Discriminator: 57",
        "MsgType : TVS_MSG_QUERY_CERT_REQ",
        "Session Id : 1001",
        "Length : 143",
        "3:UNKNOWN:TVS CORE: Rcvd Event: TVS_EV_QUERY_CERT_REQ in State: TVS_STATE_AWAIT_REQ",
    ]


@pytest.mark.parametrize(
    ("request_type", "name"),
    [(MessageType.QUERY_CERT_REQ, "QUERY_CERT_RES"), (MessageType.CERT_VERIFICATION_REQ, "CERT_VERIF_RES")],
)
def test_answer(trace: ConnectionTrace, lines: Lines, request_type: MessageType, name: str) -> None:
    """The answer's name, which the original shortens for a verification, and its dump."""
    trace.sending(bytes.fromhex("57010400000003e9000407000101"), request_type)
    assert lines == [
        f"3:UNKNOWN:Sending {name} msg",
        "Sending TLS Msg ..\nHEX_DUMP: Len = 14:",
        "57 01 04 00 00 00 03 e9",
        "00 04 07 00 01 01",
    ]


def test_answer_with_a_certificate(trace: ConnectionTrace, lines: Lines) -> None:
    """Such an answer is decoded like a request, its certificate's first 50 bytes are dumped, then it is sent.

    Lengths and first bytes are those of the published answer: 1480 bytes, a certificate of 1451.
    """
    certificate = bytes.fromhex("308205a73082048fa003020102021324000000179479b8f124ac3f3b000000000017300d06092a8648")
    certificate += bytes.fromhex("86f70d01010b05003081") + bytes(1400)
    payload = Writer()
    for tag, value in ((7, b"\0"), (2, certificate), (8, b"\0\3"), (9, (86_400).to_bytes(4))):
        payload.element(tag, value)
    trace.sending(frame(MessageType.QUERY_CERT_RES, 1001, bytes(payload)), MessageType.QUERY_CERT_REQ)
    assert lines == [
        "3:UNKNOWN:Sending QUERY_CERT_RES msg",
        "tvsPhoneDecodeMsg -\nDecoded Phone Msg:",
        "Protocol Discriminator: 57",
        "MsgType : TVS_MSG_QUERY_CERT_RES",
        "Session Id : 1001",
        "Length : 1470",
        "ReasonInfo : 0",
        "Number of Certs : 1",
        "Cert[0] :",
        "Cert Type : 0\nHEX_DUMP: Len = 1451:",
        "30 82 05 a7 30 82 04 8f",
        "a0 03 02 01 02 02 13 24",
        "00 00 00 17 94 79 b8 f1",
        "24 ac 3f 3b 00 00 00 00",
        "00 17 30 0d 06 09 2a 86",
        "48 86 f7 0d 01 01 0b 05",
        "00 30",
        "Sending TLS Msg ..\nHEX_DUMP: Len = 1480:",
        "57 01 04 00 00 00 03 e9",
        "05 be 07 00 01 00 02 05",
        "ab 30 82 05 a7 30 82 04",
        "8f a0 03 02 01 02 02 13",
        "24 00 00 00 17 94 79 b8",
        "f1 24 ac 3f 3b 00 00 00",
        "00 00",
    ]


def test_no_trace_above_debug(worker: Worker) -> None:
    """Unless the level is debug, `Shared.tracing` is None, so that no line is made."""
    assert worker.shared.tracing is None


def test_names_cannot_forge_lines(make_worker: Callable[..., Worker]) -> None:
    """A stranger's line breaks are escaped and its long names are cut; the original's own line breaks stay."""
    worker = make_worker("debug")
    assert worker.shared.tracing is not None
    trace = worker.shared.tracing.write
    trace("subject_name", "CN=a\ndebug forged\x1b")
    trace("subject_name", "x" * (MAX_LINE + 100))
    trace("sending_message", "Sending TLS Msg ..\nHEX_DUMP: Len = 14:")
    texts = [line["text"] for line in worker.logged()]
    assert texts == ["CN=a\\x0adebug forged\\x1b", "x" * MAX_LINE + "…", "Sending TLS Msg ..\nHEX_DUMP: Len = 14:"]
