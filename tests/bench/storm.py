"""A storm of phones while nodes are dead: each tries its nodes in turn, and begins again, until it has its answer.

After a reset of a site all phones meet a CTL with an unknown signer, and ask. Each knows the nodes in an order of its
own. Of the dead nodes one refuses connections, the next lets its phones wait for their whole time-out, and so on. Most
phones are those of storm.c; some run in the emulator, with its trust in lists and its TVS proxy, at the same time.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from tests.bench import machine, output, servers
from tests.bench.client import BenchError, build
from tests.bench.handshakes import SUITES
from tests.bench.measure import measure
from tests.bench.run import positive, seconds, some_of
from tests.bench.storm_nodes import dead_nodes, growth, make_cluster, settled
from tests.bench.storm_phones import SOURCE, Behaviour, Emulator, Phones
from tests.bench.storm_report import Storm, as_json, show

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.place import Place
    from tests.bench.run import Run
    from tests.bench.servers import Server
    from tests.bench.storm_nodes import Cluster
    from tests.bench.storm_phones import Counts

PATIENCE = 5.0
"""Seconds that a phone gives each step with a node: the emulator's assumption (docs/phone.md)."""
NODES = 5
"""Nodes that a phone can know."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    for name, kind, default, text in (
        ("--phones", positive, 40_000, "phones, of ledger too"),
        ("--within", seconds, 300.0, "seconds in which phones begin, of ledger too"),
        ("--nodes", positive, 3, f"nodes that each phone knows, at most {NODES}"),
        ("--dead", positive, 2, "nodes that are dead: the first refuses, the second is silent …"),
        ("--emulated", int, 500, "of the phones, those that the emulator plays; none with p256"),
        ("--pause", seconds, 30.0, "seconds after which a phone begins again, from half to one and a half of it"),
        ("--passes", positive, 5, "times that a phone tries all its nodes"),
    ):
        parser.add_argument(name, type=kind, default=default, metavar="N", help=f"storm: {text} (default: {default:g})")
    parser.add_argument(
        "--fleet-suite",
        type=some_of(SUITES),
        default=["rsa-kx"],
        metavar="A,B",
        help=f"storm: kinds of handshakes: {', '.join(SUITES)} (default: rsa-kx, that of the emulated phones)",
    )
    parser.add_argument(
        "--of-capacity",
        type=lambda text: [float(part) for part in text.split(",")],
        default=[],
        metavar="A,B",
        help="storm: phones begin at these multiples of the capacity of a node, in place of --within",
    )
    parser.add_argument(
        "--queue-delays",
        type=lambda text: text.split(","),
        default=[""],
        metavar="A,B",
        help="storm: the service's --max-queue-delay; a storm with each (default: the service's own)",
    )


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    options = run.options
    if not options.dead < options.nodes <= NODES:
        raise BenchError(f"--dead {options.dead} of --nodes {options.nodes}: one at least must live, {NODES} be known")
    if not 0 <= options.emulated < options.phones:
        raise BenchError(
            f"--emulated {options.emulated} of --phones {options.phones}: the C program plays one at least"
        )
    return {suite: [as_json(storm) for storm in _suite(run, suite)] for suite in options.fleet_suite}


def _suite(run: Run, suite: str) -> Iterator[Storm]:
    key, ciphers = SUITES[suite]
    output.tell(f"storm: {suite} ({ciphers}, {key})")
    cluster = make_cluster(run.folder(f"storm-{suite}"), key)
    program = build(run.directory, SOURCE)
    for factor in run.options.of_capacity or [0.0]:
        capacity = _capacity(run, cluster, ciphers) if factor else 0.0
        within = run.options.phones / (factor * capacity) if factor else run.options.within
        for delay in run.options.queue_delays:
            storm = _storm(run, cluster, suite, program=program, within=within, factor=factor, delay=delay)
            show(suite, ciphers, storm)
            yield storm


def _node(run: Run, cluster: Cluster, name: str, *more: str) -> Server:
    options = ("--log-level", "info", *more)
    return servers.ours(name, cluster.site, run.setup.servers, *options, questions=[cluster.question(0)])


def _capacity(run: Run, cluster: Cluster, ciphers: str) -> float:
    """Phones a second that one node answers while all wait for their answers."""
    with _node(run, cluster, "capacity", "--max-queue-delay", "0") as server:
        sample = measure(server, ciphers, run.setup)
    if sample.problem:
        raise BenchError(f"the capacity of a node cannot be measured: {sample.problem}")
    output.tell(f"capacity: {sample.rate:.0f} a second  {sample.note}")
    return sample.rate


def _storm(run: Run, cluster: Cluster, suite: str, *, program: Path, within: float, factor: float, delay: str) -> Storm:
    """Lets phones begin, and waits for the last of them."""
    options, folder = run.options, run.folder(f"storm-{suite}-{time.monotonic_ns()}")
    behaviour = Behaviour(patience=PATIENCE, pause=options.pause, passes=options.passes)
    emulated = options.emulated if suite != "p256" else 0  # its suites are those of the real service: RSA
    place = run.setup.clients.one(min(run.setup.clients.cores))
    more = ("--max-queue-delay", delay) if delay else ()
    with contextlib.ExitStack() as stack:
        living = [
            stack.enter_context(_node(run, cluster, f"{folder.name}-{number}", *more))
            for number in range(options.nodes - options.dead)
        ]
        dead = dead_nodes(stack, options.dead)
        ports = [*(node.port for node in living), *(node.port for node in dead)]
        emulator = None
        if emulated:
            emulator = stack.enter_context(
                Emulator(
                    folder,
                    ports,
                    phones=emulated,
                    within=within,
                    behaviour=behaviour,
                    cluster=cluster,
                    place=place,
                )
            )
        watch = _Watch(run, living, place)
        exchanges = cluster.exchanges(folder / "exchanges", living[0].port)
        before = settled(living)
        phones = stack.enter_context(
            Phones(
                program,
                ports,
                SUITES[suite][1],
                phones=options.phones - emulated,
                rate=(options.phones - emulated) / within,
                behaviour=behaviour,
                exchanges=exchanges,
                cluster=cluster,
                place=place,
            )
        )
        if emulator is not None:
            emulator.begin()
        fleet = watch.until_the_end(phones, options.phones - emulated, within)
        return Storm(
            phones=options.phones,
            within=within,
            of_capacity=factor,
            queue_delay=delay,
            names=[*("alive" for _ in living), *(node.name for node in dead)],
            fleet=fleet,
            emulated=None if emulator is None else emulator.counts(),
            counted=growth(settled(living), before),
            share=watch.share,
            others=watch.others,
            clients=watch.clients,
            memory_before=watch.before,
            memory_most=watch.most,
        )


class _Watch:
    """Looks at the services while phones ask: memory, and their share of the core while phones begin.

    Args:
        run: cores.
        living: the services.
        phones: place of all phones.
    """

    def __init__(self, run: Run, living: list[Server], phones: Place) -> None:
        self._phones = phones.cores
        self._cores = run.setup.servers.cores
        self._pids = [pid for node in living for pid in node.pids]
        self.share = self.others = self.clients = 0.0
        self.before = self.most = self._memory()

    def _memory(self) -> float:
        return machine.memory_of(self._pids) / 2**20

    def until_the_end(self, phones: Phones, number: int, within: float) -> Counts:
        """Waits until each of so many phones has its answer or has given up."""
        cores, cpu, begun = machine.core_time(self._cores), machine.cpu_of(self._pids), False
        of_phones = machine.core_time(self._phones)
        told = time.monotonic()
        while (now := phones.mark()).active or now.begun < number or not begun:
            time.sleep(min(1.0, within / 10))
            self.most = max(self.most, self._memory())
            if not begun and time.monotonic() - cores.at >= within:
                begun = True
                time_of_core = machine.core_time(self._cores) - cores
                self.share = (machine.cpu_of(self._pids) - cpu).total / time_of_core.at
                of_phones = machine.core_time(self._phones) - of_phones
                self.clients = 1 - of_phones.idle / of_phones.at
                self.others = 1 - time_of_core.idle / time_of_core.at - self.share
            if time.monotonic() - told > 15:
                told = time.monotonic()
                output.tell(f"{now.begun} phones have begun, {now.active} wait, {now.answered} have their answer")
        return now
