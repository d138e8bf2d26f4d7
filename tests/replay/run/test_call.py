"""A call against a server in the same process: sockets and TLS are real, the engine is a recorder."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from tvs.config.endpoint import Endpoint
from tvs.replay.questions.model import Asked, Caller, Question
from tvs.replay.run.call import PhoneCall, Switchboard
from tvs.replay.run.callsocket import CallSocket
from tvs.replay.run.counters import Counters
from tvs.replay.run.credentials import CallerTLS
from tvs.replay.run.dialogue import Dialogue
from tvs.replay.run.failures import Failure
from tvs.replay.run.schedule import Call
from tvs.replay.run.setup import Setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proto.messages import Response

CALLERS = [Caller("CP-8861-SEP000000000001")]
ASKED = [Asked(Question(subject="CN=a", issuer="CN=a", serial=b"\x01"), None)]
EPOLLIN, EPOLLOUT = 1, 4


class Recorder:
    """A switchboard that records what the call reports."""

    def __init__(self, address: tuple[str, int]) -> None:
        setup = Setup(server=Endpoint(*address), family=socket.AF_INET, address=address, trust=None)
        self._address = address
        self.counters = Counters()
        self.tls = CallerTLS(setup, CALLERS, self.counters)
        self.open: dict[int, PhoneCall] = {}
        self.deadlines: list[int] = []
        self.failures: list[tuple[Failure, int]] = []
        self.ended: list[bool] = []
        self.unanswered = 0

    def dialogue(self, call: Call) -> Dialogue:
        """Two questions with a pause."""
        return Dialogue(((0.0, 0), (1.0, 0)), ASKED, CALLERS[call.phone].device)

    def connect(self, _phone: int) -> tuple[CallSocket, int]:
        """From an address of the system's choice."""
        connection = CallSocket(socket.AF_INET)
        return connection, connection.connect(self._address, None)

    def watch(self, descriptor: int, call: PhoneCall) -> None:
        """Records the open call."""
        self.open[descriptor] = call

    def unwatch(self, descriptor: int) -> None:
        """Records that the call closed its socket."""
        del self.open[descriptor]

    def deadline(self, _since: float, call: PhoneCall) -> None:
        """Records the stage that has a deadline."""
        self.deadlines.append(call.entered)

    def at(self, moment: float, call: PhoneCall) -> None:
        """No call of these tests gets so far."""
        raise AssertionError(moment, call)

    def answered(self, _planned: float, _asked: Asked, answer: Response) -> None:
        """No call of these tests gets so far."""
        raise AssertionError(answer)

    def timed_out(self, _planned: float) -> None:
        """Counts."""
        self.unanswered += 1

    def failed(self, failure: Failure, _phone: int, queries: int, _detail: str) -> None:
        """Records the failure."""
        self.failures.append((failure, queries))

    def call_ended(self, *, failed: bool) -> None:
        """Records the end."""
        self.ended.append(failed)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def begun(listener: socket.socket) -> tuple[Recorder, PhoneCall, socket.socket]:
    """A call whose TCP connection stands and whose handshake began, and the server's end."""
    switchboard = Recorder(listener.getsockname())
    board: Switchboard = switchboard
    call = PhoneCall(board, Call(0.0, 0, 0))
    call.begin()
    server, _ = listener.accept()
    call.ready(EPOLLOUT)
    return switchboard, call, server


def test_each_stage_has_a_deadline_of_its_own(listener: socket.socket) -> None:
    """A deadline of an earlier stage no longer applies to the call."""
    switchboard, call, server = begun(listener)
    with server:
        assert switchboard.deadlines == [1, 2] == [1, call.entered]
        assert server.recv(3)[:1] == b"\x16", "a TLS handshake record"
        call.abandon()


def test_a_timeout_fails_all_queries_of_the_call(listener: socket.socket) -> None:
    """The failure is that of the stage; it counts the later queries too, once, and the socket is closed."""
    switchboard, call, server = begun(listener)
    with server:
        call.timed_out()
        call.timed_out()
        assert switchboard.failures == [(Failure.TLS_TIMEOUT, 2)]
        assert (switchboard.ended, switchboard.open, switchboard.unanswered) == ([True], {}, 1)


def test_a_server_that_hangs_up_closes_the_connection(listener: socket.socket) -> None:
    """The end of the stream before the answer is its own failure."""
    switchboard, call, server = begun(listener)
    server.recv(65536)
    server.close()
    until = time.monotonic() + 20
    while not switchboard.ended and time.monotonic() < until:
        call.ready(EPOLLIN)
    assert switchboard.failures == [(Failure.CLOSED, 2)]


def test_another_protocol_fails_the_handshake(listener: socket.socket) -> None:
    """The phone sends an alert and gives up."""
    switchboard, call, server = begun(listener)
    with server:
        server.recv(65536)
        server.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        until = time.monotonic() + 20
        while not switchboard.ended and time.monotonic() < until:
            call.ready(EPOLLIN)
        assert switchboard.failures == [(Failure.TLS_FAILED, 2)]


def test_an_abandoned_call_returns_its_queries(listener: socket.socket) -> None:
    """It is closed without a failure."""
    switchboard, call, server = begun(listener)
    with server:
        assert call.abandon() == 2
        assert (switchboard.failures, switchboard.ended, switchboard.open) == ([], [], {})


def test_a_refused_connection_is_a_failure() -> None:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    switchboard = Recorder(address)
    call = PhoneCall(switchboard, Call(0.0, 0, 0))
    call.begin()
    until = time.monotonic() + 20
    while not switchboard.ended and time.monotonic() < until:
        call.ready(EPOLLOUT)
    assert switchboard.failures == [(Failure.REFUSED, 2)]
