"""Ends of a session: by the phone, by a fault, by the service; a real TLS client at the other end."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.phones import ADDRESS, UNKNOWN, asked, closed, not_trusted, query
from tvs.answers.verifier import TrustVerifier
from tvs.server.states import SessionState
from tvs.tls.failures import TLSError

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.trace import Trace
    from proto.messages import Request
    from tests.fixtures.phones import Phone
    from tests.fixtures.worker import Worker
    from tvs.answers.verifier import Verdict
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]


# -- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "end", "outcome"),
    [
        (b"", "hang_up", "no_request"),
        (b"", "close", "no_request"),
        (b"", "reset", "reset"),
        (query()[:9], "hang_up", "protocol_error"),
        (query()[:9], "close", "protocol_error"),
        (query()[:9], "reset", "reset"),
    ],
)
def test_phone_that_leaves_without_an_answer(
    worker: Worker, connect: Connect, sent: bytes, end: str, outcome: str
) -> None:
    """Closing TLS, closing TCP and resetting it before an answer have their own outcomes."""
    session, phone = connect(worker)
    phone.handshake()
    if sent:
        phone.send(sent)
        worker.turn()
    {"hang_up": phone.hang_up, "close": phone.socket.close, "reset": phone.reset}[end]()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {outcome: 1}
    errors = worker.counted().get("tvs_protocol_errors_total{unexpected_end}", 0)
    assert errors == (1 if outcome == "protocol_error" else 0)


@pytest.mark.parametrize("end", ["hang_up", "close", "reset"])
def test_phone_that_leaves_with_its_answer(worker: Worker, connect: Connect, end: str) -> None:
    """However a phone leaves that has its answer, it was answered."""
    session, phone = connect(worker)
    phone.handshake()
    asked(session, phone)
    {"hang_up": phone.hang_up, "close": phone.socket.close, "reset": phone.reset}[end]()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"answered": 1}


@pytest.mark.parametrize(("sent", "outcome"), [(b"", "probe"), (b"\x16\x03", "handshake_failed")])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_phone_that_leaves_in_the_handshake(
    worker: Worker, connect: Connect, sent: bytes, end: str, outcome: str
) -> None:
    """A connection that ends in the handshake is a probe unless it sent something."""
    session, phone = connect(worker)
    phone.socket.sendall(sent)
    worker.turn()
    {"close": phone.socket.close, "reset": phone.reset}[end]()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {outcome: 1}
    assert worker.counted()["tvs_tls_handshakes_total{closed,none}"] == 1


def test_phone_that_resets_before_the_services_flight(worker: Worker, connect: Connect) -> None:
    """A phone that is gone when the handshake's answer is sent ends like one that left a moment before."""
    session, phone = connect(worker)
    phone.tls.handshake()
    phone.flush()
    phone.reset()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"handshake_failed": 1}
    assert worker.counted()["tvs_tls_handshakes_total{closed,none}"] == 1


def test_record_out_of_place_in_the_handshake(worker: Worker, connect: Connect) -> None:
    """Application data in the middle of a handshake of TLS 1.2 is a bad record."""
    session, phone = connect(worker, maximum=SSL.TLS1_2_VERSION)
    phone.tls.handshake()
    phone.flush()
    worker.until(phone.pump)
    phone.socket.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    worker.until(lambda: session.state is SessionState.LINGER)
    phone.socket.close()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"handshake_failed": 1}
    assert worker.counted()["tvs_tls_handshakes_total{bad_record,none}"] == 1


def test_stranger_that_does_not_speak_tls(worker: Worker, connect: Connect) -> None:
    """A client without TLS is refused, counted and logged under the reason."""
    session, phone = connect(worker)
    phone.socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
    worker.until(lambda: session.state is SessionState.LINGER)
    phone.socket.close()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"handshake_failed": 1}
    assert worker.counted()["tvs_tls_handshakes_total{not_tls,none}"] == 1
    (line,) = worker.events("handshake_failed")
    assert (line["address"], line["reason"]) == (ADDRESS, "not_tls")


def test_phone_without_a_common_version(worker: Worker, connect: Connect) -> None:
    """A phone whose versions the profile refuses gets an alert."""
    session, phone = connect(worker, maximum=SSL.TLS1_1_VERSION)
    with pytest.raises(TLSError, match="alert"):
        phone.handshake()
    assert session.state is SessionState.LINGER
    assert worker.counted()["tvs_tls_handshakes_total{unsupported_version,none}"] == 1


def test_damaged_record(worker: Worker, connect: Connect) -> None:
    """A record that does not decrypt ends the connection with an alert; requests before it were answered."""
    session, phone = connect(worker)
    phone.handshake()
    answer = asked(session, phone)
    phone.socket.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    worker.until(lambda: session.state is SessionState.LINGER)
    assert phone.read() == answer
    phone.socket.close()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"tls_error": 1}
    (line,) = worker.events("tls_error")
    assert line["address"] == ADDRESS


def test_malformed_request_after_good_ones(worker: Worker, connect: Connect) -> None:
    """The answers before a bad request are sent, then the connection is closed in order."""
    session, phone = connect(worker)
    phone.handshake()
    phone.send(query(1, serial=UNKNOWN) + query(2, serial=UNKNOWN) + b"GET / HTTP/1.0\r\n\r\n")
    worker.until(lambda: session.state is SessionState.LINGER)
    assert phone.read() == not_trusted(1) + not_trusted(2)
    assert phone.ended == "tls"
    phone.hang_up()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"protocol_error": 1}
    assert worker.counted()["tvs_protocol_errors_total{discriminator}"] == 1


