"""A cluster whose nodes are upgraded one after the other, with the tables of its database, while phones ask both."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
import urllib.request
from asyncio import to_thread
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from certstore.postgresql.schema import SCHEMA
from tests.fixtures.administrator import PUBLISHER, Administrator
from tests.fixtures.certificates import certificate
from tests.fixtures.joined import joins
from tests.fixtures.ports import quiet_port
from tests.fixtures.postgres import shared_server
from tests.fixtures.processes import Load, asking, until
from tests.fixtures.running import PATIENCE, run_tvs, services, wait_until
from tests.fixtures.stores import ROOT, PostgresDatabase
from tvs.client.trust import NoAnswer
from tvs.manage.provision import initialise
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.processes import Probe
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

CLUSTER = replace(PUBLISHER, tvs_key=KeyType.P256)
NODES = (CLUSTER.name, "sub1")
UNKNOWN = certificate("CN=unknown", 0xAF)
PATIENT = ("--handshake-timeout", "60", "--request-timeout", "60", "--connection-timeout", "60")
PAUSE = 0.03
"""Seconds between two conversations of a phone."""
LISTS = ("CTLFile.tlv", "ITLFile.tlv")
THIS = SCHEMA.version
REFUSED = (
    f"the database has schema {THIS + 2}, which programs with schema {THIS + 1} or newer can use, "
    f"and this one knows {THIS}"
)


@dataclass
class Site:
    """A cluster of two nodes.

    Attributes:
        database: PostgreSQL.
        folder: for files.
        states: of the nodes.
        start: starts a service.
        services: of the nodes, once they were started; their ports stay the same.
        restarts: beginnings and ends of each node's restarts, counted: odd while there is one.
        trusted: certificates that both nodes have reported.
    """

    database: PostgresDatabase
    folder: Path
    states: dict[str, StateDirectory]
    start: Callable[..., Running]
    services: dict[str, Running] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NODES, 0))
    trusted: list[bytes] = field(default_factory=list)

    def begin(self, name: str, version: str = "") -> None:
        """Starts a node's service in this version, or in a later one."""
        port = self.services[name].endpoint.port if name in self.services else quiet_port()
        options = ("--listen", f"127.0.0.1:{port}", "--log-level", "info", *PATIENT)
        prefix, environment = program(version)
        self.services[name] = self.start(self.states[name], *options, prefix=prefix, environment=environment)

    def restart(self, name: str, version: str) -> None:
        """Upgrades a node."""
        self.restarts[name] += 1
        assert self.services[name].stop() == 0
        self.begin(name, version)
        self.restarts[name] += 1

    def add(self, name: str, serial: int, version: str = "") -> bytes:
        """Imports a certificate with a node's command of this version, or of a later one, in which nobody waits."""
        der = certificate(f"CN=c{serial}", serial)
        (self.folder / "one.der").write_bytes(der)
        words = ("set", "cert", "import", "trust", "Phone-trust", self.folder / "one.der", "--role", "APP-SERVER")
        all_words = (*words, "--no-wait", "-y", "--state", self.states[name].path)
        prefix, environment = program(version)
        done = run_tvs(*all_words, prefix=prefix, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return der

    def add_everywhere(self, name: str, serial: int, version: str = "") -> None:
        """Imports a certificate, and waits until both nodes report that they serve it."""
        der = self.add(name, serial, version)
        wait_until(self.agree, "both nodes serve the import")
        self.trusted.append(der)

    def agree(self) -> bool:
        """Whether both nodes report the last generation."""
        with self.states[NODES[0]].opened() as store:
            last = store.generation().number
            return {report.node: report.generation for report in store.reports()} == dict.fromkeys(self.states, last)

    def lists(self) -> list[list[bytes]]:
        """The lists that each node hands out."""
        return [[(state.tftp / name).read_bytes() for name in LISTS] for state in self.states.values()]

    def version(self) -> list[tuple[int, int]]:
        """What the database says of its tables."""
        return self.database.execute("select version, usablefrom from tvsschema")


def program(version: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """What stands before the command, and its environment, for a later version of the program, or for this one."""
    if not version:
        return (), {}
    return (sys.executable, "-m", "tests.fixtures.newer", version), {"PYTHONPATH": str(ROOT)}


class Phones(Load):
    """Phones that know both nodes, and ask each of them in turn first.

    A node that does not answer is a failure, unless it is being restarted: then the other one must. A certificate that
    both nodes reported before the question is trusted, and one that nobody imported is not.
    """

    def __init__(self, site: Site) -> None:
        service = site.services[NODES[0]]
        super().__init__(service.endpoint, service.trust)
        self._site = site
        self._turns = itertools.cycle((NODES, NODES[::-1]))

    async def ask(self) -> None:
        """A conversation with the first node, or with the second if the first is being restarted."""
        first, second = next(self._turns)
        restarts = self._site.restarts
        before = restarts[first]
        try:
            await self._ask(first)
        except NoAnswer:
            if before == restarts[first] and before % 2 == 0:
                raise
            await self._ask(second)
        self.answered += 1
        await asyncio.sleep(PAUSE)

    async def _ask(self, name: str) -> None:
        trusted = list(self._site.trusted)
        got = await self._site.services[name].trusts(*trusted, UNKNOWN)
        if got != [True] * len(trusted) + [False]:
            self.failures.append(f"{name}: {got}")


async def until_trusted(service: Running, der: bytes) -> None:
    """Waits until a service vouches for a certificate."""
    async with asyncio.timeout(PATIENCE):
        while await service.trusts(der) != [True]:  # noqa: ASYNC110 - a phone can only ask again
            await asyncio.sleep(0.05)


def verdict(service: Running) -> str:
    """How phones fare, in one sentence."""
    with urllib.request.urlopen(f"http://{service.admin}/status.json", timeout=PATIENCE) as answer:
        return str(json.load(answer)["verdict"]["sentence"])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A cluster whose services do not run yet."""
    with contextlib.ExitStack() as stack:
        database = PostgresDatabase(shared_server())
        stack.callback(database.remove)
        database.make_empty()
        url = database.setting(tmp_path)
        publisher = Administrator(initialise(tmp_path / NODES[0], CLUSTER, store=url))
        subscriber = joins(url, tmp_path / NODES[1], NODES[1], "127.0.0.2")
        publisher.does("utils", "itl", "update", "-y")
        states = dict(zip(NODES, (publisher.state, subscriber.state), strict=True))
        yield Site(database, tmp_path, states, stack.enter_context(services(tmp_path)))


async def test_one_node_after_the_other(site: Site) -> None:
    """A newer program expands the tables beside two older nodes; these, then one, then none work beside the newer."""
    publisher, subscriber = NODES
    site.begin(publisher)
    site.begin(subscriber)
    site.add_everywhere(subscriber, 0xA1)
    async with asking(Phones(site), phones=3) as phones:
        await to_thread(site.add_everywhere, publisher, 0xA2, "expanded")
        assert site.version() == [(THIS + 1, THIS)]
        await to_thread(site.restart, publisher, "expanded")
        await to_thread(site.add_everywhere, publisher, 0xA3, "expanded")
        await to_thread(site.add_everywhere, subscriber, 0xA4)
        await phones.more()
        await to_thread(site.restart, subscriber, "expanded")
        await to_thread(site.add_everywhere, subscriber, 0xA5, "expanded")
    assert phones.failures == []
    assert len(site.trusted) == 5
    assert site.agree()
    assert site.database.execute("select distinct later from certificate") == [("new",)]
    first, second = site.lists()
    assert first == second


async def test_an_older_node_beside_contracted_tables(site: Site, probe: Probe) -> None:
    """A node that is too old answers from memory, says so, starts from its copy, and serves all once it is upgraded."""
    publisher, subscriber = NODES
    site.begin(publisher, "expanded")
    assert site.version() == [(THIS + 1, THIS)]
    site.trusted.append(site.add(subscriber, 0xA0))  # before the service starts: its first copy has it
    site.begin(subscriber)
    await until(site.agree, "both nodes serve the import")
    await until(site.states[subscriber].last_good.exists, "the copy")
    async with asking(Phones(site), phones=3) as phones:
        certificates = probe(site.services[subscriber], "/readyz")[1]["db"]["certificates"]
        later = await to_thread(site.add, publisher, 0xA6, "contracted")
        assert site.version() == [(THIS + 2, THIS + 1)]
        await until_trusted(site.services[publisher], later)
        old = site.services[subscriber]
        await until(lambda: not probe(old, "/readyz")[1]["db"]["up"], "the refusal")
        status, said = probe(old, "/readyz")
        assert (status, said["db"]["certificates"]) == (200, certificates)
        assert REFUSED in said["db"]["problem"]
        assert "from memory only" in verdict(old)
        old.wait_for_line("db_refresh_failed")
        await to_thread(site.restart, subscriber, "")
        old = site.services[subscriber]
        await phones.more()
        assert "from a copy" in verdict(old)
        assert await old.trusts(*site.trusted, later) == [True, False]
        await to_thread(site.restart, subscriber, "contracted")
        await until_trusted(site.services[subscriber], later)
    assert phones.failures == []
