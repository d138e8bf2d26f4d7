"""One call of one phone: connect, TLS handshake, queries, checked answers, close."""

from __future__ import annotations

import errno
import select
import time
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from tvs.replay.run.callsocket import READ_SIZE, CallSocket
from tvs.replay.run.counters import Phase
from tvs.replay.run.dialogue import MalformedAnswer
from tvs.replay.run.failures import Failure, of_errno, of_tls
from tvs.tls.connection import TLSConnection
from tvs.tls.failures import TLSClosed, TLSError

if TYPE_CHECKING:
    from proto.messages import Response
    from tvs.replay.questions.model import Asked
    from tvs.replay.run.counters import Counters
    from tvs.replay.run.credentials import CallerTLS
    from tvs.replay.run.dialogue import Dialogue
    from tvs.replay.run.schedule import Call

EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
"""Registered once for the whole connection: edge-triggered, so a call never changes its registration."""
_ENDED = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Switchboard(Protocol):
    """The engine, as far as a call needs it. Times are seconds of the run."""

    @property
    def counters(self) -> Counters:
        """Counters of this process."""

    @property
    def tls(self) -> CallerTLS:
        """TLS contexts and sessions of the phones."""

    def dialogue(self, call: Call) -> Dialogue:
        """The questions of a call."""

    def connect(self, phone: int) -> tuple[CallSocket, int]:
        """A socket that connects a phone to the server, with connect's error number. Raises `OwnLimit`."""

    def watch(self, descriptor: int, call: PhoneCall) -> None:
        """Registers a call's socket for events."""

    def unwatch(self, descriptor: int) -> None:
        """Forgets a call's socket, which the call is about to close."""

    def deadline(self, since: float, call: PhoneCall) -> None:
        """Sets the deadline of a stage that began at `since` (`time.monotonic`)."""

    def at(self, moment: float, call: PhoneCall) -> None:
        """Schedules the call's next query."""

    def answered(self, planned: float, asked: Asked, answer: Response) -> None:
        """Checks and counts an answer."""

    def timed_out(self, planned: float) -> None:
        """Records the time of a query without an answer."""

    def failed(self, failure: Failure, phone: int, queries: int, detail: str) -> None:
        """Counts failed queries; `detail` may be empty."""

    def call_ended(self, *, failed: bool) -> None:
        """Reports the end of a call."""


class CallStage(Enum):
    """Stages of a call."""

    CONNECTING = "connecting"
    HANDSHAKE = "handshake"
    AWAIT_ANSWER = "awaits the answer"
    PAUSE = "waits for the time of the next query"
    ENDED = "ended"


_TIMEOUTS = {
    CallStage.CONNECTING: Failure.CONNECT_TIMEOUT,
    CallStage.HANDSHAKE: Failure.TLS_TIMEOUT,
    CallStage.AWAIT_ANSWER: Failure.ANSWER_TIMEOUT,
}


