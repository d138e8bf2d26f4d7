"""Acceptor: limits, descriptors, drain. Real listening sockets, and phones that connect to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.fixtures.phones import UNKNOWN, Phone, not_trusted, query
from tests.fixtures.running import PATIENCE
from tvs.server.acceptor import ACCEPTS_PER_TURN, RESERVE, Acceptor
from tvs.server.session import PhoneSession
from tvs.server.states import SessionState
from tvs.server.workqueue import FEW
from tvs.system.listening import listen_together
from tvs.system.relay import Relay
from tvs.tls.connection import TLSConnection
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.worker import Worker
    from tvs.system.relay import RelayEnd

HANDED_OVER = "tvs_connections_handed_over_total"


class Entrance:
    """A worker's acceptor on a port of its own, and phones that come to it."""

    def __init__(self, worker: Worker, relay: RelayEnd | None = None) -> None:
        self.worker = worker
        self.listeners = listen_together("127.0.0.1", 0, 1)
        self.address = self.listeners[0].getsockname()
        self.acceptor = Acceptor(worker.shared, self.listeners, relay)
        self.acceptor.start()
        self._phones: list[socket.socket] = []

    def knock(self, source: str = "127.0.0.1") -> socket.socket:
        """A TCP connection that waits in the backlog."""
        return self.keep(socket.create_connection(self.address, PATIENCE, source_address=(source, 0)))

    def keep(self, phone: socket.socket) -> socket.socket:
        """Closes a phone's connection at the end."""
        phone.setblocking(False)
        self._phones.append(phone)
        return phone

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A TCP connection that the acceptor has taken or refused."""
        phone = self.knock(source)
        attempted = self.worker.shared.counts.attempted
        self.worker.until(lambda: self.worker.shared.counts.attempted > attempted)
        return phone

    def phone(self) -> Phone:
        """A phone after its handshake."""
        phone = Phone(
            self.worker,
            self.connect(),
            TLSConnection(client_context(maximum=SSL.TLS1_2_VERSION), server_side=False),
        )
        phone.handshake()
        return phone

    def close(self) -> None:
        """Ends everything."""
        self.acceptor.close()
        for phone in self._phones:
            phone.close()


@pytest.fixture
def relay() -> Relay:
    """A relay for two workers; `enter` closes it."""
    return Relay(2)


@pytest.fixture
def enter(relay: Relay) -> Iterator[Callable[..., Entrance]]:
    """Opens a worker's entrance, which is closed with the test."""
    with contextlib.ExitStack() as stack:
        stack.callback(relay.close)  # after the entrances

        def make(worker: Worker, relay: RelayEnd | None = None) -> Entrance:
            entrance = Entrance(worker, relay)
            stack.callback(entrance.close)
            return entrance

        yield make


@pytest.fixture
def entrance(worker: Worker, enter: Callable[[Worker], Entrance]) -> Entrance:
    """The entrance of a worker with the default settings."""
    return enter(worker)


def refused(phone: socket.socket) -> bool:
    """Whether the connection was closed without a byte."""
    with contextlib.suppress(BlockingIOError):
        return phone.recv(1) == b""
    return False


# -- connections and limits ------------------------------------------------------------------------------------------


def test_connection_becomes_a_session(entrance: Entrance) -> None:
    """An accepted phone is a session until its connection ends, and is counted."""
    phone = entrance.phone()
    (session,) = entrance.acceptor.sessions
    assert (session.address, session.state) == ("127.0.0.1", SessionState.AWAIT_REQUEST)
    phone.hang_up()
    entrance.worker.until(lambda: not entrance.acceptor.sessions)
    counted = entrance.worker.counted()
    assert (counted["tvs_connections_accepted_total"], entrance.worker.outcomes) == (1, {"no_request": 1})


def test_many_phones_at_once(entrance: Entrance) -> None:
    """More phones than are taken in one turn are all taken."""
    for _ in range(ACCEPTS_PER_TURN + 5):
        entrance.knock()
    entrance.worker.until(lambda: len(entrance.acceptor.sessions) == ACCEPTS_PER_TURN + 5)


