"""A flood from few addresses, and phones from many: how many of the phones are answered, and how soon.

The flood begins connections at a multiple of the capacity, whether or not they are answered, and each is an honest
query: nothing but its addresses tells it from phones.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tests.bench import machine, output, servers
from tests.bench.handshakes import SUITES
from tests.bench.measure import measure, median
from tests.bench.overload import begin_phones
from tests.bench.run import positive, seconds, some_of
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse

    from tests.bench.client import Totals
    from tests.bench.run import Run
    from tests.bench.servers import Server

NETWORK = 50
"""First network of the flood; phones come from lower ones."""
PHONES = 0.2
"""Phones that begin in a second, of the capacity."""
SETTLED = 6.0
"""Seconds after which the last phone has its answer or has given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """One run.

    Attributes:
        capacity: answered phones a second without a flood and without pauses.
        flood: connections of the flood that began in a second.
        phones: phones that began in a second.
        answered: share of the phones that were answered.
        refused: share that was turned away before TLS.
        p50_ms, p99_ms: of answered phones.
        flood_answered: share of the flood that was answered.
        others: share of the server's core that other programs had.
    """

    capacity: float
    flood: float
    phones: float
    answered: float
    refused: float
    p50_ms: float
    p99_ms: float
    flood_answered: float
    others: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--flood-addresses",
        type=positive,
        default=4,
        metavar="N",
        help="flood: addresses of the flood, at most 250 (default: 4)",
    )
    parser.add_argument(
        "--flood-times", type=seconds, default=3.0, metavar="N", help="flood: its rate, of the capacity (default: 3)"
    )
    parser.add_argument(
        "--flood-suites",
        type=some_of(SUITES),
        default=["rsa", "p256"],
        metavar="A,B",
        help=f"flood: kinds of handshakes: {', '.join(SUITES)} (default: rsa,p256)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    found = {suite: [_one(run, suite) for _ in range(run.setup.rounds)] for suite in run.options.flood_suites}
    output.say(
        f"\na flood from {run.options.flood_addresses} addresses, and phones from 250 at a fifth of the capacity"
    )
    head = ("suite", "capacity", "flood/s", "answered", "phones/s", "answered", "refused", "p50 ms", "p99 ms", "others")
    output.say(output.table(head, [_row(suite, floods) for suite, floods in found.items()]))
    return {suite: [asdict(flood) for flood in floods] for suite, floods in found.items()}


def _one(run: Run, suite: str) -> Flood:
    key, ciphers = SUITES[suite]
    output.tell(f"flood: {suite}")
    site = make_site(run.folder(f"flood-{suite}-{time.monotonic_ns()}"), key)
    with servers.ours("ours", site, run.setup.servers, "--log-level", "info") as server:
        capacity = measure(server, ciphers, run.setup).rate
    with servers.ours("ours-flooded", site, run.setup.servers, "--log-level", "info") as server:
        return _flooded(run, server, ciphers, capacity)


def _flooded(run: Run, server: Server, ciphers: str, capacity: float) -> Flood:
    options = run.options
    with contextlib.ExitStack() as stack:
        rate, few = options.flood_times * capacity, options.flood_addresses
        flood = stack.enter_context(begin_phones(run, server, ciphers, rate, network=NETWORK, addresses=few))
        time.sleep(1.0)  # it has filled the queue
        phones = stack.enter_context(begin_phones(run, server, ciphers, PHONES * capacity))
        cores, cpu, flood_before = machine.core_time(run.setup.servers.cores), server.cpu(), flood.mark()
        time.sleep(options.storm_seconds)
        cores, cpu = machine.core_time(run.setup.servers.cores) - cores, server.cpu() - cpu
        flood_then = flood.mark() - flood_before
        phones.stop()
        flood.stop()
        time.sleep(SETTLED)
        others = 1 - cores.idle / cores.at - cpu.total / cores.at
        return _counted(options.storm_seconds, phones.mark(), flood_then, capacity=capacity, others=others)


def _counted(length: float, phones: Totals, flood: Totals, *, capacity: float, others: float) -> Flood:
    begun = max(phones.begun, 1)
    return Flood(
        capacity=capacity,
        flood=flood.begun / length,
        phones=phones.begun / length,
        answered=phones.done / begun,
        refused=phones.failures["turned_away"] / begun,
        p50_ms=phones.percentile(0.5),
        p99_ms=phones.percentile(0.99),
        flood_answered=flood.done / max(flood.begun, 1),
        others=others,
    )


def _row(suite: str, floods: list[Flood]) -> tuple[str, ...]:
    def figure(name: str, digits: int = 0, unit: float = 1.0) -> str:
        return output.number(unit * median(getattr(flood, name) for flood in floods), digits)

    return (
        suite,
        figure("capacity"),
        figure("flood"),
        figure("flood_answered", 1, 100) + "%",
        figure("phones"),
        figure("answered", 1, 100) + "%",
        figure("refused", 1, 100) + "%",
        figure("p50_ms"),
        figure("p99_ms"),
        figure("others", 0, 100) + "%",
    )
