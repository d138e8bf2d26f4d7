"""One call of one phone: connect, TLS, ask, check the answer, hang up."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from enum import Enum
from typing import TYPE_CHECKING

from proto.codec import NEED_DATA, Decoder
from proto.errors import RemoteProtocolError
from proto.messages import RESPONSES, MessageType
from tvs.client.connection import FIRST_SESSION_ID
from tvs.replay.run.failures import OWN_LIMITS, Failure, of_errno, of_tls
from tvs.replay.run.tally import Phase
from tvs.tls.connection import TLSClosed, TLSConnection, TLSError

if TYPE_CHECKING:
    from proto.messages import Response
    from tvs.replay.run.engine import Engine
    from tvs.replay.run.schedule import Call

READ_SIZE = 64 * 1024
"""Bytes asked of a socket at once: a whole flight of the server."""
EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
"""Registered once for a connection's whole life: edge-triggered, so that nothing is changed on the way."""
_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h: the port is chosen at connect, so that one port can serve connections to several servers. In Python's
socket module since 3.12."""
_ANSWERS = {
    MessageType.QUERY_CERT_REQ: MessageType.QUERY_CERT_RES,
    MessageType.CERT_VERIFICATION_REQ: MessageType.CERT_VERIFICATION_RES,
}


class State(Enum):
    """Where a call stands."""

    CONNECTING = "connecting"
    HANDSHAKE = "handshake"
    AWAIT_ANSWER = "awaits the answer"
    PAUSE = "waits for the time of the next query"
    ENDED = "ended"


class OwnLimit(Exception):  # noqa: N818 - not the server's error
    """This machine has no descriptor, memory or port left for a call."""


_TIMEOUTS = {
    State.CONNECTING: Failure.CONNECT_TIMEOUT,
    State.HANDSHAKE: Failure.TLS_TIMEOUT,
    State.AWAIT_ANSWER: Failure.ANSWER_TIMEOUT,
}


class PhoneCall:
    """A call under way.

    Args:
        engine: what all calls of a process share.
        call: who asks what; its time is the planned one, in seconds of the run.

    Attributes:
        stage: grows with each step, so that a deadline knows whether it is still meant.
    """

    __slots__ = (
        "_call",
        "_decoder",
        "_engine",
        "_first_byte",
        "_planned",
        "_since",
        "_socket",
        "_state",
        "_step",
        "_talk",
        "_tls",
        "_unsent",
        "stage",
    )

    def __init__(self, engine: Engine, call: Call) -> None:
        self._engine = engine
        self._call = call
        self._talk = engine.talks[call.talk]
        self._step = 0
        self._planned = call.at
        self._state = State.CONNECTING
        self._decoder = Decoder(accept=RESPONSES)
        self._tls: TLSConnection | None = None
        self._unsent = b""
        self._first_byte = False
        self.stage = 0

    def begin(self) -> int:
        """Starts to connect; the socket's descriptor, which is registered. Raises `OwnLimit`."""
        engine = self._engine
        self._since = time.monotonic()
        try:
            self._socket = socket.socket(engine.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            raise OwnLimit from error
        code = self._connect()
        if code in OWN_LIMITS:
            self._socket.close()
            raise OwnLimit
        descriptor = self._socket.fileno()
        engine.watch(descriptor, self)
        if code not in (0, errno.EINPROGRESS):
            self._fail(of_errno(code, connected=False))
        else:
            self._enter(State.CONNECTING)
        return descriptor

    def _connect(self) -> int:
        engine, connection = self._engine, self._socket
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if engine.sources:
            connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            try:
                connection.bind((engine.sources[self._call.phone % len(engine.sources)], 0))
            except OSError as error:
                return error.errno or 0
        return connection.connect_ex(engine.address)

    # -- events -----------------------------------------------------------------------------------------------------

    def ready(self, events: int) -> None:
        """The socket can be read or written."""
        if self._state is State.CONNECTING:
            self._connected()
            return
        if self._unsent and events & select.EPOLLOUT:
            self._send(b"")
        while self._state is not State.ENDED and events & (select.EPOLLIN | _ENDED):
            try:
                data = self._socket.recv(READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(of_errno(error.errno or 0, connected=True))
                return
            if not data:
                self._fail(Failure.CLOSED)
            else:
                self._received(data)
                if len(data) < READ_SIZE and not events & _ENDED:
                    return  # edge-triggered: whatever comes later is announced again

    def timed_out(self) -> None:
        """The step took longer than `Setup.timeout`."""
        failure = _TIMEOUTS.get(self._state)
        if failure is not None:
            self._engine.timed_out(self._planned)
            self._fail(failure)

    def resume(self) -> None:
        """The time of the next query has come."""
        if self._state is State.PAUSE:
            self._ask()

    def abandon(self) -> int:
        """Hangs up at once; the number of queries that stay without an answer."""
        left = len(self._talk) - self._step
        self._close()
        return left

    def _connected(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._fail(of_errno(code, connected=False))
            return
        self._measure(Phase.TCP)
        engine, phone = self._engine, self._call.phone
        self._tls = TLSConnection(engine.context_of(phone), server_side=False, session=engine.session_of(phone))
        self._enter(State.HANDSHAKE)
        self._received(b"")

    def _received(self, data: bytes) -> None:
        tls = self._tls
        if tls is None:
            raise RuntimeError("data before TLS")
        if data:
            tls.receive(data)
        try:
            if self._state is State.HANDSHAKE:
                if not tls.handshake():
                    self._send(tls.outgoing())
                    return
                self._handshake_done(tls)
            self._read(tls)
        except TLSClosed:
            self._fail(Failure.CLOSED)
        except TLSError as error:
            handshake = self._state is State.HANDSHAKE
            self._send(tls.outgoing())  # the alert that tells the server why
            self._fail(of_tls(error.failure) if handshake else Failure.RESET, str(error))

    # -- steps ------------------------------------------------------------------------------------------------------

    def _handshake_done(self, tls: TLSConnection) -> None:
        self._measure(Phase.TLS)
        if not self._engine.handshake_done(self._call.phone, tls):
            self._fail(Failure.SERVER_UNTRUSTED)
            return
        self._ask()

    def _ask(self) -> None:
        tls = self._tls
        if tls is None:
            raise RuntimeError("a question before TLS")
        question = self._engine.asked[self._talk[self._step][1]].question
        device = self._engine.phones[self._call.phone].device
        self._first_byte = False
        self._enter(State.AWAIT_ANSWER)
        tls.write(question.encoded(device, FIRST_SESSION_ID + self._step))
        self._send(tls.outgoing())

    def _read(self, tls: TLSConnection) -> None:
        while self._state is State.AWAIT_ANSWER and (data := tls.read()):
            if not self._first_byte:
                self._first_byte = True
                self._engine.tally.measured(Phase.FIRST_BYTE, time.monotonic() - self._since)
            self._decoder.receive_data(data)
            try:
                answer = self._decoder.next_message()
            except RemoteProtocolError as error:
                self._fail(Failure.MALFORMED, str(error))
                return
            if answer is not NEED_DATA:
                self._answered(answer)  # type: ignore[arg-type] # only answers are accepted
        if self._state is State.PAUSE:
            tls.read()  # what comes unasked: a close notification ends the call
        if self._state is not State.ENDED and (data := tls.outgoing()):
            self._send(data)

    def _answered(self, answer: Response) -> None:
        engine = self._engine
        asked = engine.asked[self._talk[self._step][1]]
        if (
            answer.session_id != FIRST_SESSION_ID + self._step
            or answer.message_type is not _ANSWERS[asked.question.request]
        ):
            self._fail(Failure.MALFORMED, "the answer to another question")
            return
        engine.answered(self._planned, asked, answer)
        self._step += 1
        if self._step == len(self._talk):
            self._hang_up()
            return
        self._planned = self._call.at + self._talk[self._step][0]
        self._enter(State.PAUSE)
        engine.at(self._planned, self)

    def _hang_up(self) -> None:
        if self._tls is not None:
            self._tls.shutdown()
            self._send(self._tls.outgoing())
        self._close()
        self._engine.call_ended(failed=False)

    def _fail(self, failure: Failure, detail: str = "") -> None:
        """The query failed, and with it those that were to follow on this connection."""
        if self._state is State.ENDED:
            return
        self._close()
        self._engine.failed(failure, self._call.phone, len(self._talk) - self._step, detail)
        self._engine.call_ended(failed=True)

    # -- socket -----------------------------------------------------------------------------------------------------

    def _enter(self, state: State) -> None:
        self._state = state
        self._since = time.monotonic()
        self.stage += 1
        if state in _TIMEOUTS:
            self._engine.deadline(self._since, self)

    def _measure(self, phase: Phase) -> None:
        self._engine.tally.measured(phase, time.monotonic() - self._since)

    def _send(self, data: bytes) -> None:
        data = self._unsent + data if self._unsent else data
        if not data:
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # what the server said before is still read; then the end of the stream tells the rest
            self._unsent = b""
            return
        self._unsent = data[sent:]

    def _close(self) -> None:
        self._state = State.ENDED
        self.stage += 1
        self._engine.unwatch(self._socket.fileno())
        with contextlib.suppress(OSError):
            self._socket.close()
        self._tls = None