@pytest.mark.parametrize(("limit", "reason"), [("max_connections", "connections"), ("max_half_open", "half_open")])
def test_limit_of_connections(
    make_worker: Callable[..., Worker], enter: Callable[[Worker], Entrance], limit: str, reason: str
) -> None:
    """Beyond a limit a connection is closed before TLS, counted and logged; one that ends makes room."""
    worker = make_worker(**{limit: 2})
    entrance = enter(worker)
    first, second, third = (entrance.connect() for _ in range(3))
    assert (refused(first), refused(second), refused(third)) == (False, False, True)
    first.close()
    worker.until(lambda: len(entrance.acceptor.sessions) == 1)
    assert not refused(entrance.connect())
    assert worker.counted()[f"tvs_connections_rejected_total{{{reason}}}"] == 1
    assert worker.counted()["tvs_connections_accepted_total"] == 3
    assert worker.shared.counts.attempted == 4
    assert worker.events("connection_rejected") == [{"address": "127.0.0.1", "reason": reason}]


def test_finished_handshake_makes_room(make_worker: Callable[..., Worker], enter: Callable[[Worker], Entrance]) -> None:
    """Only connections in the handshake count as half open."""
    entrance = enter(make_worker(max_half_open=1))
    entrance.phone()
    assert not refused(entrance.connect())
    assert refused(entrance.connect())


def test_limit_for_one_address(make_worker: Callable[..., Worker], enter: Callable[[Worker], Entrance]) -> None:
    """One address gets its number of connections, another one its own; a connection that ends makes room."""
    worker = make_worker(max_per_address=2)
    entrance = enter(worker)
    first, second, third = (entrance.connect() for _ in range(3))
    assert (refused(first), refused(second), refused(third)) == (False, False, True)
    assert not refused(entrance.connect("127.0.0.2"))
    first.close()
    worker.until(lambda: len(entrance.acceptor.sessions) == 2)
    assert not refused(entrance.connect())
    assert refused(entrance.connect())
    assert worker.counted()["tvs_connections_rejected_total{address}"] == 2


def test_limits_change_with_the_settings(
    make_worker: Callable[..., Worker], enter: Callable[[Worker], Entrance]
) -> None:
    """New limits hold for the next connection, and count those that are open already."""
    worker = make_worker()
    entrance = enter(worker)
    for _ in range(2):
        entrance.connect()
    worker.shared.reconfigure(make_worker(max_per_address=2).shared.config)
    entrance.acceptor.limits_changed()
    assert refused(entrance.connect())
    worker.shared.reconfigure(make_worker(max_connections=3).shared.config)
    entrance.acceptor.limits_changed()
    assert not refused(entrance.connect())
    assert refused(entrance.connect())


def test_full_worker_hands_over(
    make_worker: Callable[..., Worker], enter: Callable[..., Entrance], relay: Relay
) -> None:
    """What a full worker cannot take, another one takes; if that is full too, it is refused, and counted once."""
    busy, idle = make_worker(max_half_open=2, workers=2), make_worker(max_half_open=4, workers=2)
    first, second = enter(busy, relay.end(0)), enter(idle, relay.end(1))
    second.acceptor.tell()
    phones = [first.knock() for _ in range(4)]
    busy.until(lambda: len(first.acceptor.sessions) == 1 and busy.counted().get(HANDED_OVER) == 3)
    idle.until(lambda: idle.shared.counts.attempted == 3)
    assert sum(refused(phone) for phone in phones) == 1
    assert busy.counted()["tvs_connections_accepted_total"] == 1
    assert idle.counted()["tvs_connections_accepted_total"] == 2
    assert idle.counted()["tvs_connections_rejected_total{half_open}"] == 1
    assert refused(first.connect()), "both have said that they are full"
    assert busy.counted()["tvs_connections_rejected_total{half_open}"] == 1


