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
from tests.bench.run import positives
from tests.bench.site import make_site

if TYPE_CHECKING:
    import argparse

    from tests.bench.measure import Setup
    from tests.bench.place import Place
    from tests.bench.run import Run
    from tests.bench.servers import Server

CIPHERS = "ECDHE-RSA-AES256-GCM-SHA384"
SHARED = ", cores shared with clients"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument(
        "--workers",
        type=positives,
        default=[2, 4],
        metavar="A,B",
        help="workers: how many, each compared with one (default: 2,4)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    output.tell("workers")
    site = make_site(run.folder("workers"), "rsa2048")
    setups = _setups(run)

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
        output.say(f"  {name}: servers on cores {_cores(setup.servers)}, clients on {_cores(setup.clients)}")
    by_name = {one.name: one for one in series}
    pairs = [(one, by_name[_reference(one.name)]) for one in series if one.name != _reference(one.name)]
    for one, reference in pairs:
        output.say(output.ratio_line(one, reference))
    return output.as_json(series, pairs)


def _setups(run: Run) -> dict[str, Setup]:
    """A core for each worker and the others for clients; if none is left, all cores are shared, with any workers."""
    cores = sorted(run.setup.everywhere.cores, reverse=True)
    place = run.setup.servers
    found = {"1 worker": run.setup}
    for workers in run.options.workers:
        mine = replace(place, cores=frozenset(cores[:workers]))
        left = replace(place, cores=frozenset(cores[workers:]))
        if left.cores:
            found[f"{workers} workers"] = replace(run.setup, servers=mine, clients=left)
        else:
            found[f"1 worker{SHARED}"] = replace(run.setup, servers=place, clients=place)
            found[f"{workers} workers{SHARED}"] = replace(run.setup, servers=mine, clients=mine)
    return found


def _reference(name: str) -> str:
    return f"1 worker{SHARED}" if name.endswith(SHARED) else "1 worker"


def _cores(place: Place) -> str:
    return ", ".join(map(str, sorted(place.cores)))
