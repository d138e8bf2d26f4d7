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

from tests.bench import machine, output, servers
from tests.bench.client import BenchError, Load, Target, percentile
from tests.bench.handshakes import SUITES
from tests.bench.measure import OWN, measure, median
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
LEAD = 0.5
"""Seconds at the beginning in which answers do not count: the queue has to fill first."""
LATE = 50.0
"""Milliseconds that the clients may be late with 99 of 100 phones; a run with later ones does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """One run at one rate.

    Attributes:
        factor: rate of the capacity.
        offered: phones a second.
        goodput: phones that were answered while others began, a second, of the capacity.
        p50_ms, p99_ms: of answered phones.
        refused: share of the phones that were turned away before TLS.
        refused_p99_ms: of phones that were turned away.
        timeouts: share that waited 5 s in vain.
        unanswered: phones that finished a handshake and got no answer.
        other: phones that failed in another way.
        late_p99_ms, late_max_ms: how much later than planned the clients began with phones; it counts in all times.
        clients: share of their cores that the clients had while phones began.
        share: share of its core that the server had meanwhile.
        failures: counts by the client's names, see load.c.
        problem: reason why the run does not count; empty if it does.
    """

    factor: float
    offered: float
    goodput: float
    p50_ms: float
    p99_ms: float
    refused: float
    refused_p99_ms: float
    timeouts: float
    unanswered: int
    other: int
    late_p99_ms: float
    late_max_ms: float
    clients: float
    share: float
    failures: dict[str, int]
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


def begin_phones(
    run: Run, server: Server, ciphers: str, rate: float, *, network: int = 1, addresses: int = 250
) -> Load:
    """Phones that begin at random moments, so many a second together, whether or not others were answered.

    `network` and `addresses` are those of `Target`.
    """
    clients = run.setup.clients
    target = Target(
        port=server.port,
        ciphers=ciphers,
        exchanges=server.exchanges,
        mode="open",
        slots=SLOTS,
        rate=rate / len(clients.cores),
        network=network,
        addresses=addresses,
    )
    return Load(run.setup.program, target, clients)


def _storm(run: Run, server: Server, ciphers: str, factor: float, capacity: float) -> Storm:
    """Lets phones begin for some seconds, and waits for the last of them."""
    clients, length = run.setup.clients, run.options.storm_seconds
    with begin_phones(run, server, ciphers, factor * capacity) as load:
        cores, cpu = machine.core_time(run.setup.servers.cores), server.cpu()
        lead = min(LEAD, length / 4)
        time.sleep(lead)
        first = load.mark()
        time.sleep(length - lead)
        load.stop()
        cores, cpu = machine.core_time(run.setup.servers.cores) - cores, server.cpu() - cpu
        meanwhile = load.mark()
        until = time.monotonic() + SETTLED
        while (totals := load.mark()).active and time.monotonic() < until:
            time.sleep(0.2)
    if totals.active:
        raise BenchError(f"{totals.active} phones are still open {SETTLED:g} s after a storm")
    goodput = (meanwhile.done - first.done) / (length - lead) / capacity
    busy = meanwhile.cpu / length / len(clients.cores)
    share = cpu.total / cores.at
    storm = _counted(totals, factor=factor, offered=totals.begun / length, goodput=goodput, clients=busy, share=share)
    others = 1 - cores.idle / cores.at - storm.share
    return replace(storm, problem=_problem(totals, storm, others))


def _problem(totals: Totals, storm: Storm, others: float) -> str:
    """The reason why a run does not count; empty if it does."""
    if totals.dropped:
        return f"the clients had no room for {totals.dropped} phones"
    if storm.late_p99_ms > LATE:
        return f"the clients were late, by {storm.late_p99_ms:.0f} ms with 1 of 100 phones"
    if others > 1 - OWN:
        return f"others had {others:.0%} of the server's core"
    return ""


def _counted(totals: Totals, *, factor: float, offered: float, goodput: float, clients: float, share: float) -> Storm:
    failures = totals.failures
    begun = max(totals.begun, 1)
    return Storm(
        factor=factor,
        offered=offered,
        goodput=goodput,
        p50_ms=totals.percentile(0.5),
        p99_ms=totals.percentile(0.99),
        refused=(failures["turned_away"] + failures["connect"]) / begun,
        refused_p99_ms=percentile(totals.refused, 0.99),
        timeouts=failures["timeout"] / begun,
        unanswered=failures["closed_early"] + failures["late"],
        other=failures["handshake"] + failures["wrong_answer"],
        late_p99_ms=percentile(totals.late, 0.99),
        late_max_ms=percentile(totals.late, 1.0),
        clients=clients,
        share=share,
        failures=dict(failures),
    )


_HEAD = (
    *("server", "capacity", "times", "goodput", "p50 ms", "p99 ms"),
    *("refused", "p99 ms", "timed out", "unanswered", "other", "clients", "late ms", "runs"),
)
_LEGEND = """\
  goodput: phones answered while others began, of the capacity; refused: closed before TLS, with the time until then;
  timed out: no handshake within 5 s; unanswered: none within 5 s, or closed, after the handshake; unanswered and other:
  the most of all runs; clients: share of their cores; late: how late the clients began with 99 of 100 phones. Other
  figures: medians of the runs that count; with ~ of all runs, if none counts."""


def _show(suite: str, ciphers: str, capacities: dict[str, list[float]], found: dict[str, list[Storm]]) -> None:
    rows = [
        _row(name, median(capacities[name]), [storm for storm in storms if storm.factor == factor])
        for name, storms in found.items()
        for factor in dict.fromkeys(storm.factor for storm in storms)
    ]
    output.say(f"\noverload, one core, {suite}: {ciphers}")
    output.say(output.table(_HEAD, rows))
    output.say(_LEGEND)


def _row(name: str, capacity: float, storms: list[Storm]) -> tuple[str, ...]:
    """Medians of the runs that count, or of all, marked, if none does."""
    good = [storm for storm in storms if not storm.problem]

    def figure(value: str, digits: int = 0, unit: float = 1.0) -> str:
        mark = "" if good else "~"
        return mark + output.number(unit * median(getattr(storm, value) for storm in good or storms), digits)

    return (
        name,
        output.number(capacity),
        f"{storms[0].factor:g}",
        figure("goodput", 2),
        figure("p50_ms"),
        figure("p99_ms"),
        figure("refused", 1, 100) + "%",
        figure("refused_p99_ms"),
        figure("timeouts", 1, 100) + "%",
        output.number(max(storm.unanswered for storm in storms)),
        output.number(max(storm.other for storm in storms)),
        figure("clients", 0, 100) + "%",
        figure("late_p99_ms", 1),
        f"{len(good)}/{len(storms)}",
    )
