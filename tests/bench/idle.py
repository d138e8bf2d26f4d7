"""Memory of an idle TLS connection: thousands are held while other phones are answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import machine, output, servers
from tests.bench.client import BenchError, Load, Target
from tests.bench.measure import Sample, measure
from tests.bench.run import positive
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tests.bench.run import Run
    from tests.bench.servers import Server

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384"
PATIENT = ("--request-timeout", "600", "--connection-timeout", "600", "--max-connections", "20000")
PATIENCE = 120.0
"""Seconds until all connections must be held."""
HELD_NETWORK = 100
"""Source addresses of held connections; the answered phones use others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Cost of held connections to a server.

    Attributes:
        connections: that were held to the end.
        kib: memory of each, KiB: growth of the server's own memory.
        kib_answering: the same once other phones have been answered for a while.
        before: a measurement without the held connections; None if the server answers no queries.
        answering: the same while they were held.
    """

    connections: int
    kib: float
    kib_answering: float
    before: Sample | None
    answering: Sample | None


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--connections",
        type=positive,
        default=10_000,
        metavar="N",
        help="idle: held connections (default: 10000)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("idle connections")
    place, count = run.setup.servers, run.options.connections
    site = make_site(run.folder("idle"), "rsa2048")
    found = {}
    starters: dict[str, Callable[[], Server]] = {
        "ours": lambda: servers.ours("ours", site, place, "--log-level", "info", *PATIENT),
        "nginx (HTTP)": lambda: servers.nginx_http("nginx-http", site, place),
        "asyncio": lambda: servers.python("reference_asyncio", "asyncio", site, place),
    }
    for name, start in starters.items():
        with start() as server:
            some = count if name != "asyncio" else count // 10  # a tenth of the memory is enough to know
            found[name] = _hold(run, server, some, answers=name != "nginx (HTTP)")
            output.tell(f"{name}: {found[name].kib:.1f} KiB")
    _show(found)
    return {name: _as_json(held) for name, held in found.items()}


def _hold(run: Run, server: Server, count: int, *, answers: bool) -> Held:
    """Holds connections and measures the server's memory before, while, and while others are answered."""
    clients = sorted(run.setup.clients.cores)
    before = measure(server, CIPHERS, run.setup) if answers else None
    with _load(run, server, len(clients)) as load:  # a few first: what the server makes once is not theirs
        _wait(load, len(clients))
    time.sleep(1)
    empty = machine.memory_of(server.pids)
    target = -(-count // len(clients))
    with _load(run, server, target * len(clients)) as load:
        _wait(load, target * len(clients))
        time.sleep(1)
        full = machine.memory_of(server.pids)
        answering = measure(server, CIPHERS, run.setup) if answers else None
        answered = machine.memory_of(server.pids)
        held = load.mark().held
    return Held(
        connections=held,
        kib=(full - empty) / held / 1024,
        kib_answering=(answered - empty) / held / 1024,
        before=before,
        answering=answering,
    )


def _load(run: Run, server: Server, count: int) -> Load:
    clients = run.setup.clients
    target = Target(
        port=server.port,
        ciphers=CIPHERS,
        exchanges=server.exchanges,
        mode="hold",
        slots=count // len(clients.cores),
        network=HELD_NETWORK,
    )
    return Load(run.setup.program, target, clients)


def _wait(load: Load, count: int) -> None:
    until = time.monotonic() + PATIENCE
    while (totals := load.mark()).held < count:
        if time.monotonic() > until:
            raise BenchError(f"only {totals.held} of {count} connections are held; failures: {dict(totals.failures)}")
        time.sleep(0.1)


def _show(found: dict[str, Held]) -> None:
    head = ("server", "held", "KiB each", "… answering", "a second before", "a second while", "failed")
    rows = []
    for name, held in found.items():
        before = output.number(held.before.rate) if held.before else "-"
        rate = output.number(held.answering.rate) if held.answering else "-"
        failed = str(held.answering.failed) if held.answering else "-"
        rows.append(
            (
                name,
                output.number(held.connections),
                f"{held.kib:.1f}",
                f"{held.kib_answering:.1f}",
                before,
                rate,
                failed,
            )
        )
    output.say("\nidle TLS connections (nginx holds them in its HTTP module: its stream module answers at once)")
    output.say(output.table(head, rows))


def _as_json(held: Held) -> dict[str, object]:
    return {
        "connections": held.connections,
        "kib": held.kib,
        "kib_answering": held.kib_answering,
        "rate_before": held.before.rate if held.before else None,
        "rate_answering": held.answering.rate if held.answering else None,
        "failed_answering": held.answering.failed if held.answering else None,
    }
