"""A rollover of TVS in a cluster of real services: they follow without a restart, and phones ask at each stage."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from proto.messages import TrustStatus
from tests.fixtures.joined import make_nodes
from tests.fixtures.running import PATIENCE, services
from tests.fixtures.stores import database, url
from tvs.client.connection import TVSClient
from tvs.client.trust import NoAnswer, ServerTrust
from tvs.identity import load_private_key
from tvs.process.presenting import NOT_PRESENTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.joined import Nodes
    from tests.fixtures.running import Running

__all__ = ["database", "url"]

DEVICE = "CP-8861-SEP000000000001"
INFO = (
    *("--log-level", "info", "--workers", "2"),
    *("--request-timeout", "600", "--connection-timeout", "600"),  # a phone keeps its connection during commands
)
NEXT = ("rollover", "TVS", "--next", "--held", "current")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """A function that starts services; they end with the test."""
    with services(tmp_path) as start_service:
        yield start_service


@pytest.fixture
def nodes(url: str, tmp_path: Path) -> Nodes:
    """A cluster of three nodes in a database of each kind."""
    return make_nodes(tmp_path, url)


class Phone:
    """A phone with the ITL file that the cluster had when it last booted."""

    def __init__(self, admin: Administrator, folder: Path, name: str) -> None:
        self._admin, self._itl = admin, folder / f"{name}.tlv"
        self.boots()

    def boots(self) -> None:
        """Fetches the ITL file."""
        shutil.copyfile(self._admin.state.itl_file, self._itl)

    async def asks(self, *asked: Running) -> bool:
        """Whether it gets answers from all of these TVS servers, whose certificates its ITL must have."""
        certificate = self._admin.situation().require(Purpose.ITLRecovery)
        with suppress(NoAnswer):
            for service in asked:
                client = TVSClient(service.endpoint, ServerTrust.from_file(self._itl), timeout=PATIENCE)
                async with client as connection:
                    answer = await connection.verify(device=DEVICE, certificate=certificate)
                assert answer.status is TrustStatus.TRUSTED
            return True
        return False


async def does(admin: Administrator, *words: object) -> None:
    """Runs a change without a wait for the nodes: a busy machine is no reason to fail."""
    await asyncio.to_thread(admin.does, *words, "--no-wait")


async def until(condition: Callable[[], bool]) -> None:
    """Waits until a condition is true."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - other processes fulfil it
            await asyncio.sleep(0.05)


def in_use(admin: Administrator, nodes: int) -> bool:
    """Whether so many nodes report the current generation."""
    with admin.store() as store:
        current = store.generation().number
        return [report.generation for report in store.reports()] == [current] * nodes


def behind(admin: Administrator) -> str:
    """The problem that the only node with a service reports for an earlier generation; empty without one."""
    with admin.store() as store:
        current = store.generation().number
        (report,) = store.reports()
    return report.problem if report.generation < current else ""


async def test_every_service_follows(nodes: Nodes, start: Callable[..., Running], tmp_path: Path) -> None:
    """Phones that boot at each stage, or slept from the announcement on, are answered by both nodes at each stage."""
    pub, sub = nodes.publisher, nodes.sub1
    both = (start(pub.state, *INFO), start(sub.state, *INFO))
    phone = Phone(pub, tmp_path, "phone")
    assert await phone.asks(*both)
    await does(sub, "rollover", "TVS")
    await does(pub, "rollover", "TVS")
    sleeper = Phone(pub, tmp_path, "sleeper")
    phone.boots()
    await until(lambda: in_use(pub, 2))
    assert await phone.asks(*both)
    async with both[0].client() as connected:  # it keeps its connection
        for words in (NEXT, ("rollover", "TVS", "--abort"), NEXT):
            before = pub.situation().tvs_certificates
            await does(pub, *words)
            await until(lambda: in_use(pub, 2))
            assert pub.situation().tvs_certificates & before == {pub.situation().require(Purpose.TVS, "sub2")}
            for one in (phone, sleeper):
                assert await one.asks(*both)
        only_new = Phone(pub, tmp_path, "new")
        await does(pub, *NEXT)
        await until(lambda: in_use(pub, 2))
        for one in (phone, sleeper, only_new):
            one.boots()
            assert await one.asks(*both)
        certificate = pub.situation().require(Purpose.ITLRecovery)
        answer = await connected.verify(device=DEVICE, certificate=certificate)
        assert answer.status is TrustStatus.TRUSTED
    for service in both:
        followed = [line for line in service.lines() if "certificate_followed" in line]
        assert len(followed) == 3
        assert not [line for line in service.lines() if "worker_" in line or "| error" in line or " reloaded" in line]


async def test_a_node_that_cannot_follow(nodes: Nodes, start: Callable[..., Running], tmp_path: Path) -> None:
    """A node whose next key is damaged goes on with the old certificate, does not confirm the stage, and says why.

    Phones that know both certificates are answered by it all the same. A node that was off follows at its start.
    """
    pub, sub = nodes.publisher, nodes.sub1
    service = start(sub.state, *INFO)
    await does(sub, "rollover", "TVS")
    await does(pub, "rollover", "TVS")
    phone = Phone(pub, tmp_path, "phone")
    following = pub.situation().rolled[pub.situation().require(Purpose.TVS, "sub1")]
    (key,) = [one for one in sub.state.keys.glob("TVS-*.key") if not _is_of(pub, sub, one)]
    good = key.read_bytes()
    key.write_bytes(b"damaged")
    await until(lambda: in_use(pub, 1))
    await does(pub, *NEXT)
    assert pub.situation().require(Purpose.TVS, "sub1") == following
    await until(lambda: any("certificate_not_followed" in line for line in service.lines()))
    await until(lambda: behind(pub) == NOT_PRESENTED)
    assert await phone.asks(service)
    key.write_bytes(good)
    await until(lambda: in_use(pub, 1))
    late = start(pub.state, *INFO)
    assert await phone.asks(service, late)


def _is_of(pub: Administrator, sub: Administrator, key: Path) -> bool:
    """Whether a key is that of the subscriber's certificate in use."""
    present = pub.situation().require(Purpose.TVS, "sub1")
    return sub.state.private_key(Purpose.TVS, present).public_key() == load_private_key(key).public_key()
