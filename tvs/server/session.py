"""Session of one phone: states, deadlines and socket of its connection, from accepted to closed.

Everything happens in callbacks of the event loop. Each accepted connection is counted in exactly one outcome.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tvs.server.conversation import MALFORMED, MORE, Conversation
from tvs.server.deadlines import HANDSHAKE_TIME, LINGER_TIME, REQUEST_TIME, Timed
from tvs.server.phonecertificate import record_certificate
from tvs.server.phonesocket import PhoneSocket
from tvs.server.refusals import handshake_failed
from tvs.server.states import AWAIT_REQUEST, CLOSED, HANDSHAKE, LINGER, SENDING, outcome_of_deadline, outcome_of_end
from tvs.tls.connection import READ_SIZE, TLSConnection
from tvs.tls.failures import TLSClosed, TLSError, TLSFailure

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tvs.server.deadlines import Deadline
    from tvs.server.shared import Shared
    from tvs.server.states import SessionState


class PhoneSession(Timed):
    """One accepted connection until it is closed.

    The session is counted as accepted before it is made; it keeps the TLS context that is in use then.

    Args:
        shared: what all sessions of the worker share.
        connection: the accepted socket; the session never blocks on it, and closes it.
        address: the phone's IP address.
        closed: called with the session once, when it has closed the socket.

    Attributes:
        address: the phone's IP address.
        state: the current state; the session alone changes it.
    """

    __slots__ = (
        "_accepted_at",
        "_closed",
        "_conversation",
        "_outcome",
        "_shared",
        "_socket",
        "_spoke",
        "_tls",
        "_trace",
        "address",
        "state",
    )

    def __init__(
        self, shared: Shared, connection: socket.socket, address: str, closed: Callable[[PhoneSession], None]
    ) -> None:
        self._shared = shared
        self._socket = PhoneSocket(connection, shared.poller)
        self.address = address
        self._closed = closed
        self._tls = TLSConnection(shared.context, server_side=True)
        self._trace = None if shared.tracing is None else shared.tracing.connection(shared.counts.accepted, address)
        self._conversation = Conversation(shared, address, self._trace)
        self.state: SessionState = HANDSHAKE
        self._accepted_at = shared.clock()
        self._spoke = False
        self._outcome = ""  # set when the session begins to close: it only lingers from then on
        self.begin_deadlines(shared.deadlines, HANDSHAKE_TIME, self._accepted_at)
        shared.counts.session_began()

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self, listener: int) -> None:
        """Begins to watch the socket. `listener` is the listening socket's descriptor, for the trace."""
        shared = self._shared
        if self._trace is not None:
            self._trace.accepted(listener, self._socket.descriptor, shared.counts.attempted, shared.counts.accepted)
        self._socket.watch(self)

    def drain(self) -> None:
        """Closes the session of a phone that has its answers; one that is about to ask may finish."""
        conversation = self._conversation
        if self.state is AWAIT_REQUEST and conversation.answered and not conversation.unfinished:
            self._finish("answered")

    def abort(self, outcome: str = "drained") -> None:
        """Closes at once."""
        if self.state is not CLOSED:
            self._close(self._outcome or outcome)

    def expired(self, deadline: Deadline) -> None:
        """Closes the session whose deadline has passed."""
        self._fenced(partial(self._expired, deadline))

    def _expired(self, deadline: Deadline) -> None:
        if self.state is CLOSED:
            return
        if self._outcome:  # the session lingers
            self._close(self._outcome)
            return
        if self.state is HANDSHAKE:
            self._shared.counts.handshake_failed("timeout")
        conversation, spoke = self._conversation, self._spoke
        answered, unfinished = conversation.answered, conversation.unfinished
        outcome, in_order = outcome_of_deadline(
            deadline, self.state, spoke=spoke, answered=answered, unfinished=unfinished
        )
        if in_order:
            self._finish(outcome)
        else:
            self._close(outcome)

    def on_readable(self) -> None:
        """Reads what has come, or notices that the connection has ended."""
        try:
            self._readable()
        except Exception as error:  # noqa: BLE001 - whatever the bug is
            self._failed(error)

    def on_writable(self) -> None:
        """Sends what waited for room in the socket."""
        self._fenced(self._writable)

    def _on_next_turn(self) -> None:
        self._socket.resume()
        if self.state is AWAIT_REQUEST:
            self._fenced(self._requests)

    def _fenced(self, step: Callable[[], None]) -> None:
        """Takes a step; a bug in it ends this connection, and neither another one nor the worker's timer."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever the bug is
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._shared.failed("session_failed", error, self.address)
        if self.state is not CLOSED:
            self._close("internal_error")

    def _enter(self, state: SessionState) -> None:
        self._shared.counts.session_moved(self.state, state)
        self.state = state

    # -- socket and TLS ---------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = self._socket.receive(READ_SIZE)
        except OSError:
            self._ended(reset=True)
            return
        if data is None:
            return
        if not data:
            self._ended()
        elif self.state is not LINGER:
            self._spoke = True
            self._tls.receive(data)
            if self.state is HANDSHAKE and not self._handshake():
                return
            if self.state is AWAIT_REQUEST and self._tls.readable:
                self._requests()

    def _writable(self) -> None:
        self._flush(b"")
        if self.state is SENDING and not self._socket.unsent:
            self._enter(AWAIT_REQUEST)
            self.set_phase(REQUEST_TIME, self._shared.clock())
            self._requests()  # some may have been waiting in the decoder

    def _flush(self, data: bytes) -> None:
        """Sends as much as the socket takes. While the rest waits for room, nothing is read."""
        try:
            turned = self._socket.send(data)
        except OSError:
            self._ended(reset=True, unsent=True)
            return
        if turned and self._socket.unsent:
            self.set_write(self._shared.clock())
        elif turned:
            self.clear_write()

    def _ended(self, *, reset: bool = False, unsent: bool = False) -> None:
        """The phone has closed TLS or TCP, or reset TCP: closes TCP too.

        A phone's close notification is not answered: phones close TCP together with it, and the reply would be a
        packet that is never read, and one system call in ten of a connection. `unsent`: bytes for it could not be sent.
        """
        if self._outcome:  # the session lingers
            self._close(self._outcome)
            return
        conversation, spoke = self._conversation, self._spoke
        answered, unfinished = 0 if unsent else conversation.answered, conversation.unfinished
        if self.state is HANDSHAKE:
            self._shared.counts.handshake_failed(TLSFailure.CLOSED)
            if spoke:
                self._shared.connection_failed(self.address, TLSFailure.CLOSED.value)
        elif unfinished and not reset:
            conversation.end()
        self._close(outcome_of_end(self.state, reset=reset, spoke=spoke, answered=answered, unfinished=unfinished))

    def _finish(self, outcome: str) -> None:
        """Sends the close notification and ends our side of TCP, then waits for the phone's last bytes."""
        self._outcome = outcome
        self._tls.shutdown()
        self._flush(self._tls.outgoing())
        if self.state is CLOSED:
            return
        if self._socket.unsent:  # the phone reads nothing: it would not notice an orderly end
            self._close(outcome)
            return
        self._socket.send_end()
        self._enter(LINGER)
        del self._tls  # its memory; what still arrives is discarded
        self.set_last(LINGER_TIME, self._shared.clock())

    def _close(self, outcome: str) -> None:
        shared = self._shared
        self._enter(CLOSED)
        self.clear_deadlines()
        self._socket.close()
        self._closed(self)
        self._conversation.closed(outcome)
        shared.counts.closed(outcome, shared.clock() - self._accepted_at)

    def _handshake(self) -> bool:
        """Continues the handshake; True when it is done and the session awaits a request."""
        try:
            done = self._tls.handshake()
        except TLSError as error:
            handshake_failed(self._shared, self.address, error, self._tls.take_flight())
            self._finish("handshake_failed")
            return False
        self._flush(self._tls.outgoing())
        if not done or self.state is not HANDSHAKE:
            return False
        self._handshake_done()
        return True

    def _handshake_done(self) -> None:
        shared = self._shared
        now = shared.clock()
        version = self._tls.version
        if version == "TLSv1.3":  # no ticket follows that would carry the acknowledgement
            self._socket.acknowledge_at_once()
        cipher = self._tls.cipher
        shared.counts.handshake_done(version, cipher, now - self._accepted_at)
        ask = shared.asks_certificates
        certificate = record_certificate(self._tls, shared, self.address, self._trace) if ask else ""
        self._conversation.began(version, cipher, certificate, self._tls.take_flight())
        if self._trace is not None:
            self._trace.handshake_done(cipher)
        self._enter(AWAIT_REQUEST)
        self.set_phase(REQUEST_TIME, now)

    # -- requests ---------------------------------------------------------------------------------------------------

    def _requests(self) -> None:
        """Reads decrypted bytes, answers the whole requests in them, sends all answers at once."""
        closed = self._read_plaintext()
        if closed is None:
            return
        answers, turn = self._conversation.answer()
        if answers:
            self._tls.write(answers)
            self.set_phase(REQUEST_TIME, self._shared.clock())
        if data := self._tls.outgoing():
            self._flush(data)
        if self.state is not AWAIT_REQUEST:
            return
        if turn is MALFORMED:
            self._finish("protocol_error")
        elif self._socket.unsent:
            self._enter(SENDING)
            self.clear_phase()
        elif turn is MORE or (self._tls.readable and not closed):
            self._socket.pause()  # the phone waits until what it sent is answered
            self._shared.loop.call_soon(self._on_next_turn)
        elif closed:
            self._ended()

    def _read_plaintext(self) -> bool | None:
        """Hands decrypted bytes to the conversation. True if the phone has closed TLS, None if TLS has failed."""
        conversation, tls = self._conversation, self._tls
        try:
            while tls.readable and not conversation.full and (data := tls.read()):
                conversation.receive(data)
        except TLSClosed:
            return True
        except TLSError as error:
            self._shared.stranger("tls_error", self.address, reason=error.failure.value, detail=error.detail)
            self._finish("tls_error")
            return None
        return False
