"""Trace orders in the supervisor: taken from the file that workers saw, sent to workers that have another, ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.statuses import worker
from tests.process.site import Site
from tvs.log.tracing import ActiveTrace, TraceOrder, number_of
from tvs.process.messages import Report, TraceChange
from tvs.process.traceorders import AGAIN, TraceOrders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.state import StateDirectory

UNREADABLE = "unreadable"


class Orders:
    """The orders of a service with two workers that exist only in the test.

    Attributes:
        now: the monotonic clock.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.file = site.state.trace_file
        self.now = 1000.0
        self.orders = TraceOrders(site.current, site.world._event)

    def put(self, *, seconds: int = 60, age: float = 0.0, **more: Any) -> str:
        """Writes an order made `age` seconds ago; its number."""
        order = TraceOrder(level="debug", seconds=seconds, made=time.time() - age, **more)
        self.file.write_bytes(order.to_bytes())
        return self.number

    @property
    def number(self) -> str:
        """Number of what the file has."""
        return number_of(self.file.read_bytes()) if self.file.exists() else ""

    def report(self, slot: int = 0, *, trace: str = "", seen: str | None = None) -> None:
        """A worker reports the order that it carries out, and the one that it saw: by default what the file has."""
        status = worker(trace=trace)
        report = Report(status=status, trace_file=self.number if seen is None else seen)
        self.orders.reported(self.site.world.slot(slot), report, self.now)

    def sent(self, slot: int = 0) -> list[ActiveTrace | None]:
        """The orders that a worker has got since the last call."""
        channel = self.site.world.ends[self.site.world.slot(slot).process]
        return [order.active for order in channel.orders() if isinstance(order, TraceChange)]

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """The events since the last call."""
        found, self.site.world.events = self.site.world.events, []
        return found


@pytest.fixture
def orders(state: StateDirectory, tmp_path: Path) -> Iterator[Orders]:
    """Orders of a running service, none so far."""
    site = Site(state, tmp_path / "log")
    made = Orders(site)
    made.orders.begin()
    assert made.orders.number == ""
    yield made
    site.close()


def test_order_that_a_worker_saw(orders: Orders) -> None:
    """The first worker's report takes it up; each worker gets it with its own report, new ones with their start."""
    number = orders.put(devices=("SEP1",), addresses=("192.0.2.1",))
    orders.report()
    (active,) = orders.sent()
    assert active is not None
    assert (active.number, active.order.devices) == (number, ("SEP1",))
    assert 1059 < active.until <= 1060
    assert orders.site.current.trace == active
    assert orders.sent(1) == []
    orders.report(1)
    assert orders.sent(1) == [active]
    ((event, fields),) = orders.events()
    assert event == "trace_begins"
    assert fields == {
        "level": "warning",
        "log_level": "debug",
        "seconds": 60,
        "devices": ("SEP1",),
        "addresses": ("192.0.2.1",),
    }
    status = orders.orders.status()
    assert status is not None
    assert (status.number, status.level, status.until) == (number, "debug", active.until)


def test_a_worker_that_has_it_gets_nothing(orders: Orders) -> None:
    """A worker that carries the order out is not sent it again, one that lost it is, once a second."""
    number = orders.put()
    orders.report()
    assert len(orders.sent()) == 1
    orders.report()
    assert orders.sent() == []
    orders.now += AGAIN
    orders.report()
    assert len(orders.sent()) == 1
    orders.now += AGAIN
    orders.report(trace=number)
    assert orders.sent() == []


def test_end_by_a_removed_file(orders: Orders) -> None:
    """Without the file nothing is ordered; workers are told."""
    number = orders.put()
    orders.report()
    orders.file.unlink()
    orders.sent()
    orders.events()
    orders.report(trace=number)
    assert orders.sent() == [None]
    assert orders.site.current.trace is None
    assert orders.events() == [
        ("trace_ends", {"level": "warning", "log_level": "info", "reason": "it was ended"}),
    ]
    assert orders.orders.status() is None


