"""Three nodes, a primary and a standby of PostgreSQL, and phones, each on a machine of one network."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fixtures.certificates import certificate, pem
from tests.fixtures.networks import Network, new_network
from tests.fixtures.postgres import PLAIN_PASSWORD, USER
from tests.fixtures.running import start_service, wait_until
from tests.trial.databases import DATABASE, PORT, Database
from tests.trial.phones import Fleet
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.running import Running

NODES = {"pub": "10.77.0.21", "sub1": "10.77.0.22", "sub2": "10.77.0.23"}
DATABASES = {"db1": "10.77.0.11", "db2": "10.77.0.12"}
FLEETS = {"phones1": "10.77.1.", "phones2": "10.77.2."}
"""Machines with phones: the beginnings of their addresses."""
PHONES = 250
"""Phones of each of these machines."""
TVS_PORT, ADMIN_PORT = 2445, 9445
TIMEOUT = 10.0
"""Seconds that phones wait for each step: the machines share two processors."""
_FIRST, _STRANGER = certificate("CN=web-0", 0x5000), certificate("CN=stranger", 0x6000)


@dataclass(kw_only=True)
class Site:
    """A running site.

    Attributes:
        folder: for files.
        network: the machines.
        primary, standby: PostgreSQL.
        states, services: of the nodes.
        fleets: the phones' processes.
        changes: number of changes that were made.
    """

    folder: Path
    network: Network
    primary: Database
    standby: Database
    states: dict[str, StateDirectory] = field(default_factory=dict)
    services: dict[str, Running] = field(default_factory=dict)
    fleets: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    changes: int = 0

    @property
    def url(self) -> str:
        """The database, wherever it is."""
        places = ",".join(f"{address}:{PORT}" for address in DATABASES.values())
        return f"postgresql://{USER}@{places}/{DATABASE}?passfile={self.folder}/pgpass&target_session_attrs=read-write"

    def tvs(self, node: str, *words: object, status: int | None = 0) -> str:
        """What a command on a node says."""
        return self.network.hosts[node].run(sys.executable, "-m", "tvs", *words, status=status)

    def add_node(self, name: str, address: str) -> None:
        """One more node, which joins the cluster; the first one makes it."""
        self.network.add(name, address)
        state = self.states[name] = StateDirectory(self.folder / name)
        database = ("--join" if len(self.states) > 1 else "--store", self.url)
        facts = ("--name", name, "--address", address, "--tvs-key", "p256")
        self.tvs(name, "init", "--state", state.path, *database, *facts)

    def make_lists(self) -> None:
        """Lists with all nodes in them."""
        publisher = next(iter(self.states))
        self.tvs(publisher, "utils", "itl", "update", "--yes", "--state", self.states[publisher].path)

    def start_node(self, name: str) -> None:
        """Starts a node's service."""
        host = self.network.hosts[name]
        options = (
            "--listen", f"{host.address}:{TVS_PORT}", "--admin", f"{host.address}:{ADMIN_PORT}", "--log-level", "info",
        )  # fmt: skip
        log = self.folder / f"{name}.log"
        self.services[name] = start_service(self.states[name], log, options, prefix=tuple(host.command()))

    def change(self) -> float:
        """A change that all nodes confirm; phones ask about it from then on.

        Returns the seconds from its commit until the last node had confirmed it.
        """
        self.changes += 1
        der = certificate(f"CN=web-{self.changes}", 0x5000 + self.changes)
        file = self.folder / "new.pem"
        file.write_bytes(pem(der))
        node = list(NODES)[self.changes % len(NODES)]
        words = ("set", "cert", "import", "trust", "Phone-trust", file, "--role", "APP-SERVER", "--yes", "--json")
        confirmation = json.loads(self.tvs(node, *words, "--state", self.states[node].path))["confirmation"]
        assert [one["step"] for one in confirmation["nodes"]] == ["confirmed"] * len(self.states), confirmation
        self.know(f"web-{self.changes}", der)
        seconds: float = confirmation["seconds"]
        return seconds

    def know(self, name: str, der: bytes) -> None:
        """Phones ask about a certificate from now on."""
        folder = self.folder / "known"
        folder.mkdir(exist_ok=True)
        new = folder / f"{name}.new"
        new.write_bytes(der)
        new.rename(folder / f"{name}.der")

    # -- phones

    def start_phones(self, interval: float) -> None:
        """Starts all phones, and waits until each has had an answer."""
        (self.folder / "stranger.der").write_bytes(_STRANGER)
        for name, beginning in FLEETS.items():
            addresses = [f"{beginning}{number}" for number in range(1, PHONES + 1)]
            host = self.network.add(name, addresses[0])
            host.add_addresses(addresses[1:])
            fleet = Fleet(
                addresses=addresses,
                servers=[f"{address}:{TVS_PORT}" for address in NODES.values()],
                itl=str(self.folder / "pub/tftp/ITLFile.tlv"),
                known=str(self.folder / "known"),
                stranger=str(self.folder / "stranger.der"),
                interval=interval,
                timeout=TIMEOUT,
                result=str(self.folder / f"{name}.seen"),
            )
            file = self.folder / f"{name}.json"
            file.write_text(json.dumps(asdict(fleet)))
            self.fleets[name] = subprocess.Popen(host.command(sys.executable, "-m", "tests.trial.phones", file))
        wait_until(lambda: self.seen()["began"] == PHONES * len(FLEETS), "each phone has had an answer")

    def seen(self) -> dict[str, Any]:
        """What all phones saw together."""
        parts = []
        for name, process in self.fleets.items():
            assert process.poll() is None, f"the process of {name} has ended"
            path = self.folder / f"{name}.seen"
            parts.append(json.loads(path.read_text()) if path.exists() else {})
        return {
            "began": sum(part.get("began", 0) for part in parts),
            "answers": sum(part.get("answers", 0) for part in parts),
            "other": sum(part.get("other", 0) for part in parts),
            "wrong": [line for part in parts for line in part.get("wrong", [])],
            "failed": [line for part in parts for line in part.get("failed", [])],
            "slowest": max(part.get("slowest", 0.0) for part in parts),
        }

    # -- agreement

    def agreed(self, database: Database) -> float:
        """Waits until each node has reported anew that it serves the current generation; the seconds until then."""
        began = time.monotonic()
        first: dict[str, int] = {}
        statement = """
            SELECT node, counter, generation = (SELECT max(number) FROM clustergeneration) FROM nodereport
        """

        def all_agree() -> bool:
            rows = database.run(statement, database=DATABASE)
            for node, counter, _ in rows:
                first.setdefault(node, counter)
            return {node for node, counter, current in rows if current and counter > first[node]} >= set(self.states)

        wait_until(all_agree, "all nodes agree")
        return time.monotonic() - began

    def close(self) -> None:
        """Ends phones and services."""
        for process in self.fleets.values():
            process.kill()
            process.wait()
        for service in self.services.values():
            service.kill()
            if service.process.stdout is not None:
                service.process.stdout.close()
        for database in (self.primary, self.standby):
            database.remove()


