"""A phone's conversation without socket or TLS: decrypted bytes in, answers out.

From a decoded request to its encoded answer nothing waits. Each request is counted here, in exactly one result.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING

from proto.codec import HEADER_SIZE, MAX_REQUEST_PAYLOAD, NEED_DATA, Decoder, frame
from proto.errors import RemoteProtocolError
from proto.messages import REQUESTS, QueryCertRequest
from tvs.answers.verifier import TrustResult
from tvs.fleet.batches import NO_TLS, TLS
from tvs.server.observations import SILENT_FAILURES
from tvs.server.refusals import signer_refused
from tvs.server.states import SessionState
from tvs.tls.clienthello import offered_suites

if TYPE_CHECKING:
    from proto.messages import Request
    from tvs.answers.verifier import Verdict
    from tvs.server.shared import Shared
    from tvs.server.traces import ConnectionTrace
    from tvs.server.tracing import HeldTrace

MAX_ANSWERS_PER_TURN = 32
"""Requests of one connection that are answered before other phones get their turn."""
MAX_UNSENT = 64 * 1024
"""Answer bytes after which a turn ends: a slow reader's requests are not answered on and on."""
MAX_BUFFERED = HEADER_SIZE + MAX_REQUEST_PAYLOAD
"""Waiting decrypted bytes from which no more are read: so many always hold a whole request, or an error."""


class Turn(Enum):
    """The end of a turn of answers."""

    DONE = "every whole request is answered"
    MORE = "the turn's limit was reached; more requests may wait"
    MALFORMED = "the bytes after the last answer are not a request; nothing can follow"


DONE, MORE, MALFORMED = Turn
TRUSTED = TrustResult.TRUSTED
"""The three turns, and a result; a global costs less on the hot path than an attribute of an enumeration."""


class Conversation:
    """The requests and answers of one connection.

    Args:
        shared: verifier, counts and log of the worker.
        address: the phone's IP address, for the log.
        trace: the connection's trace; None if it is not traced.

    Attributes:
        answered: requests that were answered.
        tls: the connection's TLS.
        full: whether so many bytes wait that no more should be received before the next turn.
    """

    __slots__ = ("_address", "_decoder", "_shared", "_trace", "answered", "full", "tls")

    def __init__(self, shared: Shared, address: str, trace: ConnectionTrace | HeldTrace | None) -> None:
        self._shared = shared
        self._address = address
        self._trace = trace
        self._decoder = Decoder(accept=REQUESTS, max_payload=MAX_REQUEST_PAYLOAD)
        self.answered = 0
        self.full = False
        self.tls = NO_TLS

    def began(self, version: str, cipher: str, certificate: str, flight: bytes) -> None:
        """The handshake is done, see `tvs.fleet.batches.TLS`; `flight`: what the phone sent first."""
        suites = "" if self._shared.observations is None else offered_suites(flight)
        self.tls = TLS(version, cipher, certificate, suites)

    def closed(self, outcome: str) -> None:
        """The connection has ended: the observer sees a failure that has no record yet."""
        if not self.answered and outcome in SILENT_FAILURES:
            self._shared.connection_failed(self._address, outcome, self.tls)

    @property
    def unfinished(self) -> bool:
        """Whether bytes wait that are not answered: the start of a request, or whole ones after a turn's limit."""
        return self._decoder.buffered > 0

    def receive(self, data: bytes) -> None:
        """Takes decrypted bytes, in any pieces."""
        self._decoder.receive_data(data)
        self.full = self._decoder.buffered >= MAX_BUFFERED

    def answer(self) -> tuple[bytes, Turn]:
        """The answers to the whole requests that wait, in their order, and how the turn ended.

        A malformed request is counted and logged; those before it are answered.
        """
        decoder, turn = self._decoder, DONE
        if not decoder.buffered:
            return b"", DONE
        answers: list[bytes] = []
        size = 0
        try:
            while decoder.buffered and (request := decoder.next_message()) is not NEED_DATA:
                answer = self._answer_one(request)  # type: ignore[arg-type] # only requests are accepted
                answers.append(answer)
                size += len(answer)
                if len(answers) == MAX_ANSWERS_PER_TURN or size > MAX_UNSENT:
                    turn = MORE
                    break
        except RemoteProtocolError as error:
            turn = MALFORMED
            self._malformed(error)
            self._shared.stranger("malformed_request", self._address, kind=error.kind.value, detail=str(error))
        self.full = self.full and decoder.buffered >= MAX_BUFFERED
        return b"".join(answers), turn

    def _answer_one(self, request: Request) -> bytes:
        """The answer to one request, which is counted, logged and traced."""
        started = time.perf_counter()
        shared = self._shared
        trace = self._trace
        if trace is None or (traced := trace.of(request.device_name)) is None:
            verdict = shared.verifier.answer(request)
            answer = frame(verdict.answer_type, request.session_id, verdict.payload)
        else:
            verdict, answer = self._traced(request, traced)
        self.answered += 1
        seconds = time.perf_counter() - started
        shared.counts.answered(request.message_type, verdict.result, verdict.source, seconds)
        if verdict.result is not TRUSTED and isinstance(request, QueryCertRequest):
            signer_refused(shared, self._address, request, verdict)
        if shared.notes_requests:
            shared.note_request(self._address, request, verdict, seconds, self._decoder.elements.tags, self.tls)
        return answer

    def _traced(self, request: Request, trace: ConnectionTrace) -> tuple[Verdict, bytes]:
        """The verdict on a request and the answer's bytes, with the lines of both."""
        trace.incoming(self._decoder.frame, request.message_type, request.session_id, SessionState.AWAIT_REQUEST)
        verdict = self._shared.verifier.answer(request, trace.trace)
        answer = frame(verdict.answer_type, request.session_id, verdict.payload)
        trace.sending(answer, request.message_type)
        return verdict, answer

    def end(self) -> None:
        """The phone sends no more: a request that it left unfinished is counted as a protocol error."""
        try:
            self._decoder.receive_end()
            self._decoder.next_message()
        except RemoteProtocolError as error:
            self._malformed(error)

    def _malformed(self, error: RemoteProtocolError) -> None:
        self._shared.counts.protocol_error(error.kind)
        self._shared.connection_failed(self._address, error.kind.value, self.tls)
