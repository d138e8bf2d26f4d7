"""Records of sessions: each connection that failed or asked is seen once, with its TLS and its reason."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.phones import ADDRESS, asked, closed, query
from tvs.fleet.batches import decoded
from tvs.server.observations import Observations
from tvs.system.funnel import Funnel, FunnelReceiver, FunnelSender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.phones import Phone
    from tests.fixtures.worker import Worker
    from tvs.fleet.batches import Batch
    from tvs.server.session import PhoneSession

    Connect = Callable[..., tuple[PhoneSession, Phone]]
    Seen = Callable[[], Batch]


@pytest.fixture
def seen(worker: Worker) -> Iterator[Seen]:
    """A function that has the worker send what it saw, and reads it as the observer does."""
    with closing(Funnel(1)) as funnel:
        ((receiving, sending),) = funnel._pairs
        observations = Observations(FunnelSender(sending), worker.metrics)
        worker.shared.observations, worker.shared.notes_requests = observations, True
        receiver = FunnelReceiver(0, receiving)

        def read() -> Batch:
            worker.shared.counts.publish()
            observations.send(worker.shared.counts.take_rates())
            (message,) = receiver.messages()
            return decoded(message, time.time() + 1)

        yield read


def test_phone_that_asks(worker: Worker, connect: Connect, seen: Seen) -> None:
    """Its query is seen with the connection's TLS; the connection itself is no failure."""
    session, phone = connect(worker)
    phone.handshake()
    asked(session, phone)
    phone.hang_up()
    worker.until(lambda: closed(worker, session))
    batch = seen()
    (record,) = batch.answered
    assert (record.address, record.question.result, record.question.request) == (
        ADDRESS,
        "not_found",
        "QUERY_CERT_REQ",
    )
    assert (record.tls.version, record.tls.certificate) == (phone.tls.version, "none")
    assert record.tls.cipher == phone.tls.cipher
    assert (batch.failed, batch.counts["refused"], batch.counts["failed"]) == ([], 1, 0)


@pytest.mark.parametrize(
    ("shake", "sent", "end", "reason"),
    [
        (True, b"", "hang_up", "no_request"),
        (True, b"", "reset", "reset"),
        (True, query()[:9], "hang_up", "unexpected_end"),
        (True, b"rubbish that is no request", "", "discriminator"),
        (False, b"GET / HTTP/1.0\r\n\r\n", "", "not_tls"),
        (False, b"\x16\x03", "close", "closed"),
        (False, b"", "close", ""),
    ],
)
def test_connection_that_fails(
    worker: Worker, connect: Connect, seen: Seen, shake: bool, sent: bytes, end: str, reason: str
) -> None:
    """One record has the reason, and TLS if the handshake was done; a probe that sends nothing has none."""
    session, phone = connect(worker)
    if shake:
        phone.handshake()
    if sent:
        (phone.send if shake else phone.socket.send)(sent)
        worker.turn()
    if end:
        {"hang_up": phone.hang_up, "close": phone.socket.close, "reset": phone.reset}[end]()
        worker.until(lambda: closed(worker, session))
    else:
        worker.until(lambda: session.state.name in ("LINGER", "CLOSED"))
        session.abort()
    batch = seen()
    assert (batch.answered, batch.counts["connections"]) == ([], 1)
    assert [(failure.address, failure.reason) for failure in batch.failed] == ([(ADDRESS, reason)] if reason else [])
    assert [bool(failure.tls.version) for failure in batch.failed] == ([shake] if reason else [])


def test_phone_that_waits_too_long(worker: Worker, connect: Connect, seen: Seen) -> None:
    """The deadline that it missed is the reason, once."""
    for shake, reason in ((False, "handshake_timeout"), (True, "request_timeout")):
        session, phone = connect(worker)
        if shake:
            phone.handshake()
        else:
            phone.socket.send(b"\x16\x03")
            worker.turn()
        worker.pass_time(worker.shared.config.request_timeout + 0.1)
        session.abort()
        assert [failure.reason for failure in seen().failed] == [reason]


def test_rates_are_counted_once(worker: Worker) -> None:
    """Numbers for the observer are those of one publication after the other."""
    counts = worker.shared.counts
    counts.connection_accepted()
    counts.rejected("queue")
    counts.rejected("address")
    counts.handshake_failed("timeout")
    assert counts.take_rates() == {}
    counts.publish()
    assert counts.take_rates() == {"connections": 1, "turned_away": 2, "failed": 1}
    counts.publish()
    assert counts.take_rates() == {}
