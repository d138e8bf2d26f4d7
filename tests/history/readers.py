"""Readers of a history: phones that ask every node, files that phones fetch, and snapshots of the database."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg

from proto.messages import TrustStatus
from tests.fixtures.running import PATIENCE
from tests.history.administrator import subject_of
from tests.history.events import Observation
from tests.history.registers import CERT, LIST, digest, take_snapshot
from tests.history.site import NAMES
from tvs.client.connection import TVSClient
from tvs.client.trust import NoAnswer, ServerTrust
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from tests.history.events import Snapshot
    from tests.history.site import Site

QUESTIONS = 5
"""Questions of one connection."""
RECENT = 5
"""Changes between the one that phones ask about and the last one, on average."""
PAUSE = 0.2
"""Seconds between two connections to a node, and between two snapshots."""
_PATIENCE = 20.0
_AT_ONCE = 50
"""Questions of one connection at the end: a connection may last for 10 s."""
_DEVICE = "CP-8861-SEP000000000001"
_LISTS = (CTL_NAME, ITL_NAME)


class Readers:
    """Reads all the time in a thread.

    Args:
        site: the cluster.
        serials: returns serial numbers, in hex, that administrators have used, the last one at the end.
        seed: for the choice among them.

    Attributes:
        observations, snapshots: what was seen.
        unanswered: connections without an answer.
    """

    def __init__(self, site: Site, serials: Callable[[], list[str]], seed: str) -> None:
        self._site = site
        self._serials = serials
        self._dice = random.Random(seed)
        self._ending = False
        self.observations: list[Observation] = []
        self.snapshots: list[Snapshot] = []
        self.unanswered = 0
        self._threads = [threading.Thread(target=work) for work in (self._read_nodes, self._read_database)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        for thread in self._threads:
            thread.join()

    # -- nodes

    def _read_nodes(self) -> None:
        asyncio.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._node(name) for name in self._site.states))

    async def _node(self, name: str) -> None:
        while not self._ending:
            try:
                self.observations += [seen async for seen in ask(self._site, name, self._choose())]
            except NoAnswer:
                self.unanswered += 1
            self.observations += read_files(self._site, name)
            await asyncio.sleep(PAUSE)

    def _choose(self) -> list[str]:
        """Serial numbers for one connection: mostly of certificates that were used just now."""
        used = self._serials() or ["100000"]
        ages = (int(self._dice.expovariate(1 / RECENT)) for _ in range(QUESTIONS))
        return [used[max(-1 - age, -len(used))] for age in ages]

    # -- the database

    def _read_database(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while not self._ending:
            try:
                connection = connection or self._site.server.connect(self._site.database)
                self.snapshots.append(take_snapshot(connection))
            except psycopg.Error:
                if connection is not None:
                    connection.close()
                connection = None
            time.sleep(PAUSE)
        if connection is not None:
            connection.close()


async def ask(site: Site, name: str, serials: Iterable[str]) -> AsyncIterator[Observation]:
    """What a node tells a phone about certificates, in one connection; yields observations. Raises `NoAnswer`."""
    server, itl = site.services[name].endpoint, site.states[NAMES[0]].itl_file
    async with TVSClient(server, ServerTrust.from_file(itl), timeout=_PATIENCE) as phone:
        for serial in serials:
            subject = subject_of(int(serial, 16))
            asked = time.monotonic()
            answer = await phone.query(device=_DEVICE, subject=subject, issuer=subject, serial=bytes.fromhex(serial))
            trusted = answer.status is TrustStatus.TRUSTED
            yield Observation(
                node=name,
                source="phones",
                register=CERT + serial,
                value=" ".join(map(str, answer.roles)) if trusted else None,
                asked=asked,
                answered=time.monotonic(),
            )


def read_files(site: Site, name: str) -> list[Observation]:
    """What phones fetch from a node."""
    found = []
    for file in _LISTS:
        asked = time.monotonic()
        value = digest((site.states[name].tftp / file).read_bytes())
        seen = Observation(
            node=name, source=file, register=LIST + file, value=value, asked=asked, answered=time.monotonic()
        )
        found.append(seen)
    return found


def read_end(site: Site, serials: Sequence[str]) -> dict[str, Mapping[str, str | None]]:
    """All registers that each node shows."""

    async def answers(name: str) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for start in range(0, len(serials), _AT_ONCE):
            found |= await surely(name, serials[start : start + _AT_ONCE])
        return found

    async def surely(name: str, some: Sequence[str]) -> dict[str, str | None]:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return {seen.register: seen.value async for seen in ask(site, name, some)}
            except NoAnswer:  # the machine is busy
                if time.monotonic() > until:
                    raise

    ends: dict[str, Mapping[str, str | None]] = {}
    for name in site.states:
        files = {seen.register: seen.value for seen in read_files(site, name)}
        ends[name] = {**asyncio.run(answers(name)), **files}
    return ends
