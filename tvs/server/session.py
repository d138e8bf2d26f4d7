"""One phone: its connection's states and deadlines, decode, ask, answer.

Everything happens in callbacks of the loop, and from a decoded request to its encoded answer nothing waits.
The session alone counts: each accepted connection ends in exactly one outcome, each request in exactly one result.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proto.codec import MAX_REQUEST_PAYLOAD, NEED_DATA, Decoder, frame
from proto.errors import RemoteProtocolError
from proto.messages import REQUESTS, Request
from proto.payload import HEADER_SIZE
from tvs.server.deadlines import Deadline
from tvs.server.phonecertificate import subject_and_issuer_class
from tvs.server.phonesocket import PhoneSocket
from tvs.server.states import METRIC_STATES, TIMEOUT_OUTCOMES, TRANSITIONS, State
from tvs.server.traces import ConnectionTrace
from tvs.tls.connection import READ_SIZE, TLSClosed, TLSConnection, TLSError, TLSFailure

if TYPE_CHECKING:
    import socket

    from OpenSSL import SSL

    from tvs.answers.verifier import Verdict
    from tvs.server.service import Service

MAX_ANSWERS_PER_TURN = 32
"""Requests of one connection that are answered before other phones get their turn."""
MAX_BUFFERED = HEADER_SIZE + MAX_REQUEST_PAYLOAD
"""Decrypted bytes that wait at the most: so many always hold a whole request, or an error."""
MAX_UNSENT = 64 * 1024
"""Answer bytes that may wait for a slow reader before no more of its requests are read."""


class PhoneSession:
    """One accepted connection until it is closed.

    Args:
        service: what all sessions of a worker share.
        connection: the accepted socket; the session never blocks on it, and closes it.
        address: the phone's IP address.
        context: the TLS context; a session keeps the one that it began with.
        number: counts the connections of this worker.
    """

    __slots__ = (
        "_accepted_at",
        "_address",
        "_answered",
        "_decoder",
        "_heard",
        "_outcome",
        "_service",
        "_socket",
        "_state",
        "_tls",
        "_trace",
    )

    def __init__(
        self, service: Service, connection: socket.socket, address: str, context: SSL.Context, number: int
    ) -> None:
        self._service = service
        self._socket = PhoneSocket(connection, service.poller)
        self._address = address
        self._tls = TLSConnection(context, server_side=True)
        self._decoder = Decoder(accept=REQUESTS, max_payload=MAX_REQUEST_PAYLOAD)
        self._trace = None if service.trace is None else ConnectionTrace(service.trace, number, address)
        self._state = State.HANDSHAKE
        self._accepted_at = time.monotonic()
        self._answered = 0
        self._heard = False
        self._outcome = ""

    # -- life -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state that the session is in."""
        return self._state

    @property
    def address(self) -> str:
        """The phone's IP address."""
        return self._address

    def start(self, listener: int, attempted: int, accepted: int) -> None:
        """Begins to watch the socket. The numbers are for the trace."""
        service = self._service
        if self._trace is not None:
            self._trace.accepted(listener, self._socket.descriptor, attempted, accepted)
        service.deadlines.set(self, Deadline.HANDSHAKE, self._accepted_at)
        service.deadlines.set(self, Deadline.CONNECTION, self._accepted_at)
        service.counts.state_entered(METRIC_STATES[State.HANDSHAKE])
        self._socket.watch(self)

    def drain(self) -> None:
        """The service stops: a phone that has its answer is let go, one that is about to ask may finish."""
        if self._answered and self._state is State.AWAIT_REQUEST and not self._decoder_holds_data():
            self._finish("answered")

    def abort(self) -> None:
        """Closes at once."""
        if self._state is not State.CLOSED:
            self._close(self._outcome or "drained")

    def expired(self, deadline: Deadline) -> None:
        """A deadline has passed."""
        if self._state is State.CLOSED:
            return
        if deadline is Deadline.LINGER:
            self._close(self._outcome)
            return
        outcome = TIMEOUT_OUTCOMES[deadline]
        if self._state is State.HANDSHAKE:
            self._service.counts.handshake_failed("timeout")
            self._close("handshake_timeout" if self._heard else "probe")
        elif deadline is Deadline.WRITE or self._state in (State.SENDING, State.LINGER):
            self._close(self._outcome or outcome)
        elif self._answered and not self._decoder_holds_data():
            self._finish("answered")  # the phone has what it asked for and did not hang up
        else:
            self._finish(outcome)

    def on_readable(self) -> None:
        """There is something to read, or the connection has ended."""
        try:
            self._readable()
        except Exception as error:  # noqa: BLE001 - a bug ends this connection and no other
            self._failed(error)

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        try:
            self._writable()
        except Exception as error:  # noqa: BLE001 - likewise
            self._failed(error)

    def _on_next_turn(self) -> None:
        try:
            if self._awaits_request():
                self._requests()
        except Exception as error:  # noqa: BLE001 - likewise
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._service.log.error("session_failed", address=self._address, exc_info=error)
        if self._state is not State.CLOSED:
            self._close("internal_error")

    def _enter(self, state: State) -> None:
        if state not in TRANSITIONS[self._state]:
            raise RuntimeError(f"no way from {self._state} to {state}")
        counts = self._service.counts
        counts.state_left(METRIC_STATES[self._state])
        if state is not State.CLOSED:
            counts.state_entered(METRIC_STATES[state])
        self._state = state

    # -- socket -----------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self._socket.receive(READ_SIZE)
        except OSError:
            self._ended("reset")
            return
        if data is None:
            return
        if self._state is State.LINGER:
            if not data:
                self._close(self._outcome)
        elif data:
            self._heard = True
            self._tls.receive(data)
            self._advance()
        else:
            self._ended("closed")

    def _writable(self) -> None:
        self._flush(b"")
        if self._state is State.SENDING and not self._socket.unsent:
            self._enter(State.AWAIT_REQUEST)
            self._service.deadlines.set(self, Deadline.REQUEST, time.monotonic())
            self._requests()  # some may have been waiting in the decoder

    def _flush(self, data: bytes) -> None:
        """Sends as much as the socket takes; the rest waits for it, and nothing more is read meanwhile."""
        try:
            turned = self._socket.send(data)
        except OSError:
            self._close(self._outcome or "reset")
            return
        if turned and self._socket.unsent:
            self._service.deadlines.set(self, Deadline.WRITE, time.monotonic())
        elif turned:
            self._service.deadlines.cancel(self, Deadline.WRITE)

    def _ended(self, how: str) -> None:
        """The TCP connection ended without a TLS close notification, or was reset."""
        if self._state is State.HANDSHAKE:
            self._service.counts.handshake_failed(TLSFailure.CLOSED)
            outcome = "handshake_failed" if self._heard else "probe"
        elif self._outcome:
            outcome = self._outcome
        elif self._decoder_holds_data() and how == "closed":
            outcome = self._stream_ended()
        elif self._answered:
            outcome = "answered"  # phones reset or just leave once they have their answer
        else:
            outcome = "reset" if how == "reset" else "no_request"
        self._close(outcome)

    def _finish(self, outcome: str) -> None:
        """Closes our side in order: what is to be said is said, then the phone's last bytes are waited for."""
        self._outcome = outcome
        self._tls.shutdown()
        self._flush(self._tls.outgoing())
        if self._state is State.CLOSED:
            return
        if self._socket.unsent:  # the phone reads nothing: there is nothing to linger for
            self._close(outcome)
            return
        self._socket.send_end()
        self._enter(State.LINGER)
        self._service.deadlines.cancel_all(self)
        self._service.deadlines.set(self, Deadline.LINGER, time.monotonic())

    def _close(self, outcome: str) -> None:
        service = self._service
        self._enter(State.CLOSED)
        service.deadlines.cancel_all(self)
        self._socket.close()
        service.session_closed(self)
        service.counts.closed(outcome, time.monotonic() - self._accepted_at)

    # -- TLS --------------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        if self._state is State.HANDSHAKE and not self._handshake():
            return
        if self._state is State.AWAIT_REQUEST and self._tls.readable:
            self._requests()

    def _handshake(self) -> bool:
        try:
            done = self._tls.handshake()
        except TLSError as error:
            self._handshake_failed(error)
            return False
        self._flush(self._tls.outgoing())
        if not done or self._state is not State.HANDSHAKE:
            return False
        self._handshake_done()
        return True

    def _handshake_failed(self, error: TLSError) -> None:
        self._service.counts.handshake_failed(error.failure)
        self._service.stranger("handshake_failed", self._address, reason=error.failure.value, detail=error.detail)
        self._finish("handshake_failed")

    def _handshake_done(self) -> None:
        service = self._service
        now = time.monotonic()
        version = self._tls.version
        if version == "TLSv1.3":  # no ticket follows that would carry the acknowledgement
            self._socket.acknowledge_at_once()
        cipher = self._tls.cipher
        service.counts.handshake_done(version, cipher, now - self._accepted_at)
        if service.asks_certificates:
            self._record_certificate()
        if self._trace is not None:
            self._trace.handshake_done(cipher)
        self._enter(State.AWAIT_REQUEST)
        service.deadlines.cancel(self, Deadline.HANDSHAKE)
        service.deadlines.set(self, Deadline.REQUEST, now)

    def _record_certificate(self) -> None:
        try:
            certificate = self._tls.peer_certificate
        except ValueError:
            self._service.counts.client_certificate("unreadable")
            return
        if certificate is None:
            self._service.counts.client_certificate("none")
            return
        subject, issuer_class = subject_and_issuer_class(certificate)
        self._service.counts.client_certificate(issuer_class)
        if self._service.log_client_certificates:
            self._service.log.debug(
                "client_certificate", address=self._address, subject=subject, issuer_class=issuer_class
            )

    # -- requests ---------------------------------------------------------------------------------------------------

    def _requests(self) -> None:
        """Reads what TLS has, answers what is whole, sends all answers at once."""
        closed = self._read_plaintext()
        more = self._awaits_request() and (self._answer_waiting() or (self._tls.readable and not closed))
        if not self._awaits_request():
            return
        self._flush(self._tls.outgoing())
        if not self._awaits_request():
            return
        if self._socket.unsent:
            self._enter(State.SENDING)
        elif more:
            self._service.loop.call_soon(self._on_next_turn)
        elif closed:
            self._closed_by_phone()

    def _awaits_request(self) -> bool:
        """Whether the session is still open for requests; most steps can end that."""
        return self._state is State.AWAIT_REQUEST

    def _read_plaintext(self) -> bool:
        """Moves decrypted bytes into the decoder; True where the phone has closed TLS."""
        decoder = self._decoder
        try:
            while self._tls.readable and decoder.buffered < MAX_BUFFERED and (data := self._tls.read()):
                decoder.receive_data(data)
        except TLSClosed:
            return True
        except TLSError as error:
            self._service.stranger("tls_error", self._address, reason=error.failure.value, detail=error.detail)
            self._finish("tls_error")
        return False

    def _answer_waiting(self) -> bool:
        """Answers whole requests, all at once; True where more may be waiting for the next turn."""
        answers: list[bytes] = []
        error = None
        try:
            more = self._answer_requests(answers)
        except RemoteProtocolError as problem:
            error, more = problem, False
        if answers:
            self._tls.write(b"".join(answers))
            self._service.deadlines.set(self, Deadline.REQUEST, time.monotonic())
        if error is not None:
            self._malformed(error)
        return more

    def _answer_requests(self, answers: list[bytes]) -> bool:
        """Appends an answer for each whole request. Raises `RemoteProtocolError` after those before a bad one."""
        decoder = self._decoder
        size = 0
        while decoder.buffered and (request := decoder.next_message()) is not NEED_DATA:
            answer = self._answer(request)  # type: ignore[arg-type] # only requests are accepted
            answers.append(answer)
            size += len(answer)
            if len(answers) == MAX_ANSWERS_PER_TURN or size > MAX_UNSENT:
                return True
        return False

    def _answer(self, request: Request) -> bytes:
        """The answer to one request, which is counted and logged as answered."""
        service = self._service
        started = time.perf_counter()
        trace = self._trace
        if trace is not None:
            trace.incoming(self._decoder.frame, request.message_type, request.session_id, self._state)
        verdict = service.verifier.answer(request, service.trace)
        answer = frame(verdict.answer_type, request.session_id, verdict.payload)
        if trace is not None:
            trace.sending(answer, request.message_type)
        self._answered += 1
        self._count(request, verdict, time.perf_counter() - started)
        return answer

    def _count(self, request: Request, verdict: Verdict, seconds: float) -> None:
        service = self._service
        service.counts.answered(request.message_type, verdict.result, verdict.source, seconds)
        if service.log_requests:
            service.request_line(self._address, request, verdict, seconds)

    def _malformed(self, error: RemoteProtocolError) -> None:
        self._service.counts.protocol_error(error.kind)
        self._service.stranger("malformed_request", self._address, kind=error.kind.value, detail=str(error))
        self._flush(self._tls.outgoing())  # answers to the good requests before it
        if self._state is State.AWAIT_REQUEST:
            self._finish("protocol_error")

    def _closed_by_phone(self) -> None:
        """The phone closed TLS in order, and with it its interest: TCP's end is all the answer it gets.

        Its own close notification has no reply: phones close TCP with it, so that a reply is a packet nobody
        reads, and one system call in ten of a connection.
        """
        if self._decoder_holds_data():
            self._close(self._stream_ended())
        else:
            self._close("answered" if self._answered else "no_request")

    def _stream_ended(self) -> str:
        """The stream ended inside a request."""
        try:
            self._decoder.receive_end()
            self._decoder.next_message()
        except RemoteProtocolError as error:
            self._service.counts.protocol_error(error.kind)
        return "protocol_error"

    def _decoder_holds_data(self) -> bool:
        return self._decoder.buffered > 0
