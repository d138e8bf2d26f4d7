"""Behaviour at multiples of the capacity, in an open model: phones begin to ask whether or not others were answered.

After a reset of a site thousands of phones ask at once. The capacity is measured first, with clients that wait for
their answers; then phones begin at random moments at 0.5 to 3 times that rate. A phone waits 5 s. Times count from the
moment at which a phone wanted to begin.
"""

from __future__ import annotations

import itertools
import time
from argparse import ArgumentTypeError
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from tests.bench import output, servers
from tests.bench.client import BenchError, Load, Target
from tests.bench.handshakes import SUITES
from tests.bench.measure import measure, median
from tests.bench.run import seconds, some_of
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.bench.client import Totals
    from tests.bench.run import Run
    from tests.bench.servers import Server

FACTORS = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Multiples of the measured capacity."""
SLOTS = 60_000
"""Phones of each client process at once: more than begin within the patience of a phone."""
SETTLED = 30.0
"""Seconds until the last phones must have an answer or have given up."""
LAG = 0.05
"""Seconds that a client may be late with a phone; a run with a later one does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """One run at one rate.

    Attributes:
        factor: rate of the capacity.
        offered: phones a second.
        goodput: answered phones a second, of the capacity.
        p50_ms, p99_ms: of answered phones.
        refused: share of the phones that were turned away before TLS.
        timeouts: share that waited 5 s in vain.
        unanswered: phones that finished a handshake and got no answer.
        other: phones that failed in another way.
        problem: reason why the run does not count; empty if it does.
    """

    factor: float
    offered: float
    goodput: float
    p50_ms: float
    p99_ms: float
    refused: float
    timeouts: float
    unanswered: int
    other: int
    problem: str = ""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--factors",
        type=_factors,
        default=list(FACTORS),
        metavar="A,B",
        help="overload: multiples of the capacity (default: 0.5,1,1.5,2,3)",
    )
    parser.add_argument(
        "--storm-seconds",
        type=seconds,
        default=10.0,
        metavar="S",
        help="overload: how long phones begin to ask in each run (default: 10)",
    )
    parser.add_argument(
        "--storm-suites",
        type=some_of(SUITES),
        default=["rsa", "p256"],
        metavar="A,B",
        help=f"overload: kinds of handshakes: {', '.join(SUITES)} (default: rsa,p256)",
    )


def _factors(text: str) -> list[float]:
    try:
        factors = [float(part) for part in text.split(",")]
    except ValueError:
        factors = []
    if not factors or not all(0 < factor <= 20 for factor in factors):
        raise ArgumentTypeError(f"{text} is not a list of numbers above 0, at most 20, with commas between them")
    return factors


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    return {suite: _suite(run, suite) for suite in run.options.storm_suites}


def _suite(run: Run, suite: str) -> dict[str, object]:
    key, ciphers = SUITES[suite]
    output.tell(f"overload: {suite} ({ciphers}, {key})")
    found: dict[str, list[Storm]] = {}
    capacities: dict[str, list[float]] = {}
    for _ in range(run.setup.rounds):
        for name, start in _starters(run, run.folder(f"overload-{suite}-{time.monotonic_ns()}"), key):
            with start() as server:
                sample = measure(server, ciphers, run.setup)
            capacity = sample.rate
            capacities.setdefault(name, []).append(capacity)
            for factor in run.options.factors:
                with start() as server:  # a new one: nothing is left of the last storm
                    storm = _storm(run, server, ciphers, factor, capacity)
                if sample.note:
                    storm = replace(storm, problem=f"capacity: {sample.note}")
                found.setdefault(name, []).append(storm)
                output.tell(
                    f"{name:<8} {factor:3.1f}  goodput {storm.goodput:.2f}  p99 {storm.p99_ms:.0f} ms  {storm.problem}"
                )
    _show(suite, ciphers, capacities, found)
    return {
        name: {"capacity": capacities[name], "storms": [asdict(storm) for storm in storms]}
        for name, storms in found.items()
    }


