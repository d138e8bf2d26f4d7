"""Phones of a cluster that changes: they go on to another node in the middle of it, or storm while a node joins."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from typing import TYPE_CHECKING

import pytest

from proto.messages import TrustStatus
from tests.fixtures.certificates import certificate
from tests.fixtures.postgres import shared_server
from tests.fixtures.processes import Load, asking, until
from tests.fixtures.running import DEVICE, PATIENCE, services, wait_until
from tests.fixtures.stores import PostgresDatabase
from tests.history.site import NAMES, Site, running_site, tvs
from tvs.client.connection import TVSClient
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer
from tvs.phone import DirectorySource, ListKind, Phone, find_model
from tvs.phone.boot import boot
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proto.messages import CertVerificationResponse
    from tests.fixtures.running import Running

PHONES = 6
STORM = 36
"""Connections at once."""
PATIENT = (
    *("--handshake-timeout", "60", "--request-timeout", "60", "--connection-timeout", "60", "--log-level", "info"),
    *("--max-queue-delay", "0.02"),
)
TRUSTED, UNKNOWN = certificate("CN=trusted", 0xB1), certificate("CN=unknown", 0xB2)


class Booting:
    """Phones that boot again and again, each time with another order of nodes and files of another node.

    Args:
        site: the cluster.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._dice = random.Random(site.server.port)
        self._ending = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        self.phones = [Phone(f"{number:012X}", find_model("8861"), timeout=PATIENCE) for number in range(PHONES)]
        self._boots = [0] * PHONES

    def __enter__(self) -> Booting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join()

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(number, phone) for number, phone in enumerate(self.phones)))

    async def _one(self, number: int, phone: Phone) -> None:
        while not self._ending:
            nodes = self._dice.sample(NAMES, len(NAMES))
            phone.flash.servers = tuple(self._site.services[name].endpoint for name in nodes)
            await boot(phone, DirectorySource(self._site.states[self._dice.choice(NAMES)].tftp))
            self._boots[number] += 1
            await asyncio.sleep(0.1)

    def again(self) -> None:
        """Waits until each phone has begun a boot, and ended it."""
        before = list(self._boots)
        wait_until(
            lambda: all(now >= then + 2 for then, now in zip(before, self._boots, strict=True)), "all phones boot again"
        )

    def have(self, lists: dict[ListKind, bytes]) -> bool:
        """Whether all phones have installed these lists."""
        return all(phone.flash.installed(kind) == data for phone in self.phones for kind, data in lists.items())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A running cluster."""
    with running_site(tmp_path) as running:
        yield running


def lists(site: Site, name: str) -> dict[ListKind, bytes]:
    """The lists of a node."""
    return {kind: (site.states[name].tftp / kind.file_name).read_bytes() for kind in ListKind}


def test_phones_end_with_the_new_lists(site: Site) -> None:
    """Both lists get a signer that no phone knows, one node dies and another stands still: all phones have them."""
    publisher = ("--state", site.states[NAMES[0]].path)
    with Booting(site) as booting:
        before = lists(site, NAMES[0])
        wait_until(lambda: booting.have(before), "phones have the lists")
        site.kill("sub1")
        tvs("set", "cert", "regen", "ITLRecovery", "--yes", "--force", "--no-wait", *publisher)
        tvs("utils", "ctl", "update", "CTLFile", "--yes", "--force", "--no-wait", *publisher)
        site.halt_node(random.Random(site.server.port), among=(NAMES[0], "sub2"))
        site.start("sub1")
        after = lists(site, NAMES[0])
        assert all(after[kind] != before[kind] for kind in ListKind)
        wait_until(lambda: all(lists(site, name) == after for name in NAMES), "all nodes have the new lists")
        booting.again()  # a phone may have fetched an old one just before
        wait_until(lambda: booting.have(after), "all phones have the new lists")
        booting.again()
        assert booting.have(after)


async def answers(service: Running, trust: ServerTrust) -> list[CertVerificationResponse]:
    """What a service answers a phone with this ITL file about the two certificates."""
    async with TVSClient(service.endpoint, trust, timeout=PATIENCE) as phone:
        return [await phone.verify(device=DEVICE, certificate=der) for der in (TRUSTED, UNKNOWN)]


class Storm(Load):
    """Phones that ask as fast as they can, each time one of the services that their ITL file names.

    A service may turn them away before TLS, and counts them then; any other lost conversation is a failure.

    Args:
        publisher: the first service.

    Attributes:
        services: all that phones ask.
        lost: conversations without an answer, by service.
    """

    def __init__(self, publisher: Running) -> None:
        super().__init__(publisher.endpoint, publisher.trust)
        self.services = [publisher]
        self.lost: dict[int, list[str]] = {}
        self._dice = random.Random(publisher.endpoint.port)

    async def ask(self) -> None:
        """One conversation, with the ITL file that was just fetched from the first service's node."""
        service = self._dice.choice(self.services)
        try:
            got = await answers(service, self.services[0].trust)
        except UntrustedServer as error:
            self.failures.append(str(error))
        except NoAnswer as error:
            self.lost.setdefault(service.endpoint.port, []).append(str(error))
            await asyncio.sleep(0.05)
        else:
            self.answered += 1
            if [answer.status for answer in got] != [TrustStatus.TRUSTED, TrustStatus.NOT_TRUSTED]:
                self.failures.append(f"{service.endpoint}: {got}")