@contextlib.contextmanager
def running_site(folder: Path, *, interval: float) -> Iterator[Site]:
    """A running site whose phones ask each `interval` seconds; skips the test if there can be none here."""
    with new_network() as network:
        primary, standby = (Database(network.add(name, address)) for name, address in DATABASES.items())
        site = Site(folder=folder, network=network, primary=primary, standby=standby)
        try:
            _start_databases(site)
            for name, address in NODES.items():
                site.add_node(name, address)
            site.make_lists()
            for name in NODES:
                site.start_node(name)
            first = folder / "first.pem"
            first.write_bytes(pem(_FIRST))
            words = ("set", "cert", "import", "trust", "Phone-trust", first, "--role", "APP-SERVER", "--yes")
            site.tvs("pub", *words, "--state", site.states["pub"].path)
            site.know("web-0", _FIRST)
            site.start_phones(interval)
            yield site
        finally:
            site.close()


def _start_databases(site: Site) -> None:
    passwords = site.folder / "pgpass"
    passwords.touch(0o600)
    passwords.write_text(f"*:*:*:{USER}:{PLAIN_PASSWORD}\n")
    site.primary.initialize()
    site.primary.start()
    site.primary.make(DATABASE)
    site.standby.follow(site.primary)
    site.standby.start()
    site.primary.require_standby()
