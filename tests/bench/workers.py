"""CPU time of a connection with several workers, against one worker.

On a machine with fewer cores than workers and clients need, clients and workers share cores; the CPU time of the
service's processes is theirs alone nevertheless.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench import output, servers
from tests.bench.measure import Sample, measure, rounds
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse

    from tests.bench.measure import Setup
    from tests.bench.run import Run
    from tests.bench.servers import Server

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--workers",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[2, 4],
        metavar="A,B",
        help="workers: how many, each compared with one (default: 2,4)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("workers")
    site = make_site(run.folder("workers"), "rsa2048")
    setups = {"1 worker": run.setup} | {f"{n} workers": _setup(run, n) for n in run.options.workers}

    def measured(server: Server) -> Sample:
        return measure(server, CIPHERS, setups[server.name], saturate=False)

    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(
                servers.ours(name, site, setup.servers, "--log-level", "info", workers=int(name.split()[0]))
            )
            for name, setup in setups.items()
        ]
        series = rounds(running, measured, run.setup.rounds, output.tell)
    output.say("\nworkers")
    output.say(output.series_table(series))
    for name, setup in setups.items():
        output.say(
            f"  {name}: servers on cores {_cores(setup.servers.cores)}, clients on {_cores(setup.clients.cores)}"
        )
    pairs = [(one, series[0]) for one in series[1:]]
    for one, reference in pairs:
        output.say(output.ratio_line(one, reference))
    return output.as_json(series, pairs)


def _setup(run: Run, workers: int) -> Setup:
    """A core for each worker where that leaves one for clients; else all cores for both."""
    cores = sorted(run.setup.everywhere.cores, reverse=True)
    mine = frozenset(cores[:workers])
    left = frozenset(cores) - mine or mine
    return replace(
        run.setup, servers=replace(run.setup.servers, cores=mine), clients=replace(run.setup.clients, cores=left)
    )


def _cores(cores: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
