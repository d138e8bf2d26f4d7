"""The session of a phone: a real TLS client at the other end of a socket, the clock in the test's hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.tls import identity
from tests.server.conftest import ADDRESS, context_for, decoded, not_trusted, query
from tvs.answers.verifier import TrustVerifier
from tvs.identity import KeyType
from tvs.server.states import SessionState
from tvs.tls.connection import TLSError

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.trace import Trace
    from proto.messages import Request
    from tests.server.conftest import Phone, Worker
    from tvs.answers.verifier import Verdict
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]

UNKNOWN = b"\x01"
"""Serial number of a certificate that is not trusted."""
HANDSHAKE, REQUEST, WRITE, LINGER, CONNECTION = 5.0, 5.0, 5.0, 1.0, 10.0
"""Seconds of the deadlines by default."""


def closed(worker: Worker, session: PhoneSession) -> bool:
    """Whether the session has ended, was reported once, and left nothing behind."""
    assert worker.closed == [session] * (session.state is SessionState.CLOSED)
    return session.state is SessionState.CLOSED


def asked(session: PhoneSession, phone: Phone, session_id: int = 1) -> bytes:
    """The answer to a query for an unknown certificate."""
    phone.received = b""
    phone.send(query(session_id, serial=UNKNOWN))
    phone.worker.until(phone.read)
    assert session.state is SessionState.AWAIT_REQUEST
    return phone.received


# -- a phone as it should be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "name"), [(SSL.TLS1_2_VERSION, "TLSv1.2"), (SSL.TLS1_3_VERSION, "TLSv1.3")], ids=["1.2", "1.3"]
)
def test_phone_asks_and_hangs_up(worker: Worker, connect: Connect, version: int, name: str) -> None:
    """A phone that asks, is answered and closes TLS ends as answered, without anything left behind."""
    session, phone = connect(worker, maximum=version)
    assert session.state is SessionState.HANDSHAKE
    assert worker.shared.counts.open["handshake"] == 1
    phone.handshake()
    worker.until(lambda: session.state is SessionState.AWAIT_REQUEST)
    assert asked(session, phone) == not_trusted(1)
    worker.clock.now += 2
    phone.hang_up()
    worker.until(lambda: closed(worker, session))
    counted = worker.counted()
    assert worker.outcomes == {"answered": 1}
    assert counted[f"tvs_tls_handshakes_total{{ok,{name}}}"] == 1
    assert counted["tvs_requests_total{query_cert_req,not_found,none}"] == 1
    assert counted["tvs_request_duration_seconds_sum{connection}"] == 2
    assert not any(name.startswith("tvs_connections{") for name in counted)


def test_requests_one_after_another(worker: Worker, connect: Connect) -> None:
    """A connection may ask several times, and then several requests at once."""
    session, phone = connect(worker)
    phone.handshake()
    assert [asked(session, phone, number) for number in (1, 2)] == [not_trusted(1), not_trusted(2)]
    phone.received = b""
    phone.send(b"".join(query(number) for number in range(100)))
    worker.until(lambda: phone.read().count(b"\x57\x01\x04") >= 100)
    assert [answer.session_id for answer in decoded(phone.received)] == list(range(100))


def test_request_in_single_bytes(worker: Worker, connect: Connect) -> None:
    """A request that comes in many records is answered when it is whole."""
    session, phone = connect(worker)
    phone.handshake()
    for byte in query(7, serial=UNKNOWN):
        assert phone.read() == b""
        phone.send(bytes([byte]))
        worker.turn()
    worker.until(phone.read)
    assert phone.received == not_trusted(7)
    assert session.state is SessionState.AWAIT_REQUEST


def test_phone_that_asks_and_closes_at_once(worker: Worker, connect: Connect) -> None:
    """A phone that closes TLS right behind its request is answered all the same."""
    session, phone = connect(worker)
    phone.handshake()
    phone.tls.write(query(1, serial=UNKNOWN))
    phone.tls.shutdown()
    phone.flush()
    worker.until(lambda: closed(worker, session))
    assert phone.read() == not_trusted(1)
    assert worker.outcomes == {"answered": 1}


def test_connection_keeps_its_certificate(worker: Worker, connect: Connect) -> None:
    """A connection that began before a new TLS context shows the certificate of that time, a later one the new."""
    _, before = connect(worker)
    worker.shared.context = context_for("new")
    _, after = connect(worker)
    before.handshake()
    after.handshake()
    assert before.tls.peer_certificate == identity("tvs", KeyType.P256).certificate
    assert after.tls.peer_certificate == identity("new", KeyType.P256).certificate


@pytest.mark.parametrize(
    ("issuer", "label"), [("Cisco Manufacturing CA", "yes,manufacturing"), ("Acme CA", "yes,other"), ("", "no,none")]
)
def test_certificate_of_the_phone(
    make_worker: Callable[..., Worker], connect: Connect, issuer: str, label: str
) -> None:
    """Whatever certificate a phone shows, or none, is accepted and counted; at debug its subject is logged."""
    worker = make_worker("debug")
    own = identity("SEP001DA23B4C5D", KeyType.P256, issuer=identity(issuer, KeyType.P256)) if issuer else None
    session, phone = connect(worker, own=own)
    phone.handshake()
    worker.until(lambda: session.state is SessionState.AWAIT_REQUEST)
    assert worker.counted()[f"tvs_tls_client_certificates_total{{{label}}}"] == 1
    lines = [(line["address"], line["subject"]) for line in worker.events("client_certificate")]
    assert lines == ([(ADDRESS, "CN=SEP001DA23B4C5D")] if issuer else [])


# -- deadlines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sent", "outcome"), [(b"", "probe"), (b"\x16\x03\x01", "handshake_timeout")])
def test_handshake_deadline(worker: Worker, connect: Connect, sent: bytes, outcome: str) -> None:
    """A phone that does not finish the handshake is closed at its deadline; a silent one was only a probe."""
    session, phone = connect(worker)
    phone.socket.sendall(sent)
    worker.turn()
    worker.pass_time(HANDSHAKE - 0.1)
    assert not closed(worker, session)
    worker.pass_time(0.2)
    assert closed(worker, session)
    assert phone.socket.recv(1) == b""
    assert worker.outcomes == {outcome: 1}
    assert worker.counted()["tvs_tls_handshakes_total{timeout,none}"] == 1


@pytest.mark.parametrize("sent", [b"", query()[:-1]])
def test_request_deadline(worker: Worker, connect: Connect, sent: bytes) -> None:
    """A phone that does not ask, or does not finish asking, gets a close notification and the end of TCP."""
    session, phone = connect(worker)
    phone.handshake()
    if sent:
        phone.send(sent)
        worker.turn()
    worker.pass_time(REQUEST + 0.1)
    assert session.state is SessionState.LINGER
    assert phone.read() == b""
    assert phone.ended == "tls"
    phone.hang_up()
    worker.until(lambda: closed(worker, session))
    assert worker.outcomes == {"request_timeout": 1}


def test_request_deadline_starts_again_with_each_answer(worker: Worker, connect: Connect) -> None:
    """An answer gives the phone the whole time for its next request; single bytes do not."""
    session, phone = connect(worker)
    phone.handshake()
    worker.pass_time(REQUEST - 1)
    asked(session, phone)
    worker.pass_time(REQUEST - 2)
    phone.send(query()[:1])
    worker.turn()
    worker.pass_time(1.9)
    assert worker.counted()["tvs_connections{await_request}"] == 1
    worker.pass_time(0.2)
    assert session.state is SessionState.LINGER
    worker.pass_time(LINGER + 0.1)
    assert closed(worker, session)
    assert worker.outcomes == {"request_timeout": 1}


def test_answered_phone_that_does_not_hang_up(worker: Worker, connect: Connect) -> None:
    """A phone that has its answer and leaves the closing to the service ends as answered."""
    session, phone = connect(worker)
    phone.handshake()
    asked(session, phone)
    worker.pass_time(REQUEST + 0.1)
    phone.read()
    assert phone.ended == "tls"
    worker.pass_time(LINGER + 0.1)
    assert closed(worker, session)
    assert worker.outcomes == {"answered": 1}


def test_connection_deadline(worker: Worker, connect: Connect) -> None:
    """Nothing that a phone does makes its connection last longer than the deadline of the whole."""
    session, phone = connect(worker)
    phone.handshake()
    for _ in range(4):
        asked(session, phone)
        worker.pass_time(2.4)
    phone.send(query()[:-1])
    worker.turn()
    worker.pass_time(CONNECTION - 4 * 2.4 + 0.1)
    assert session.state is SessionState.LINGER
    worker.pass_time(LINGER + 0.1)
    assert closed(worker, session)
    assert worker.outcomes == {"connection_timeout": 1}


def test_lingering_phone_is_not_heard(worker: Worker, connect: Connect) -> None:
    """What arrives after the service has closed its side is discarded, and the wait for the phone's end is bounded."""
    session, phone = connect(worker)
    phone.handshake()
    worker.pass_time(REQUEST + 0.1)
    phone.send(query())
    worker.turn()
    worker.pass_time(LINGER - 0.1)
    assert session.state is SessionState.LINGER
    assert not any(name.startswith("tvs_requests_total") for name in worker.counted())
    worker.pass_time(0.2)
    assert closed(worker, session)
    assert worker.outcomes == {"request_timeout": 1}


