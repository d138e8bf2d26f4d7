"""Session of a phone: a real TLS client at the other end of a socket, and a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.phones import ADDRESS, UNKNOWN, asked, closed, decoded, not_trusted, query
from tests.fixtures.tls import identity
from tests.fixtures.worker import context_for
from tvs.server.states import SessionState
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.phones import Phone
    from tests.fixtures.worker import Worker
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]

HANDSHAKE, REQUEST, WRITE, LINGER, CONNECTION = 5.0, 5.0, 5.0, 1.0, 10.0
"""Seconds of the deadlines by default."""


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


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
def test_query_in_two_segments_leaves_the_worker_idle(worker: Worker, connect: Connect, version: int) -> None:
    """After a record that came in two pieces, also while the second is awaited, the loop has nothing to do."""
    session, phone = connect(worker, maximum=version)
    phone.handshake()
    worker.until(lambda: session.state is SessionState.AWAIT_REQUEST)
    phone.tls.write(query(1, serial=UNKNOWN))
    data = phone.tls.outgoing()
    phone.socket.sendall(data[:40])
    worker.turn()
    worker.turn()
    assert worker.waiting == 0
    phone.socket.sendall(data[40:])
    worker.until(phone.read)
    assert phone.received == not_trusted(1)
    worker.turn()
    assert worker.waiting == 0


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


def test_lingering_phone_is_not_read(worker: Worker, connect: Connect) -> None:
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
