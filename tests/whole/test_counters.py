"""Counters over a hundred deaths of workers, with reloads and strangers among them."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.fixtures.processes import under_load, until
from tests.fixtures.running import PATIENCE
from tests.whole.strangers import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.processes import Scrape, Serve
    from tests.fixtures.running import Running

    Workers = Callable[[Running], list[int]]

SLOTS = 4
DEATHS = 100
RELOAD_EVERY = 10
COUNTER = re.compile(r"\w+_(?:total|count|sum|bucket)\b")
STRANGERS = (b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x00\x05hello", bytes(300))
"""What a stranger sends before it leaves."""


@dataclass
class Watched:
    """Counters that are read all the time.

    Attributes:
        reads: how often they were read.
        last: the last reading.
        falls: counters that fell, with both readings.
    """

    reads: int = 0
    last: dict[str, float] = field(default_factory=dict)
    falls: list[tuple[str, float, float]] = field(default_factory=list)

    def take(self, metrics: dict[str, float]) -> None:
        """Takes a reading."""
        counters = {key: value for key, value in metrics.items() if COUNTER.match(key)}
        assert len(counters) > 100
        pairs = ((key, value, counters.get(key, -1.0)) for key, value in self.last.items())
        self.falls += [(key, before, after) for key, before, after in pairs if after < before]
        self.last = counters
        self.reads += 1


@contextmanager
def watched(read: Callable[[], dict[str, float]]) -> Iterator[Watched]:
    """Counters that another thread reads during a with-block, as fast as it can."""
    counters, ending = Watched(), threading.Event()

    def run() -> None:
        while not ending.is_set():
            counters.take(read())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield counters
    finally:
        ending.set()
        thread.join(PATIENCE)
    counters.take(read())


def annoy(service: Running, number: int) -> None:
    """A stranger that connects, sends something that is not TLS, or nothing, and leaves."""
    with connect(service) as connection:
        connection.sendall(STRANGERS[number % len(STRANGERS)])


def total(metrics: dict[str, float], name: str) -> float:
    """The sum of a counter over its labels."""
    return sum(value for key, value in metrics.items() if key.partition("{")[0] == name)


async def test_counters_over_a_hundred_deaths(serve: Serve, scrape: Scrape, workers: Workers) -> None:
    """No counter ever falls, and each connection that was counted has one outcome, whoever dies.

    A killed worker loses what it counted in its last tenth of a second. So some answers are not counted, never one too
    many; the loss is printed.
    """
    service = serve("--workers", str(SLOTS), "--log-level", "error")
    dice = random.Random(2445)
    with watched(partial(scrape, service)) as counters:
        async with under_load(service) as load:
            for number in range(DEATHS):
                annoy(service, number)
                if number % RELOAD_EVERY == 0:
                    service.process.send_signal(signal.SIGHUP)
                victim = dice.choice([pid for pid in await asyncio.to_thread(workers, service) if pid])
                os.kill(victim, signal.SIGKILL)
                await until(partial(killed_more_than, counters, number), "the death is counted")
                await until(lambda: any(workers(service)), "a worker answers")
            await until(lambda: all(workers(service)), "all workers are replaced")
            await load.more()
        await until(lambda: all_ended(counters.last), "each counted connection has its outcome")
    assert counters.falls == []
    assert counters.reads > DEATHS
    assert deaths(counters) == DEATHS
    answers, ends = total(counters.last, "tvs_requests_total"), total(counters.last, "tvs_connections_closed_total")
    lost = counters.last['tvs_connections_closed_total{outcome="worker_died"}']
    assert answers <= load.answered + lost
    assert ends <= load.answered + len(load.failures) + DEATHS + 1
    print(
        f"{load.answered} answers, {answers:.0f} counted; {len(load.failures)} phones met a death, {lost:.0f} counted"
    )


def deaths(counters: Watched) -> float:
    """Workers that were killed so far."""
    return counters.last.get('tvs_worker_restarts_total{reason="killed"}', 0)


def killed_more_than(counters: Watched, number: int) -> bool:
    """Whether more workers than this were killed so far."""
    return deaths(counters) > number


def all_ended(metrics: dict[str, float]) -> bool:
    """Whether every accepted connection has ended."""
    return metrics["tvs_connections_accepted_total"] == total(metrics, "tvs_connections_closed_total")