@pytest.mark.parametrize(("waiting", "handed"), [(FEW, 1), (FEW + 1, 0)])
def test_few_who_wait_elsewhere(
    make_worker: Callable[..., Worker],
    enter: Callable[..., Entrance],
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
    waiting: int,
    handed: int,
) -> None:
    """A worker with a few phones takes what a full one hands over, however slow the machine; one with more does not."""
    full, other = make_worker(max_half_open=2, workers=2), make_worker(workers=2)
    first, second = enter(full, relay.end(0)), enter(other, relay.end(1))
    queue = other.shared.poller.queue
    queue.served(256, 256, 0.0, 100.0)
    for _ in range(1000):
        queue.served(10, 10, 0.0, 100.0)  # 10 ms each
    monkeypatch.setattr(type(other.shared.poller), "look", lambda _: None)
    queue.found(0, waiting)
    assert queue.delay > 0.1
    first.connect()
    second.acceptor.tell()
    phone = first.knock()
    full.until(lambda: full.shared.counts.attempted == 2 or full.counted().get(HANDED_OVER))
    assert refused(phone) is not bool(handed)
    assert full.counted().get(HANDED_OVER, 0) == handed


def test_limit_of_an_address_is_not_handed_over(
    make_worker: Callable[..., Worker], enter: Callable[..., Entrance], relay: Relay
) -> None:
    """An address that has its number of connections gets no more from another worker."""
    worker, other = make_worker(max_per_address=1, workers=2), make_worker(workers=2)
    entrance = enter(worker, relay.end(0))
    enter(other, relay.end(1)).acceptor.tell()
    assert not refused(entrance.connect())
    assert refused(entrance.connect())


def test_limits_are_shared_out(make_worker: Callable[..., Worker], enter: Callable[[Worker], Entrance]) -> None:
    """A worker of several has its part of the service's limits."""
    entrance = enter(make_worker(workers=4, max_connections=8))
    assert [refused(entrance.connect()) for _ in range(3)] == [False, False, True]


# -- descriptors -----------------------------------------------------------------------------------------------------


def test_out_of_descriptors(entrance: Entrance, no_descriptors: Callable[[], None]) -> None:
    """Without free descriptors a waiting phone is refused at once, and the acceptor tries again a little later."""
    worker = entrance.worker
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    first, second = entrance.knock(), entrance.knock()
    no_descriptors()
    worker.until(lambda: refused(first))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not entrance.acceptor.sessions
    worker.until(lambda: entrance.acceptor.sessions)
    assert not refused(second)
    assert worker.counted()["tvs_connections_rejected_total{descriptors}"] == 1
    assert worker.events("connection_rejected") == [{"reason": "descriptors"}]


def test_phones_leave_descriptors_for_the_worker(entrance: Entrance, free: Callable[[], None]) -> None:
    """Phones do not get the last descriptors: they are refused while the worker can still open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as files:
        for _ in range(2 * RESERVE):
            files.enter_context(Path(os.devnull).open("rb"))
        waiting = entrance.knock()
        resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + RESERVE + 2, hard))
        entrance.acceptor.look_at_system()
        entrance.worker.until(lambda: entrance.acceptor.sessions)
        assert refused(entrance.connect())
        for _ in range(RESERVE // 2):
            files.enter_context(Path(os.devnull).open("rb"))
    free()
    entrance.acceptor.look_at_system()
    assert not refused(entrance.connect())
    assert entrance.worker.counted()["tvs_connections_rejected_total{descriptors}"] == 1


def no_memory(*_: object) -> None:
    """Stands for a step for which memory is missing."""
    raise MemoryError


@pytest.mark.parametrize("step", ["__init__", "start"])
def test_session_that_cannot_be_made(entrance: Entrance, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A connection for which memory is missing is closed, counted in one outcome, and no obstacle to the next one."""
    with monkeypatch.context() as patch:
        patch.setattr(PhoneSession, step, no_memory)
        phone = entrance.connect()
    entrance.worker.until(lambda: refused(phone))
    entrance.phone().hang_up()
    entrance.worker.until(lambda: not entrance.acceptor.sessions)
    assert entrance.worker.outcomes == {"internal_error": 1, "no_request": 1}
    assert not any(entrance.worker.shared.counts.open.values())
    assert not entrance.worker.shared.deadlines.connections
    (line,) = entrance.worker.events("session_failed")
    assert line["address"] == "127.0.0.1"


