"""The observer's loop: batches from workers become what the admin process reads, whatever one of them sends."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.observed import answered
from tvs.fleet.batches import COUNTS, encoded
from tvs.process.observer import BOARD_SIZE, PUBLISH, PUBLISH_IDLE, Observer
from tvs.status.observed import Observed
from tvs.system.board import Board
from tvs.system.funnel import MESSAGES_PER_TURN, Funnel, FunnelReceiver

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

NOW = 1_700_000_000.0


class World:
    """An observer of two workers, and the workers' sockets."""

    def __init__(self, funnel: Funnel) -> None:
        self.workers: list[socket.socket] = [sending for _, sending in funnel._pairs]
        self.board = Board(BOARD_SIZE)
        receivers = [FunnelReceiver(number, receiving) for number, (receiving, _) in enumerate(funnel._pairs)]
        self.observer = Observer(receivers, self.board, NOW)
        self.monotonic = 100.0

    def send(self, worker: int, device: str) -> None:
        """A worker sends a batch with one query."""
        for data, _ in encoded([1, 1, 0, 0, 0, 0, 0], [answered(time=NOW, device=device)], []):
            self.workers[worker].send(data)

    def turn(self, seconds: float = PUBLISH_IDLE) -> Observed:
        """A turn so many seconds after the last one; what is published then."""
        self.monotonic += seconds
        self.observer.turn(self.monotonic, NOW)
        return Observed.from_json(self.board.read())


@pytest.fixture
def world() -> Iterator[World]:
    """Two workers that have sent nothing."""
    with closing(Funnel(2)) as funnel:
        yield World(funnel)


def test_batches_of_all_workers(world: World) -> None:
    """Each query has the slot of its worker; the first turn publishes, also without any."""
    assert world.turn() == Observed.from_json(world.board.read())
    assert world.turn().since == NOW
    world.send(0, "SEP0")
    world.send(1, "SEP1")
    seen = world.turn()
    assert sorted((query.device, query.worker) for query in seen.queries) == [("SEP0", 0), ("SEP1", 1)]
    assert seen.intervals[-1].connections == 2


def test_publications_are_not_more_frequent_than_they_cost(world: World) -> None:
    """Batches that come one after the other are published together; without any, the rates go on every few seconds."""
    world.turn()
    world.send(0, "SEP0")
    assert world.turn(PUBLISH / 2).queries == ()
    assert len(world.turn(PUBLISH_IDLE).queries) == 1
    time = world.turn(PUBLISH_IDLE / 2).time
    assert world.turn(PUBLISH_IDLE).time >= time


def test_worker_that_sends_rubbish(world: World) -> None:
    """Bytes that are no batch are counted; the other worker's batches, and the same one's next, are taken."""
    world.workers[0].send(b"\x00rubbish")
    world.workers[0].send(b"[" * 60_000)
    world.send(0, "SEP0")
    world.send(1, "SEP1")
    seen = world.turn()
    assert (len(seen.queries), seen.unreadable) == (2, 2)


def test_rest_of_an_observer_that_was_late(world: World) -> None:
    """At the end all that waits is taken: on a busy machine that is more than the batches of one turn."""
    for number in range(3 * MESSAGES_PER_TURN):
        world.send(0, f"SEP{number:012X}")
    world.observer.take_rest(NOW)
    assert world.observer._poll.poll(0) == []
    assert len(world.turn().queries) == 3 * MESSAGES_PER_TURN


def test_worker_that_shuts_its_socket_down(world: World) -> None:
    """It is not heard any more and keeps nothing busy; the other one is heard."""
    world.workers[0].shutdown(2)
    world.turn()
    assert world.observer._poll.poll(0) == []
    world.send(1, "SEP1")
    assert [query.device for query in world.turn().queries] == ["SEP1"]
    assert len(COUNTS) == 7