def turned_away(scrape: Callable[[Running], dict[str, float]], service: Running) -> float:
    """Connections that a service closed before TLS, because of a limit."""
    found = scrape(service)
    return sum(value for name, value in found.items() if name.startswith("tvs_connections_rejected_total"))


def reported(state: StateDirectory) -> dict[str, bool]:
    """The nodes that report, and whether each serves the last generation."""
    with state.opened() as store:
        last = store.generation().number
        return {report.node: report.generation == last for report in store.reports()}


async def test_a_node_that_joins_in_a_storm(tmp_path: Path, scrape: Callable[[Running], dict[str, float]]) -> None:
    """While phones storm the publisher, a node joins; phones with the new ITL file storm both, and get the same."""
    database = PostgresDatabase(shared_server())
    pub, sub = (StateDirectory(tmp_path / name) for name in NAMES[:2])
    (tmp_path / "trusted.der").write_bytes(TRUSTED)
    own = ("--tvs-key", "p256", "--address")
    with contextlib.ExitStack() as stack:
        stack.callback(database.remove)
        database.make_empty()
        url = database.setting(tmp_path)
        tvs("init", "--state", pub.path, "--store", url, "--name", NAMES[0], *own, "127.0.0.1")
        words = ("set", "cert", "import", "trust", "Phone-trust", tmp_path / "trusted.der", "--role", "APP-SERVER")
        tvs(*words, "-y", "--state", pub.path)
        start = stack.enter_context(services(tmp_path))
        publisher = start(pub, *PATIENT)
        before = publisher.trust
        async with asking(Storm(publisher), phones=STORM) as storm:
            await asyncio.to_thread(
                tvs, "init", "--state", sub.path, "--join", url, "--name", NAMES[1], *own, "127.0.0.2"
            )
            await asyncio.to_thread(tvs, "utils", "itl", "update", "-y", "--no-wait", "--state", pub.path)
            await until(lambda: reported(pub) == {NAMES[0]: True}, "the publisher serves the new ITL file")
            joined = await asyncio.to_thread(start, sub, *PATIENT)
            with pytest.raises(UntrustedServer):
                await answers(joined, before)
            storm.services.append(joined)
            await storm.more(100)
            await until(lambda: reported(pub) == dict.fromkeys(NAMES[:2], True), "both serve the last generation")
        assert storm.failures == []
        for service in storm.services:
            lost = storm.lost.get(service.endpoint.port, [])
            await until(lambda: turned_away(scrape, service) >= len(lost), "the service counted those")  # noqa: B023 - called at once
            assert turned_away(scrape, service) == len(lost), lost
        for kind in ListKind:
            assert (pub.tftp / kind.file_name).read_bytes() == (sub.tftp / kind.file_name).read_bytes()
        assert await answers(joined, publisher.trust) == await answers(publisher, publisher.trust)