def test_end_of_its_time(orders: Orders) -> None:
    """When the time is over by the monotonic clock the order ends; the file, which is still there, begins no other."""
    orders.put(seconds=10)
    orders.report()
    orders.now += 9.5
    orders.orders.keep(orders.now)
    assert orders.orders.number != ""
    orders.now += 1
    orders.orders.keep(orders.now)
    assert orders.orders.number == ""
    orders.report()
    orders.report(1)
    assert orders.orders.number == ""
    assert [event for event, _ in orders.events()] == ["trace_begins", "trace_ends"]


def test_another_order_takes_its_place(orders: Orders) -> None:
    """The last order counts, also while a worker still reports the one before."""
    first = orders.put(seconds=60)
    orders.report()
    second = orders.put(seconds=600)
    orders.report()
    assert [active.number for active in orders.sent() if active is not None] == [first, second]
    orders.report(1, seen=first)
    assert orders.orders.number == second
    orders.report(1, trace=second)
    assert orders.orders.number == second


@pytest.mark.parametrize("age", [60.0, 10**8, -3600.0])
def test_order_of_another_time_is_not_taken_up(orders: Orders, age: float) -> None:
    """One that is over, or that a clock which was set back has not seen made, begins nothing, at the start neither."""
    orders.put(age=age)
    orders.report()
    orders.orders.begin()
    again = TraceOrders(orders.site.current, orders.site.world._event)
    again.begin()
    assert again.number == orders.orders.number == ""


def test_start_of_the_service(orders: Orders) -> None:
    """A service that starts while an order lasts takes up the rest of it."""
    orders.put(seconds=600, age=100.0)
    again = TraceOrders(orders.site.current, orders.site.world._event)
    again.begin()
    active = orders.site.current.trace
    assert active is not None
    assert 490 < active.until - time.monotonic() <= 500


def test_clock_that_is_set_back_makes_no_order_longer(orders: Orders, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment at which an order is noticed it lasts as long as it says at most, and nothing reads it again."""
    orders.put(seconds=60)
    monkeypatch.setattr(time, "time", lambda: 5.0)
    orders.report()
    assert orders.orders.number == ""
    monkeypatch.undo()
    orders.put(seconds=60, age=-30.0)
    orders.report()
    active = orders.site.current.trace
    assert active is not None
    assert active.until == orders.now + 60
    monkeypatch.setattr(time, "time", lambda: 5.0)
    orders.now += 61
    orders.orders.keep(orders.now)
    orders.report()
    assert orders.orders.number == ""


@pytest.mark.parametrize("content", [b"{}", b"debug\n", b"\xff", b" " * 20_000])
def test_file_that_is_no_order(orders: Orders, content: bytes) -> None:
    """A bad file ends what was ordered, and is reported once, with its name."""
    number = orders.put()
    orders.report()
    orders.report(1)
    orders.events()
    orders.file.write_bytes(content)
    seen = UNREADABLE if len(content) > 16_384 else None  # as the worker's own read ends
    orders.report(trace=number, seen=seen)
    orders.report(1, trace=number, seen=seen)
    orders.report(trace=number, seen=seen)
    names = orders.events()
    assert [event for event, _ in names] == ["trace_refused", "trace_ends"]
    assert str(orders.file) in names[0][1]["reason"]
    assert orders.sent()[-1] is None
    orders.put()
    orders.report()
    assert orders.orders.number != ""


def test_worker_before_its_first_look(orders: Orders) -> None:
    """A report without a look at the file says nothing of the file."""
    number = orders.put()
    orders.report()
    report = Report(status=worker(trace=number))
    orders.orders.reported(orders.site.world.slot(1), report, orders.now)
    assert orders.orders.number == number


def test_replaced_worker_is_told_again(orders: Orders) -> None:
    """The worker that replaces another one gets the order at once if it has it not, not a second later."""
    orders.put()
    orders.report()
    orders.site.world.end(0)
    orders.now += 0.1
    orders.site.world.now += 10
    orders.site.world.start()
    orders.report()
    assert len(orders.sent()) == 1