def _starters(run: Run, folder: Path, key: str) -> Iterator[tuple[str, Callable[[], Server]]]:
    """Names of the servers, and what starts one; ours first."""
    place = run.setup.servers
    site = make_site(folder, key)
    numbers = itertools.count()
    yield "ours", lambda: servers.ours(f"ours-{next(numbers)}", site, place, "--log-level", "info")
    with servers.ours(f"ours-{next(numbers)}", site, place) as ours:
        size = servers.answer_size(ours)
    yield "nginx", lambda: servers.nginx(f"nginx-{next(numbers)}", site, place, size)
    if run.against is not None:
        other, name = make_site(run.folder(f"{folder.name}-against"), key, run.against), run.options.against
        yield name, lambda: servers.ours(f"against-{next(numbers)}", other, place, "--log-level", "info")


def _storm(run: Run, server: Server, ciphers: str, factor: float, capacity: float) -> Storm:
    """Lets phones begin for some seconds, and waits for the last of them."""
    clients, length = run.setup.clients, run.options.storm_seconds
    target = Target(
        port=server.port,
        ciphers=ciphers,
        exchanges=server.exchanges,
        mode="open",
        slots=SLOTS,
        rate=factor * capacity / len(clients.cores),
    )
    with Load(run.setup.program, target, clients) as load:
        time.sleep(length)
        load.stop()
        until = time.monotonic() + SETTLED
        while (totals := load.mark()).active and time.monotonic() < until:
            time.sleep(0.2)
    if totals.active:
        raise BenchError(f"{totals.active} phones are still open {SETTLED:g} s after a storm")
    return _judged(totals, factor, capacity, length)


def _judged(totals: Totals, factor: float, capacity: float, length: float) -> Storm:
    failures = totals.failures
    begun = max(totals.begun, 1)
    problem = ""
    if totals.dropped:
        problem = f"the client had no room for {totals.dropped} phones"
    elif totals.lag > LAG:
        problem = f"the client was late, by {totals.lag:.2f} s"
    return Storm(
        factor=factor,
        offered=totals.begun / length,
        goodput=totals.done / length / capacity,
        p50_ms=totals.percentile(0.5),
        p99_ms=totals.percentile(0.99),
        refused=(failures["turned_away"] + failures["connect"]) / begun,
        timeouts=failures["timeout"] / begun,
        unanswered=failures["closed_early"] + failures["late"],
        other=failures["handshake"] + failures["wrong_answer"],
        problem=problem,
    )


_HEAD = (
    *("server", "capacity", "times", "goodput", "p50 ms", "p99 ms"),
    *("refused", "timed out", "unanswered", "other", "runs"),
)


def _show(suite: str, ciphers: str, capacities: dict[str, list[float]], found: dict[str, list[Storm]]) -> None:
    rows = [
        _row(name, median(capacities[name]), [storm for storm in storms if storm.factor == factor])
        for name, storms in found.items()
        for factor in dict.fromkeys(storm.factor for storm in storms)
    ]
    output.say(f"\noverload, one core, {suite}: {ciphers}; unanswered and other: the most of all runs")
    output.say(output.table(_HEAD, rows))


def _row(name: str, capacity: float, storms: list[Storm]) -> tuple[str, ...]:
    """Medians of the runs that count."""
    good = [storm for storm in storms if not storm.problem]
    return (
        name,
        output.number(capacity),
        f"{storms[0].factor:g}",
        output.number(median(storm.goodput for storm in good), 2),
        output.number(median(storm.p50_ms for storm in good)),
        output.number(median(storm.p99_ms for storm in good)),
        output.number(median(storm.refused * 100 for storm in good), 1) + "%",
        output.number(median(storm.timeouts * 100 for storm in good), 1) + "%",
        output.number(max(storm.unanswered for storm in storms)),
        output.number(max(storm.other for storm in storms)),
        f"{len(good)}/{len(storms)}",
    )
