"""SQLite and PostgreSQL side by side, with many certificates: fill, start, imports and a change of a parameter.

PostgreSQL is the system's, started for this on the same machine with its own defaults.
"""

from __future__ import annotations

import resource
import statistics
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from certstore.opening import open_store
from tests.bench import machine, output, servers
from tests.bench.client import BenchError
from tests.bench.manycerts import UNIT, certificates, fill_store
from tests.bench.site import ROOT, make_site, tvs
from tests.bench.store import seen_after
from tests.bench.verification import until_quiet
from tests.fixtures.postgres import find_programs, new_server
from tests.fixtures.stores import PostgresDatabase

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.bench.run import Run
    from tests.bench.servers import Server
    from tests.bench.site import Site

SINGLE = 100
"""Certificates that are imported one by one, each in a transaction of its own."""
WORKERS = 2
SETTLED = 5.0
"""Seconds after a change of a parameter in which the service's CPU time counts, and as many before it."""
SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "128MB",
}
"""PostgreSQL's own defaults, in place of the tests'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one database costs.

    Attributes:
        fill: milliseconds of each certificate while the database is filled, `manycerts` transactions.
        fill_cpu: CPU milliseconds of each, of program and server together.
        join: seconds of `tvs init --join`, which makes the keys of one more node.
        single: milliseconds of an import in a transaction of its own, the median.
        ready: seconds from the start of `tvs serve` until it was ready.
        ready_cpu: CPU seconds of all its processes until then.
        settled: CPU seconds of all processes from then until they do nothing.
        visible: seconds from the commit of an import until every worker vouches for it, the median.
        visible_most: the longest.
        command: seconds of `tvs set cert import --no-wait`, the median.
        command_cpu: its CPU seconds, the median.
        parameter: CPU milliseconds of all processes of the service after a change of a parameter, over none.
        memory: MiB of all processes of the service.
    """

    fill: float
    fill_cpu: float
    join: float
    single: float
    ready: float
    ready_cpu: float
    settled: float
    visible: float
    visible_most: float
    command: float
    command_cpu: float
    parameter: float
    memory: float


