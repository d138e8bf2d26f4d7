"""Queries a second on open connections, one core.

Each connection asks, reads the answer, and asks again; then several questions at once, as from phones that stand behind
a proxy. The reference in C shows what OpenSSL and the kernel take for that.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench import output, servers
from tests.bench.client import Exchange, read_exchanges, write_exchanges
from tests.bench.measure import Sample, measure, rounds
from tests.bench.run import positive
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse

    from tests.bench.measure import Series
    from tests.bench.run import Run
    from tests.bench.servers import Server

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384"
PATIENT = ("--request-timeout", "600", "--connection-timeout", "600")
"""The connections stay open for a whole measurement."""
_PYTHON = ("bare", "asyncio")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--open", type=positive, default=96, metavar="N", help="queries: open connections of each client (default: 96)"
    )
    parser.add_argument(
        "--together",
        type=positive,
        default=16,
        metavar="N",
        help="queries: questions at once on a connection, in the second part (default: 16)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("queries on open connections")
    place = run.setup.servers
    site = make_site(run.folder("queries"), "rsa2048")
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(servers.ours("ours", site, place, "--log-level", "info", *PATIENT))]
        if run.against is not None:
            other = make_site(run.folder("queries-against"), "rsa2048", run.against)
            running.append(stack.enter_context(servers.ours(run.options.against, other, place, *PATIENT)))
        running += [
            stack.enter_context(servers.ours("ours, warnings", site, place, "--log-level", "warning", *PATIENT)),
            stack.enter_context(servers.plain_c("plain C", site, place, running[0].exchanges)),
            *(stack.enter_context(servers.python(f"reference_{name}", name, site, place)) for name in _PYTHON),
        ]
        one = _measured(run, running, 1)
        for server in running:
            _multiply(server, run.options.together)
        return {"one": one, "together": _measured(run, running, run.options.together)}


def _multiply(server: Server, number: int) -> None:
    """From now on each exchange with the server is so many questions, and all their answers."""
    several = [Exchange(one.question * number, one.answer * number) for one in read_exchanges(server.exchanges)]
    server.exchanges = write_exchanges(server.exchanges.with_suffix(".together"), several)


def _measured(run: Run, running: list[Server], together: int) -> dict[str, object]:
    setup = replace(run.setup, slots=run.options.open)

    def measured(server: Server) -> Sample:
        return measure(server, CIPHERS, setup, mode="repeat", together=together)

    series = rounds(running, measured, setup.rounds, output.tell)
    connections = run.options.open * len(setup.clients.cores)
    at_once = f", {together} at once on each" if together > 1 else ""
    output.say(f"\nqueries on {connections} open connections, one core{at_once}")
    output.say(output.series_table(series))
    pairs = [(series[0], one) for one in series[1:]]
    for one, reference in pairs:
        output.say(output.ratio_line(one, reference))
    _say_limit(series)
    return output.as_json(series, pairs)


def _say_limit(series: list[Series]) -> None:
    """The pace at which the clients' own cores would be full."""
    limit = max(one.median("rate") / one.median("clients_busy") for one in series)
    output.say(f"  at the fastest server's pace the clients' own limit would be {output.number(limit)} a second")
