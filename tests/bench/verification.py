"""Comparison of each worker's index with the whole database after a start: its CPU time, and phones meanwhile.

They compare if the database's last change has no token, as one has that an earlier version wrote. All workers begin at
the same time, a quarter of a second after they are ready.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench import machine, output
from tests.bench.client import BenchError, Load, Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.bench.client import Totals
    from tests.bench.place import Place
    from tests.bench.servers import Server

QUIET = 0.05
"""CPU seconds of a second, of all workers, at which the comparison is over and only ticks and polls go on."""
LONGEST = 600
"""Seconds until then, at most."""
WINDOW = 10.0
"""Seconds with phones: 100,000 certificates take longer to compare."""
SLOTS = 1
"""Connections of each client at once: the cores must not be full for a p99 to say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What the comparison costs.

    Attributes:
        workers: that compare at the same time.
        cpu: CPU seconds of one worker.
        seconds: until the last one was ready, without phones.
        grown: KiB that memory of all processes grew by.
        meanwhile, later: p99 of the answers during the comparison, and after it, ms.
        failed: connections that failed.
    """

    workers: int
    cpu: float
    seconds: int
    grown: int
    meanwhile: float
    later: float
    failed: int


def forget_tokens(database: Path) -> None:
    """Makes the changes of an SQLite database those of an earlier version."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE certificatechangelog SET token = NULL")


def verification(
    started: Callable[[], AbstractContextManager[Server]], program: Path, clients: Place, ciphers: str, workers: int
) -> Verification:
    """Starts a server twice: once alone, once with phones.

    Args:
        started: starts it anew, with a large store.
        program: the clients' program.
        clients: their cores.
        ciphers: OpenSSL's names.
        workers: of the server.
    """
    with started() as server:
        before = machine.memory_of(server.pids)
        cpu, seconds = until_quiet(server)
        grown = machine.memory_of(server.pids) - before
        later = _phones(server, program, clients, ciphers)
    with started() as server:
        meanwhile = _phones(server, program, clients, ciphers)
    found = Verification(
        workers=workers,
        cpu=cpu / workers,
        seconds=seconds,
        grown=grown // 1024,
        meanwhile=meanwhile.percentile(0.99),
        later=later.percentile(0.99),
        failed=meanwhile.failed + later.failed,
    )
    output.tell(f"comparison after a start: p99 {found.meanwhile:.2f} ms meanwhile, {found.later:.2f} ms later")
    return found


def until_quiet(server: Server) -> tuple[float, int]:
    """CPU seconds that the server takes before it is quiet, and after how many seconds that is."""
    spent, before = 0.0, server.cpu().total
    for second in range(1, LONGEST + 1):
        time.sleep(1.0)
        now = server.cpu().total
        if second > 1 and now - before < QUIET:
            return spent, second - 1
        spent, before = spent + now - before, now
    raise BenchError(f"{server.name} is not quiet {LONGEST} s after its start")


def _phones(server: Server, program: Path, clients: Place, ciphers: str) -> Totals:
    target = Target(port=server.port, ciphers=ciphers, exchanges=server.exchanges, slots=SLOTS)
    with Load(program, target, clients) as load:
        return load.during(WINDOW)


def show(found: Verification) -> None:
    """Prints it."""
    output.say(
        f"  comparison with the database after a start: {found.cpu:.2f} s of CPU time in each of {found.workers} "
        f"workers at once, over after {found.seconds} s; memory of all grew by {found.grown} KiB; p99 of answers "
        f"meanwhile {found.meanwhile / found.later:.2f} times that later ({found.meanwhile:.2f} and "
        f"{found.later:.2f} ms); {found.failed} connections failed"
    )
