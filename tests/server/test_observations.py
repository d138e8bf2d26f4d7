"""Records of phones on their way to the observer: what is sent, what is dropped and counted, and that nothing waits."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from tests.fixtures.observed import TLS_1_2
from tvs.fleet.batches import MAX_ANSWERED, MAX_FAILED, decoded
from tvs.server.metrics import Metrics
from tvs.server.observations import Observations
from tvs.server.requestline import RequestLine
from tvs.system.funnel import Funnel, FunnelReceiver, FunnelSender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.fleet.batches import Batch


def line(device: str = "SEP1", *, subject: str = "CN=s") -> RequestLine:
    """An answered query."""
    return RequestLine(
        "192.0.2.1", device, "QUERY_CERT_REQ", subject, "0A", "CN=i", "trusted", "db", (0, 4), 3e-5, (1, 3)
    )


class World:
    """A worker's end and the observer's."""

    def __init__(self, funnel: Funnel) -> None:
        ((receiving, sending),) = funnel._pairs
        self.metrics = Metrics(CollectorRegistry())
        self.observations = Observations(FunnelSender(sending), self.metrics)
        self.receiver = FunnelReceiver(0, receiving)

    def read(self) -> list[Batch]:
        """The batches that have arrived."""
        return [decoded(message, time.time() + 1) for message in self.receiver.messages()]

    def dropped(self, reason: str) -> float:
        """The counter of dropped records."""
        name = "tvs_observations_dropped_total"
        return self.metrics.registry.get_sample_value(name, {"reason": reason}) or 0.0


@pytest.fixture
def world() -> Iterator[World]:
    """Nothing seen yet."""
    with closing(Funnel(1)) as funnel:
        yield World(funnel)


def test_records_and_counts(world: World) -> None:
    """All of a tick goes in one batch; a tick in which nothing happened sends none."""
    now = time.time()
    world.observations.answered(now, TLS_1_2, line())
    world.observations.failed("192.0.2.2", "unsupported_version", version="TLSv1")
    world.observations.send({"connections": 2, "trusted": 1, "failed": 1})
    world.observations.send({})
    (batch,) = world.read()
    (answered,), (failed,) = batch.answered, batch.failed
    assert (answered.address, answered.device, answered.tls) == ("192.0.2.1", "SEP1", TLS_1_2)
    assert answered.question == ("QUERY_CERT_REQ", "CN=s", "0A", "CN=i", "trusted", "db", (0, 4))
    assert answered.time == pytest.approx(now, abs=0.002)
    assert answered.seconds == pytest.approx(3e-5)
    assert (failed.address, failed.reason, failed.version) == ("192.0.2.2", "unsupported_version", "TLSv1")
    assert {name: number for name, number in batch.counts.items() if number} == {
        "connections": 2,
        "trusted": 1,
        "failed": 1,
    }


def test_full_list(world: World) -> None:
    """Beyond its bound records are dropped and counted, failures apart from answers; the counts are whole."""
    for number in range(MAX_ANSWERED + 30):
        world.observations.answered(1.0, TLS_1_2, line(f"SEP{number}"))
    for _ in range(MAX_FAILED + 5):
        world.observations.failed("192.0.2.2", "closed")
    assert world.observations.drops()
    world.observations.send({"connections": 10_000})
    assert not world.observations.drops()
    (batch,) = world.read()
    assert (len(batch.answered), len(batch.failed)) == (MAX_ANSWERED, MAX_FAILED)
    assert (batch.counts["connections"], batch.counts["dropped"], world.dropped("list_full")) == (10_000, 36, 36)
    world.observations.answered(1.0, TLS_1_2, line())
    world.observations.send({})
    assert [len(batch.answered) for batch in world.read()] == [1]


def test_observer_that_does_not_read(world: World) -> None:
    """Nothing waits for it: records are dropped and counted, and it gets all counts when it reads again."""
    before = signal.alarm(60)  # a worker that waited would be killed
    ticks = 300
    for _ in range(ticks):
        for number in range(100):
            world.observations.answered(1.0, TLS_1_2, line(f"SEP{number:012}", subject=f"CN={number:0100}"))
        world.observations.send({"connections": 100})
    signal.alarm(before)
    lost = world.dropped("not_read")
    assert lost > 0
    received: list[Batch] = []
    while batches := world.read():
        received += batches
    world.observations.send({"connections": 1})
    received += world.read()
    assert sum(len(batch.answered) for batch in received) == ticks * 100 - lost
    assert sum(batch.counts["connections"] for batch in received) == ticks * 100 + 1
    assert sum(batch.counts["dropped"] for batch in received) == lost


def test_no_observer_at_all(world: World) -> None:
    """A closed socket drops and counts, and raises nothing."""
    os.close(world.receiver._end.detach())
    world.observations.answered(1.0, TLS_1_2, line())
    world.observations.send({"trusted": 1})
    assert world.dropped("not_read") == 1
