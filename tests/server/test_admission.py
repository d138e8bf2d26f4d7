"""Admission: the limits, and fairness between addresses where there is little room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from tvs.config.settings import Config
from tvs.server.admission import Admission
from tvs.server.counts import Counts
from tvs.server.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Admission]

FLOOD = "198.51.100.1"


@pytest.fixture
def admission(tmp_path: Path) -> Make:
    """Makes an admission with these settings, of one worker."""

    def make(**settings: object) -> Admission:
        counts = Counts(Metrics(CollectorRegistry()))
        return Admission(Config(state=tmp_path, workers=1, **settings), counts)  # type: ignore[arg-type]

    return make


def enter(admission: Admission, address: str, number: int = 1, *, delay: float = 0.0) -> int:
    """Lets so many phones of an address in, as far as they are; returns how many."""
    entered = 0
    for _ in range(number):
        if admission.refusal(address, delay) is None:
            admission.entered(address)
            admission._counts.session_began()
            entered += 1
    return entered


def test_long_queue_refuses_everybody(admission: Make) -> None:
    """Beyond the limit of the queue no phone is let in, and with a shorter one it is."""
    limited = admission(max_queue_delay=0.2)
    assert limited.refusal(FLOOD, 0.21) == "queue"
    assert limited.refusal(FLOOD, 0.19) is None


def test_no_limit_of_the_queue(admission: Make) -> None:
    """With 0 phones are let in, however long the queue is."""
    assert admission(max_queue_delay=0).refusal(FLOOD, 3600.0) is None


@pytest.mark.parametrize("addresses", [1, 2, 5])
def test_room_for_a_phone_that_comes(admission: Make, addresses: int) -> None:
    """Whoever is there, however few they are, leaves a quarter of the half-open connections to others."""
    shared = admission(max_half_open=100)
    for _ in range(200):
        for number in range(addresses):
            enter(shared, f"198.51.100.{number}")
    assert sum(enter(shared, f"192.0.2.{number}") for number in range(50)) == 25


def test_single_address_may_use_half_of_the_queue(admission: Make) -> None:
    """A site behind one address is served as long as a phone of another one would find a place."""
    alone = admission(max_queue_delay=0.2)
    assert enter(alone, FLOOD, 20, delay=0.09) == 20
    assert alone.refusal(FLOOD, 0.11) == "queue"
    assert alone.refusal("192.0.2.1", 0.19) is None


def test_many_phones_have_everything(admission: Make) -> None:
    """Phones with addresses of their own fill the service to its limit: none of them is above its share."""
    full = admission(max_half_open=100, max_queue_delay=0.2)
    assert sum(enter(full, f"192.0.2.{number}", delay=0.19) for number in range(200)) == 100


def test_flood_leaves_room_for_others(admission: Make) -> None:
    """When the queue is half as long as it may be, an address above its share is refused, and others are let in."""
    shared = admission(max_queue_delay=0.2)
    enter(shared, FLOOD, 50)
    enter(shared, "192.0.2.1")
    assert shared.refusal(FLOOD, 0.11) == "queue"
    assert shared.refusal(FLOOD, 0.09) is None
    assert enter(shared, "192.0.2.2", delay=0.11) == 1
    assert enter(shared, "192.0.2.1", delay=0.11) == 1


def test_flood_of_half_open_connections_leaves_room(admission: Make) -> None:
    """One address cannot take the last quarter of the half-open connections, if others are there."""
    shared = admission(max_half_open=100)
    enter(shared, "192.0.2.1")
    assert enter(shared, FLOOD, 200) == 74
    assert shared.refusal(FLOOD, 0.0) == "half_open"
    assert sum(enter(shared, f"192.0.2.{number}") for number in range(2, 50)) == 25


def test_closed_connections_make_room(admission: Make) -> None:
    """What has left does not count any more, for its address or for all."""
    limited = admission(max_per_address=1, max_connections=2)
    enter(limited, FLOOD)
    assert limited.refusal(FLOOD, 0.0) == "address"
    limited.left(FLOOD)
    assert limited.refusal(FLOOD, 0.0) is None