class PhoneCall:
    """A call in progress.

    Args:
        switchboard: the engine.
        call: the phone, its talk and the planned time.

    Attributes:
        entered: number of stages entered so far; a deadline of an earlier stage is void.
    """

    __slots__ = (
        "_call",
        "_dialogue",
        "_first_byte",
        "_planned",
        "_since",
        "_socket",
        "_stage",
        "_switchboard",
        "_tls",
        "entered",
    )

    def __init__(self, switchboard: Switchboard, call: Call) -> None:
        self._switchboard = switchboard
        self._call = call
        self._dialogue = switchboard.dialogue(call)
        self._planned = call.at
        self._stage = CallStage.CONNECTING
        self._tls: TLSConnection | None = None
        self._first_byte = False
        self.entered = 0

    def begin(self) -> None:
        """Starts to connect and registers the socket. Raises `OwnLimit`."""
        self._since = time.monotonic()
        self._socket, code = self._switchboard.connect(self._call.phone)
        self._switchboard.watch(self._socket.descriptor, self)
        if code not in (0, errno.EINPROGRESS):
            self._fail(of_errno(code, connected=False))
        else:
            self._enter(CallStage.CONNECTING)

    # -- events ------------------------------------------------------------------------------------------------------

    def ready(self, events: int) -> None:
        """Handles epoll events of the socket."""
        if self._stage is CallStage.CONNECTING:
            self._connected()
            return
        if self._socket.unsent and events & select.EPOLLOUT:
            self._socket.send(b"")
        while self._stage is not CallStage.ENDED and events & (select.EPOLLIN | _ENDED):
            try:
                data = self._socket.receive()
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
                    return  # edge-triggered: later bytes raise another event

    def timed_out(self) -> None:
        """The stage took longer than `Setup.timeout`."""
        failure = _TIMEOUTS.get(self._stage)
        if failure is not None:
            self._switchboard.timed_out(self._planned)
            self._fail(failure)

    def resume(self) -> None:
        """Asks the next query, whose time has come."""
        if self._stage is CallStage.PAUSE:
            self._ask()

    def abandon(self) -> int:
        """Closes the connection at once; returns the number of unanswered queries."""
        self._close()
        return self._dialogue.remaining

    def _connected(self) -> None:
        code = self._socket.connected()
        if code:
            self._fail(of_errno(code, connected=False))
            return
        self._measure(Phase.TCP)
        tls, phone = self._switchboard.tls, self._call.phone
        self._tls = TLSConnection(tls.context_of(phone), server_side=False, session=tls.session_of(phone))
        self._enter(CallStage.HANDSHAKE)
        self._received(b"")

    def _received(self, data: bytes) -> None:
        tls = self._tls
        if tls is None:
            raise RuntimeError("data before TLS")
        if data:
            tls.receive(data)
        try:
            if self._stage is CallStage.HANDSHAKE:
                if not tls.handshake():
                    self._socket.send(tls.outgoing())
                    return
                self._handshake_done(tls)
            self._read(tls)
        except TLSClosed:
            self._fail(Failure.CLOSED)
        except TLSError as error:
            handshake = self._stage is CallStage.HANDSHAKE
            self._socket.send(tls.outgoing())  # the alert with the reason
            self._fail(of_tls(error.failure) if handshake else Failure.RESET, str(error))

    # -- stages ------------------------------------------------------------------------------------------------------

    def _handshake_done(self, tls: TLSConnection) -> None:
        self._measure(Phase.TLS)
        if not self._switchboard.tls.handshake_done(self._call.phone, tls):
            self._fail(Failure.SERVER_UNTRUSTED)
            return
        self._ask()

    def _ask(self) -> None:
        tls = self._tls
        if tls is None:
            raise RuntimeError("a question before TLS")
        self._first_byte = False
        self._enter(CallStage.AWAIT_ANSWER)
        tls.write(self._dialogue.request())
        self._socket.send(tls.outgoing())

    def _read(self, tls: TLSConnection) -> None:
        while self._stage is CallStage.AWAIT_ANSWER and (data := tls.read()):
            if not self._first_byte:
                self._first_byte = True
                self._measure(Phase.FIRST_BYTE)
            try:
                answer = self._dialogue.receive(data)
            except MalformedAnswer as error:
                self._fail(Failure.MALFORMED, str(error))
                return
            if answer is not None:
                self._answered(answer)
        if self._stage is CallStage.PAUSE:
            tls.read()  # unasked bytes are dropped; a close notification ends the call
        if self._stage is not CallStage.ENDED and (data := tls.outgoing()):
            self._socket.send(data)

    def _answered(self, answer: Response) -> None:
        self._switchboard.answered(self._planned, self._dialogue.current, answer)
        after = self._dialogue.advance()
        if after is None:
            self._hang_up()
            return
        self._planned = self._call.at + after
        self._enter(CallStage.PAUSE)
        self._switchboard.at(self._planned, self)

    def _hang_up(self) -> None:
        if self._tls is not None:
            self._tls.shutdown()
            self._socket.send(self._tls.outgoing())
        self._close()
        self._switchboard.call_ended(failed=False)

    def _fail(self, failure: Failure, detail: str = "") -> None:
        """Fails the current query and the later ones of this connection."""
        if self._stage is CallStage.ENDED:
            return
        self._close()
        self._switchboard.failed(failure, self._call.phone, self._dialogue.remaining, detail)
        self._switchboard.call_ended(failed=True)

    def _enter(self, stage: CallStage) -> None:
        self._stage = stage
        self._since = time.monotonic()
        self.entered += 1
        if stage in _TIMEOUTS:
            self._switchboard.deadline(self._since, self)

    def _measure(self, phase: Phase) -> None:
        self._switchboard.counters.measured(phase, time.monotonic() - self._since)

    def _close(self) -> None:
        self._stage = CallStage.ENDED
        self.entered += 1
        self._switchboard.unwatch(self._socket.descriptor)
        self._socket.close()
        self._tls = None