def test_malformed_request_of_a_phone_that_does_not_read(worker: Worker, connect: Connect) -> None:
    """If answers still wait for room, a malformed request ends the connection at once: the phone would see no end."""
    session, phone = connect(worker, buffer=4096)
    phone.handshake()
    phone.send(query() * 31 + b"GET / HTTP/1.0")
    worker.turn()
    assert closed(worker, session)
    assert worker.outcomes == {"protocol_error": 1}


def test_phone_that_is_gone_when_it_is_answered(worker: Worker, connect: Connect) -> None:
    """A connection that was reset before the answer went out ends as reset, though the request was answered."""
    session, phone = connect(worker)
    phone.handshake()
    phone.send(query())
    data = session._socket.receive(1 << 14)
    assert data
    phone.reset()
    session._tls.receive(data)
    session._requests()
    assert closed(worker, session)
    assert worker.outcomes == {"reset": 1}


# -- drain, abort, faults --------------------------------------------------------------------------------------------


def test_drain_closes_answered_sessions(worker: Worker, connect: Connect) -> None:
    """Draining closes the session of a phone that was answered, and leaves those that may still ask."""
    has_answer, first = connect(worker)
    first.handshake()
    asked(has_answer, first)
    is_asking, second = connect(worker)
    second.handshake()
    asked(is_asking, second)
    second.send(query()[:9])
    not_asked, third = connect(worker)
    third.handshake()
    in_handshake, _ = connect(worker)
    worker.turn()
    sessions = (has_answer, is_asking, not_asked, in_handshake)
    for session in sessions:
        session.drain()
    assert [session.state for session in sessions] == [
        SessionState.LINGER,
        SessionState.AWAIT_REQUEST,
        SessionState.AWAIT_REQUEST,
        SessionState.HANDSHAKE,
    ]
    first.read()
    assert first.ended == "tls"


def test_abort_closes_at_once(worker: Worker, connect: Connect) -> None:
    """An aborted session is closed whatever its state; one that has an outcome keeps it; twice changes nothing."""
    waiting, _ = connect(worker)
    lingering, phone = connect(worker)
    phone.handshake()
    asked(lingering, phone)
    lingering.drain()
    for session in (waiting, lingering, waiting):
        session.abort()
    assert worker.closed == [waiting, lingering]
    assert worker.outcomes == {"drained": 1, "answered": 1}


class Broken(TrustVerifier):
    """A verifier with a bug."""

    def answer(self, request: Request, trace: Trace | None = None) -> Verdict:
        """Fails."""
        raise ZeroDivisionError(request.session_id, trace)


def test_bug_ends_one_connection(worker: Worker, connect: Connect, verifier: TrustVerifier) -> None:
    """An unexpected exception ends the connection that it happened in, is logged with its traceback, and no other."""
    session, phone = connect(worker)
    phone.handshake()
    other, patient = connect(worker)
    patient.handshake()
    worker.shared.verifier = Broken(verifier, verifier)  # type: ignore[arg-type] # never asked
    phone.send(query())
    worker.until(lambda: session.state is SessionState.CLOSED)
    worker.shared.verifier = verifier
    assert asked(other, patient) == not_trusted(1)
    assert worker.outcomes == {"internal_error": 1}
    (line,) = worker.events("session_failed")
    assert line["address"] == ADDRESS
    assert "ZeroDivisionError" in line["exception"]


def test_bug_at_a_deadline_ends_one_connection(
    worker: Worker, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception when a deadline has passed ends that connection; the deadlines of the others are looked at too."""

    def broken(*_: object, **__: object) -> tuple[str, bool]:
        raise ZeroDivisionError

    session, _ = connect(worker)
    with monkeypatch.context() as bug:
        bug.setattr("tvs.server.session.outcome_of_deadline", broken)
        worker.pass_time(60)
    assert closed(worker, session)
    assert worker.outcomes == {"internal_error": 1}
    (line,) = worker.events("session_failed")
    assert "ZeroDivisionError" in line["exception"]


def test_tracebacks_of_strangers_fill_no_log(worker: Worker, connect: Connect, verifier: TrustVerifier) -> None:
    """A bug that strangers can provoke is logged ten times a second at most; the next line counts the rest."""
    worker.shared.verifier = Broken(verifier, verifier)  # type: ignore[arg-type] # never asked
    for number in range(14):
        if number == 13:
            worker.clock.now += 1.0
        session, phone = connect(worker)
        phone.handshake()
        phone.send(query())
        worker.until(lambda session=session: session.state is SessionState.CLOSED)  # type: ignore[misc]
    assert worker.outcomes == {"internal_error": 14}
    lines = worker.logged()
    assert [line.get("held_back") for line in lines] == [None] * 10 + [3]
    assert {(line["event"], line["level"]) for line in lines} == {("session_failed", "error")}


def test_memory_of_a_session_that_lingers(worker: Worker, connect: Connect) -> None:
    """A session that the service has ended holds no TLS connection while it waits for the phone's last bytes."""
    session, phone = connect(worker)
    phone.handshake()
    tls = weakref.ref(session._tls._connection)
    phone.send(b"GET / HTTP/1.0\r\n\r\n")
    worker.until(lambda: session.state is SessionState.LINGER)
    assert tls() is None
