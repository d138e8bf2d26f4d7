"""Renegotiation refused, secure and insecure, and the interleaved handshakes of a public suite (tlsfuzzer).

That suite starts a second handshake and sends data inside its messages. A server that refuses renegotiation answers the
second ClientHello with a warning; tlsfuzzer waits for a ServerHello. One of its cases ended in a time-out: the service
kept the warning until it had something else to send, which was its close notification after the time for a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.whole.outside.altering import (
    ANSWERED,
    DATA,
    HANDSHAKE,
    NAMES,
    SILENCE,
    TLS1,
    TLS1_1,
    TLS1_2,
    TLS1_3,
    Stranger,
    choose,
    ending,
    meet,
)
from tests.whole.outside.hellos import RENEGOTIATION_INFO, Hello, vector, with_hello
from tests.whole.strangers import request

if TYPE_CHECKING:
    from tests.fixtures.running import Running
    from tests.whole.outside.altering import Alter, Records

REFUSED = "warning no_renegotiation"
UNEXPECTED = "fatal unexpected_message"
GET = b"GET / HTTP/1.0"
"""The data that the public suite sends."""
FIRST_PART = 30
"""Bytes of its first part of a cut message."""
OLDER = pytest.mark.parametrize("version", [TLS1, TLS1_1, TLS1_2], ids=NAMES.get)


def _without_signal(hello: Hello) -> None:
    """A client that does not know RFC 5746 sends no signalling suite."""
    hello.suites = hello.suites.replace(b"\x00\xff", b"")


INSECURE: Alter = with_hello(_without_signal)


def second_hello(stranger: Stranger, *, secure: bool) -> bytes:
    """A ClientHello that renegotiates: a secure one proves the first handshake by its verify data (RFC 5746, 3.5)."""
    hello = Hello()
    hello.version = bytes(stranger.version)
    if secure:
        hello.extensions = [(RENEGOTIATION_INFO, vector(stranger.finished, 1))]
    return bytes(hello)


@OLDER
@pytest.mark.parametrize("secure", [True, False], ids=["secure", "insecure"])
def test_renegotiation(service: Running, version: tuple[int, int], *, secure: bool) -> None:
    """The warning comes at once, although the client sends nothing more; the connection goes on."""

    def renegotiate(stranger: Stranger) -> None:
        stranger.send_records((HANDSHAKE, second_hello(stranger, secure=secure)))
        end = ending(lambda: stranger.read(max=1, min=1))
        assert end == REFUSED

    assert meet(service, choose(version, rsa=True), None if secure else INSECURE, renegotiate).end == ANSWERED


@OLDER
def test_request_after_a_refused_renegotiation(service: Running, version: tuple[int, int]) -> None:
    """A client that goes on after the warning is served."""

    def renegotiate(stranger: Stranger) -> None:
        stranger.send_records((HANDSHAKE, second_hello(stranger, secure=True)), (DATA, request()))
        assert ending(stranger.answer) == REFUSED

    met = meet(service, choose(version, rsa=True), None, renegotiate)
    assert [kind for kind, _ in met.records][-1] == DATA  # the answer


INTERLEAVED = {
    "data inside the ClientHello": ((FIRST_PART, GET), UNEXPECTED),
    "a request inside the ClientHello": ((FIRST_PART, request()), UNEXPECTED),
    "half a request inside the ClientHello": ((FIRST_PART, request()[:20]), UNEXPECTED),
    "the ClientHello cut, no data": ((FIRST_PART, b""), REFUSED),
    "data after the whole ClientHello": ((0, GET), REFUSED),
}
"""Where the second ClientHello is cut (0: nowhere), the data between, and the answer."""


@OLDER
def test_interleaved_handshake(service: Running, version: tuple[int, int]) -> None:
    """Data inside a second ClientHello ends the connection at once; a whole one gets the warning, at once."""
    for name, ((cut, between), end) in INTERLEAVED.items():

        def interleave(stranger: Stranger, cut: int = cut, between: bytes = between) -> None:
            hello = second_hello(stranger, secure=True)
            data = [(DATA, between)] if between else []
            parts: Records = [(HANDSHAKE, hello), *data]
            if cut:
                parts = [(HANDSHAKE, hello[:cut]), *data, (HANDSHAKE, hello[cut:])]
            stranger.send_records(*parts)
            stranger.read(max=1, min=1)

        assert meet(service, choose(version, rsa=True), None, interleave).end == end, name


def test_start_of_a_second_hello(service: Running) -> None:
    """The service rightly waits for the rest of a message: until the time for a request is over, and no longer."""

    def begin(stranger: Stranger) -> None:
        stranger.send_records((HANDSHAKE, second_hello(stranger, secure=True)[:FIRST_PART]))
        stranger.tap.settimeout(SILENCE)
        assert ending(lambda: stranger.read(max=1, min=1)) == "silence"

    def wait(stranger: Stranger) -> None:
        stranger.send_records((HANDSHAKE, second_hello(stranger, secure=True)[:FIRST_PART]))
        stranger.read(max=1, min=1)

    assert meet(service, choose(TLS1_2, rsa=True), None, begin).end == ANSWERED
    assert meet(service, choose(TLS1_2, rsa=True), None, wait).end == "closed"


def test_no_renegotiation_under_tls_1_3(service: Running) -> None:
    """TLS 1.3 has none: a second ClientHello ends the connection."""

    def renegotiate(stranger: Stranger) -> None:
        stranger.send_records((HANDSHAKE, second_hello(stranger, secure=False)))
        stranger.ask()

    assert meet(service, choose(TLS1_3), None, renegotiate).end == UNEXPECTED