# -- slow readers ----------------------------------------------------------------------------------------------------


def filled(worker: Worker, connect: Connect) -> tuple[PhoneSession, Phone, int]:
    """A phone that asked on until its answers had to wait, and how often it asked."""
    session, phone = connect(worker, buffer=4096)
    phone.handshake()
    number = 0
    while session.state is SessionState.AWAIT_REQUEST:
        phone.send(b"".join(query(number + step) for step in range(8)))
        number += 8
        worker.turn()
        assert number < 10_000
    assert session.state is SessionState.SENDING
    return session, phone, number


def test_slow_reader_gets_every_answer(worker: Worker, connect: Connect) -> None:
    """While answers wait for room nothing is read; when the phone reads, it gets all of them in order."""
    session, phone, number = filled(worker, connect)
    assert worker.counted()["tvs_connections{sending}"] == 1
    before = worker.counted()["tvs_requests_total{query_cert_req,trusted,db}"]
    phone.send(query(number))
    worker.turn()
    assert worker.counted()["tvs_requests_total{query_cert_req,trusted,db}"] == before
    worker.until(lambda: phone.read().count(b"\x57\x01\x04") > number)
    worker.until(lambda: session.state is SessionState.AWAIT_REQUEST)
    assert [answer.session_id for answer in decoded(phone.received)] == list(range(number + 1))
    worker.pass_time(WRITE + 0.1)
    assert session.state is SessionState.LINGER
    assert worker.outcomes == {}


def test_write_deadline(worker: Worker, connect: Connect) -> None:
    """A phone that does not read is closed at the write deadline, without waiting for its end.

    No request is awaited meanwhile, so that the request deadline, which is as long by default, does not pass first.
    """
    session, _, _ = filled(worker, connect)
    worker.pass_time(WRITE - 0.1)
    assert not closed(worker, session)
    worker.pass_time(0.2)
    assert closed(worker, session)
    assert worker.outcomes == {"write_timeout": 1}


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


# -- drain, abort, faults --------------------------------------------------------------------------------------------


def test_drain_lets_go_who_has_an_answer(worker: Worker, connect: Connect) -> None:
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