def test_accepting_fails(entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while accepting is logged, and tried again after a pause: the loop does not spin."""
    calls: list[float] = []

    def fail(_listener: object, connection: socket.socket, _address: object) -> None:
        connection.close()
        calls.append(entrance.worker.loop.time())
        raise MemoryError

    monkeypatch.setattr(entrance.acceptor, "_take", fail)
    entrance.knock()
    entrance.knock()
    entrance.worker.until(lambda: len(calls) == 2)
    assert calls[1] - calls[0] > 0.1
    monkeypatch.undo()
    entrance.knock()
    entrance.worker.until(lambda: entrance.acceptor.sessions)
    assert len(entrance.worker.events("accept_failed")) == 2


# -- stop, drain, close ----------------------------------------------------------------------------------------------


def test_stop_takes_all_that_was_handed_over(
    make_worker: Callable[..., Worker], enter: Callable[..., Entrance], relay: Relay
) -> None:
    """A worker that stops takes the phones that others have handed to it, not only those of one turn."""
    worker, giver = make_worker(workers=2), relay.end(0)
    entrance = enter(worker, relay.end(1))
    sibling = giver.soonest(worker.shared.clock())
    assert sibling is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for number in range(150):
            source = (f"127.0.1.{number}", 0)
            entrance.keep(socket.create_connection(listener.getsockname(), PATIENCE, source_address=source))
            accepted, address = listener.accept()
            with accepted:
                assert giver.hand(sibling, accepted, address[0])
    entrance.acceptor.stop()
    assert len(entrance.acceptor.sessions) == 150


def test_stop_takes_the_waiting_phones(entrance: Entrance) -> None:
    """Phones in the backlog become sessions before the port is closed; a later phone is refused by the system."""
    waiting = entrance.knock()
    entrance.acceptor.stop()
    assert len(entrance.acceptor.sessions) == 1
    assert not refused(waiting)
    with pytest.raises(ConnectionRefusedError):
        entrance.knock()


def test_drain(entrance: Entrance) -> None:
    """Draining answers phones that are about to ask, closes answered connections in order, and ends with the last."""
    worker = entrance.worker
    answered, asking = entrance.phone(), entrance.phone()
    answered.send(query(1, serial=UNKNOWN))
    worker.until(answered.read)
    draining = worker.loop.create_task(entrance.acceptor.drain())
    worker.until(lambda: answered.read() and answered.ended)
    assert (answered.received, answered.ended) == (not_trusted(1), "tls")
    assert not draining.done()
    asking.send(query(2, serial=UNKNOWN))
    worker.until(lambda: asking.read() and asking.ended)
    assert (asking.received, asking.ended) == (not_trusted(2), "tls")
    answered.hang_up()
    asking.hang_up()
    worker.until(draining.done)
    assert worker.outcomes == {"answered": 2}


def test_drain_has_an_end(entrance: Entrance) -> None:
    """Phones that never ask are waited for as long as the settings say; closing ends them as drained."""
    worker = entrance.worker
    silent = entrance.phone()
    draining = worker.loop.create_task(entrance.acceptor.drain())
    worker.until(lambda: not entrance.listeners[0].fileno() >= 0)
    worker.clock.now += worker.shared.config.drain_timeout - 0.1
    worker.loop.run_until_complete(asyncio.sleep(0.1))
    assert not draining.done()
    worker.clock.now += 0.2
    worker.until(draining.done)
    assert len(entrance.acceptor.sessions) == 1
    entrance.acceptor.close()
    assert not entrance.acceptor.sessions
    worker.until(silent.pump)
    assert silent.ended == "tcp"
    assert worker.outcomes == {"drained": 1}
