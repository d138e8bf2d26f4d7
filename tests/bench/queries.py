"""Queries a second on open connections, one core: each connection asks, reads the answer, and asks again."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench import output, servers
from tests.bench.measure import Sample, measure, rounds
from tests.bench.run import positive
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse

    from tests.bench.run import Run
    from tests.bench.servers import Server

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384"
PATIENT = ("--request-timeout", "600", "--connection-timeout", "600")
"""The connections stay open for a whole measurement."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--open", type=positive, default=96, metavar="N", help="queries: open connections of each client (default: 96)"
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("queries on open connections")
    place, setup = run.setup.servers, replace(run.setup, slots=run.options.open)
    folder = run.folder("queries")
    site = make_site(folder, "rsa2048")

    def measured(server: Server) -> Sample:
        return measure(server, CIPHERS, setup, mode="repeat")

    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(servers.ours("ours", site, place, "--log-level", "info", *PATIENT))]
        if run.against is not None:
            other = make_site(run.folder("queries-against"), "rsa2048", run.against)
            running.append(stack.enter_context(servers.ours(run.options.against, other, place, *PATIENT)))
        running.append(
            stack.enter_context(servers.ours("ours, warnings", site, place, "--log-level", "warning", *PATIENT))
        )
        running += [
            stack.enter_context(servers.python(f"reference_{name}", name, site, place)) for name in ("bare", "asyncio")
        ]
        series = rounds(running, measured, setup.rounds, output.tell)
    output.say(f"\nqueries on {run.options.open * len(setup.clients.cores)} open connections, one core")
    output.say(output.series_table(series))
    pairs = [(series[0], one) for one in series[1:]]
    for one, reference in pairs:
        output.say(output.ratio_line(one, reference))
    limit = series[0].median("rate") / series[0].median("clients_busy")
    output.say(f"  at this pace the clients' own limit would be {output.number(limit)} a second")
    return output.as_json(series, pairs)
