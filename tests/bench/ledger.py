"""The record of phones under many phones: what it costs answers, and whether it is whole.

Three services answer in turn: one that records each phone, as by default, one with `fleet = false`, which sums up what
it sees and records nothing, and one with `observe = false`, whose workers hand on nothing. Phones ask, each under a
name of its own, at the rate of a site that was reset, then faster; then more questions come than the channel carries.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench import output
from tests.bench.client import BenchError, build
from tests.bench.databases import started_postgresql
from tests.bench.handshakes import SUITES
from tests.bench.ledger_report import Above, Part, above_text, as_json, part_text
from tests.bench.ledger_rounds import Callers
from tests.bench.ledger_service import Service, start
from tests.bench.measure import Sample, measure, rounds
from tests.bench.run import positive, seconds
from tests.bench.storm_nodes import make_cluster
from tests.bench.storm_phones import SOURCE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.bench.ledger_rounds import Round
    from tests.bench.run import Run
    from tests.bench.servers import Server
    from tests.bench.storm_nodes import Cluster

RECORDED = "recorded"
SERVICES = {RECORDED: (), "fleet = false": ("--fleet", "false"), "observe = false": ("--observe", "false")}
"""Names of the services, and their options."""
MOST = 64_000
"""Phones of storm.c: each has an address of its own."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark; --phones and --within are those of `storm`."""
    parser.add_argument(
        "--ledger-suite",
        choices=SUITES,
        default="p256",
        help="ledger: kind of handshakes (default: p256, beside which the record weighs most)",
    )
    parser.add_argument(
        "--store", choices=("sqlite", "postgresql"), default="sqlite", help="ledger: the database (default: sqlite)"
    )
    parser.add_argument(
        "--fast-rate",
        type=positive,
        default=500,
        metavar="N",
        help="ledger: phones a second in fast rounds (default: 500)",
    )
    parser.add_argument(
        "--fast-seconds", type=seconds, default=10.0, metavar="S", help="ledger: length of fast rounds (default: 10)"
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    options = run.options
    if not run.setup.rounds <= options.phones <= MOST:
        raise BenchError(f"--phones {options.phones}: at least one for each round, and at most {MOST}, can be played")
    key, ciphers = SUITES[options.ledger_suite]
    output.tell(f"ledger: {options.phones} phones, {options.store}, {options.ledger_suite} ({ciphers}, {key})")
    with contextlib.ExitStack() as stack:
        folder = run.folder(f"ledger-{options.store}")
        more, database = _database(stack, options.store, folder)
        cluster = make_cluster(folder, key, more)
        running = [stack.enter_context(_server(run, cluster, name)) for name in SERVICES]
        services = [Service(server, cluster.site, database) for server in running]
        callers = Callers(run, cluster, build(run.directory, SOURCE), ciphers, options.phones)
        length = options.within / run.setup.rounds
        steady = _part(run, services, callers, _slices(options.phones, run.setup.rounds), length)
        output.say(part_text(steady, options.store))
        number = max(1, round(options.fast_rate * options.fast_seconds))
        slices = [range(at * number, (at + 1) * number) for at in range(run.setup.rounds)]
        fast = _part(run, services, callers, slices, options.fast_seconds)
        output.say(part_text(fast, options.store))
        above = _above(run, services, callers, ciphers)
        output.say(above_text(above))
        return as_json(steady, fast, above)


def _database(stack: contextlib.ExitStack, kind: str, folder: Path) -> tuple[list[str], list[int]]:
    """Options of `tvs init`, and the processes of the database's server."""
    if kind == "sqlite":
        return [], []
    url, pid = stack.enter_context(started_postgresql(folder))
    return ["--store", url], [pid]


def _server(run: Run, cluster: Cluster, name: str) -> Server:
    question = cluster.question(run.options.phones + 1)  # of a phone that does not ask again
    return start(name, cluster.site, run.setup.servers, question, *SERVICES[name])


def _slices(phones: int, number: int) -> list[range]:
    """The phones of each round."""
    return [range(at * phones // number, (at + 1) * phones // number) for at in range(number)]


def _in_turn(services: Sequence[Service], number: int) -> Iterable[Service]:
    """The services in the order of a round: each second one goes backwards."""
    return services if number % 2 == 0 else reversed(services)


def _part(run: Run, services: Sequence[Service], callers: Callers, slices: Sequence[range], length: float) -> Part:
    """Lets the phones of each slice ask every service, in rounds of so many seconds."""
    found: dict[str, list[Round]] = {service.name: [] for service in services}
    before = services[0].kept()
    for number, phones in enumerate(slices):
        for service in _in_turn(services, number):
            one = callers.ask(service, phones, len(phones) / length)
            found[service.name].append(one)
            output.tell(
                f"round {number + 1}/{len(slices)}  {service.name:<16} {len(phones) / length:5.0f}/s  p99 "
                f"{one.p99_ms:6.1f} ms  workers {one.workers_us:6.1f} µs  {one.problem}".rstrip()
            )
    for service in services:
        service.unchanged()
    names = {number % run.options.phones for numbers in slices for number in numbers}
    return Part(
        rate=sum(map(len, slices)) / length / len(slices),
        seconds=length,
        rounds=found,
        names=len(names),
        kept=services[0].kept() - before,
    )


def _above(run: Run, services: Sequence[Service], callers: Callers, ciphers: str) -> Above:
    """Asks on open connections, many questions at once, more than the channel carries."""
    setup, together = replace(run.setup, slots=run.options.open), run.options.together
    for service in services:
        path = callers.write(service, range(run.options.phones // together * together), together)
        service.server.exchanges = path.rename(path.with_suffix(f".{services.index(service)}"))

    def measured(server: Server) -> Sample:
        return measure(server, ciphers, setup, mode="repeat", together=together, saturate=False)

    before = services[0].kept()
    series = rounds([service.server for service in services], measured, setup.rounds, output.tell)
    for service in services:
        service.unchanged()
    return Above(series=series, together=together, kept=services[0].kept() - before)