_LABELS = {
    "fill": "fill: each certificate, ms",
    "fill_cpu": "  CPU of program and server, ms",
    "join": "tvs init --join, s",
    "single": "an import in its own transaction, ms",
    "ready": "start: ready after, s",
    "ready_cpu": "  CPU of all processes until then, s",
    "settled": "  CPU of all processes until they do nothing, s",
    "visible": "an import: in every worker after, s",
    "visible_most": "  at most, s",
    "command": "tvs set cert import, s",
    "command_cpu": "  its CPU, s",
    "parameter": "a changed parameter: CPU of the service, ms",
    "memory": "memory of the service, MiB",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """None of its own: --certificates is that of `store`."""
    del parser


def run(run: Run) -> dict[str, object]:
    """Measures and prints; gives the figures for JSON."""
    return {str(count): _measured(run, count) for count in run.options.certificates}


def _measured(run: Run, count: int) -> dict[str, object]:
    found = {}
    for kind, place in (("SQLite", _sqlite), ("PostgreSQL", _postgresql)):
        output.tell(f"{kind} with {count} certificates")
        with place(run.folder(f"databases-{kind}-{count}")) as (site, url, pids):
            found[kind] = _figures(run, site, url, pids, count)
            output.tell(f"{found[kind]}")
    _show(count, found["SQLite"], found["PostgreSQL"])
    return {kind: asdict(figures) for kind, figures in found.items()}


Place = tuple["Site", str, list[int]]
"""The state directory, its database's URL, and the processes of its server."""


@contextmanager
def _sqlite(folder: Path) -> Iterator[Place]:
    site = make_site(folder, "p256")
    yield site, str(site.state / "tvs.db"), []


@contextmanager
def _postgresql(folder: Path) -> Iterator[Place]:
    with started_postgresql(folder) as (url, pid):
        yield make_site(folder, "p256", options=["--store", url]), url, [pid]


@contextmanager
def started_postgresql(folder: Path) -> Iterator[tuple[str, int]]:
    """An empty database of a PostgreSQL server: its URL, whose password is in a file of the folder, and the process."""
    if find_programs() is None:
        raise BenchError("PostgreSQL is not installed; on Debian: apt install postgresql")
    with new_server(settings=SAFE) as server:
        database = PostgresDatabase(server)
        database.make_empty()
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
        yield database.setting(folder), pid


def _figures(run: Run, site: Site, url: str, servers_pids: list[int], count: int) -> Figures:
    source = certificates()
    with closing(open_store(url)) as store:
        fill, fill_cpu = _fill(store, source, count, servers_pids)
        single = statistics.median(_timed(store, next(source)) for _ in range(SINGLE))
    join = _join(site, url)
    server_place, _ = run.setup.halves
    with ExitStack() as stack:
        service = stack.enter_context(servers.ours("databases", site, server_place, workers=WORKERS))
        ready_cpu = service.cpu().total
        store = stack.enter_context(closing(open_store(url)))
        settled, _ = until_quiet(service)
        memory = machine.memory_of(service.pids)
        # before imports: the follower writes its copy of the certificates after each, when it finds the time
        parameter = statistics.median(_parameter(service, store, number) for number in range(run.setup.rounds))
        visible = [seen_after(service.port, store, next(source)) for _ in range(run.setup.rounds)]
        commands = [_command(site, next(source)) for _ in range(run.setup.rounds)]
        return Figures(
            fill=fill,
            fill_cpu=fill_cpu,
            join=join,
            single=single,
            ready=service.ready_after,
            ready_cpu=ready_cpu,
            settled=settled,
            visible=statistics.median(visible),
            visible_most=max(visible),
            command=statistics.median(seconds for seconds, _ in commands),
            command_cpu=statistics.median(cpu for _, cpu in commands),
            parameter=parameter,
            memory=memory / 2**20,
        )


def _fill(store: CertificateStore, source: Iterator[bytes], count: int, server: list[int]) -> tuple[float, float]:
    """Milliseconds of each certificate, and CPU milliseconds."""
    store.change_number()  # the server's process for this store is there, and counted

    def cpu() -> float:
        return time.process_time() + sum(machine.cpu_of(machine.tree(pid)).total for pid in server)

    began, spent = time.monotonic(), cpu()
    fill_store(store, source, count)
    seconds = time.monotonic() - began
    return seconds / count * 1000, (cpu() - spent) / count * 1000


def _timed(store: CertificateStore, der: bytes) -> float:
    began = time.monotonic()
    store.import_certificate(der, UNIT)
    return (time.monotonic() - began) * 1000


def _join(site: Site, url: str) -> float:
    folder = site.state.parent / "joined"
    named = url if "://" in url else f"sqlite://{url}"
    began = time.monotonic()
    tvs(ROOT, "init", "--state", str(folder), "--join", named, "--name", "sub", "--address", "127.0.0.2")
    return time.monotonic() - began


def _command(site: Site, der: bytes) -> tuple[float, float]:
    """Seconds of the command, and its CPU seconds."""
    file = site.state.parent / "one.der"
    file.write_bytes(der)
    began, spent = time.monotonic(), _children()
    tvs(ROOT, "set", "cert", "import", "trust", str(UNIT), str(file), "--yes", "--no-wait", "--state", str(site.state))
    return time.monotonic() - began, _children() - spent


def _children() -> float:
    """CPU seconds of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _parameter(service: Server, store: CertificateStore, number: int) -> float:
    """CPU milliseconds after a change of a parameter, over as much time without one."""
    until_quiet(service)
    began = service.cpu().total
    time.sleep(SETTLED)
    idle = service.cpu().total - began
    store.set_parameter("OfABenchmark", str(number))
    time.sleep(SETTLED)
    return (service.cpu().total - began - 2 * idle) * 1000


def _show(count: int, sqlite: Figures, postgresql: Figures) -> None:
    rows = []
    for name, label in _LABELS.items():
        one, other = getattr(sqlite, name), getattr(postgresql, name)
        rows.append(
            (label, output.number(one, 3), output.number(other, 3), output.number(other / one, 2) if one > 0 else "-")
        )
    output.say(f"\n{count:,} certificates, {WORKERS} workers")
    output.say(output.table(("", "SQLite", "PostgreSQL", "of SQLite"), rows))
