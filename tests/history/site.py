"""The cluster of a history: PostgreSQL, three nodes with their services, and what can happen to them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fixtures.ports import quiet_port
from tests.fixtures.postgres import new_server
from tests.fixtures.processes import alive, children
from tests.fixtures.running import run_tvs, start_service, wait_until
from tests.fixtures.stores import PostgresDatabase
from tvs.state import StateDirectory

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.fixtures.postgres import Server
    from tests.fixtures.running import Running

NAMES = ("pub", "sub1", "sub2")
"""The nodes, the publisher first. Administrators are on the first two."""
_OPTIONS = ("--log-level", "info")


@dataclass(kw_only=True)
class Site:
    """A running cluster.

    Attributes:
        folder: for files.
        server: PostgreSQL.
        database: name of the database in it.
        states: the nodes' state directories by name.
        services: the nodes' services by name; the ports of phones stay the same.
        cuts: what has happened, by kind.
    """

    folder: Path
    server: Server
    database: str
    states: dict[str, StateDirectory]
    services: dict[str, Running] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Starts a node's service, on the port that it had before."""
        before = self.services.get(name)
        port = quiet_port() if before is None else before.endpoint.port
        log = self.folder / f"{name}-{time.monotonic_ns()}.log"
        self.services[name] = start_service(self.states[name], log, ("--listen", f"127.0.0.1:{port}", *_OPTIONS))

    def kill(self, name: str) -> None:
        """Kills all processes of a node's service."""
        service = self.services[name]
        service.kill()
        if service.process.stdout is not None:
            service.process.stdout.close()

    # -- what can happen; each returns when it is over, and nodes and database run again

    def cut(self, dice: random.Random) -> None:
        """Something happens."""
        kinds: list[Callable[[random.Random], None]] = [
            self.kill_database,
            self.end_sessions,
            self.halt_database,
            self.kill_node,
            self.halt_node,
        ]
        kind = dice.choice(kinds)
        kind(dice)
        self.cuts[kind.__name__] = self.cuts.get(kind.__name__, 0) + 1

    def kill_database(self, dice: random.Random) -> None:
        """PostgreSQL is killed, and started again."""
        processes = self._database_processes()
        self.server.stop(signal.SIGKILL)
        wait_until(lambda: not any(map(alive, processes)), "PostgreSQL's processes have ended")
        time.sleep(dice.uniform(0, 2))
        self.server.start()

    def end_sessions(self, dice: random.Random) -> None:
        """All connections to the database are ended."""
        statement = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.database}'"  # noqa: S608
        for _ in range(dice.randint(1, 3)):
            self.server.run(statement)
            time.sleep(dice.uniform(0, 0.5))

    def halt_database(self, dice: random.Random) -> None:
        """PostgreSQL says nothing for seconds."""
        self._halt(self._database_processes(), dice)

    def kill_node(self, dice: random.Random) -> None:
        """A service is killed, and started again."""
        name = dice.choice(NAMES)
        self.kill(name)
        time.sleep(dice.uniform(0, 1))
        self.start(name)

    def halt_node(self, dice: random.Random, among: Sequence[str] = NAMES) -> None:
        """All processes of a service stand still for seconds: that of one of these nodes, which runs."""
        supervisor = self.services[dice.choice(among)].process.pid
        self._halt([supervisor, *children(supervisor)], dice)

    def _database_processes(self) -> list[int]:
        leader = int((self.server.data / "postmaster.pid").read_text().split()[0])
        return [leader, *children(leader)]

    @staticmethod
    def _halt(processes: list[int], dice: random.Random) -> None:
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            if number == signal.SIGSTOP:
                time.sleep(dice.uniform(1, 5))


@contextlib.contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """A running cluster of three nodes; skips the test if PostgreSQL is missing."""
    with new_server() as server:
        database = PostgresDatabase(server)
        database.make_empty()
        url = database.setting(folder)
        states = {name: StateDirectory(folder / name) for name in NAMES}
        for number, (name, state) in enumerate(states.items(), 1):
            kind = "--store" if name == NAMES[0] else "--join"
            address = ("--name", name, "--address", f"192.0.2.{number}")
            tvs("init", "--state", state.path, kind, url, *address, "--tvs-key", "p256")
        tvs("utils", "itl", "update", "--yes", "--state", states[NAMES[0]].path)
        site = Site(folder=folder, server=server, database=url.partition("?")[0].rpartition("/")[2], states=states)
        try:
            for name in NAMES:
                site.start(name)
            yield site
        finally:
            for name in site.services:
                site.kill(name)


def tvs(*words: object) -> None:
    """Runs a command, which must succeed."""
    done = run_tvs(*words)
    assert done.returncode == 0, done.stdout + done.stderr
