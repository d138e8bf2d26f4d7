"""Real services with several processes, and phones that never stop asking."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from certstore.purposes import Purpose
from proto.messages import TrustStatus
from tests.running import PATIENCE, Running, wait_until
from tests.service.conftest import made_state, scrape, serve, state, tvs
from tvs.client.connection import TVSClient
from tvs.client.trust import NoAnswer, ServerTrust
from tvs.identity import KeyType, key_pem, make_key, self_signed
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tvs.config.endpoint import Endpoint
    from tvs.state import StateDirectory

    Scrape = Callable[[Running], dict[str, float]]
    Serve = Callable[..., Running]
    Probe = Callable[[Running, str], tuple[int, dict[str, Any]]]

__all__ = ["Scrape", "Serve", "made_state", "scrape", "serve", "state", "tvs"]


@pytest.fixture
def probe() -> Probe:
    """Asks the admin port for a path: the HTTP status and the JSON document."""

    def ask(service: Running, path: str) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://{service.admin}{path}", timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    return ask


@pytest.fixture
def workers(probe: Probe) -> Callable[[Running], list[int]]:
    """The process ids of the workers that run, by slot; 0 where there is none at the moment."""

    def ask(service: Running) -> list[int]:
        found = probe(service, "/readyz")[1]["workers"]
        return [worker["pid"] if worker["state"] == "running" else 0 for worker in found]

    return ask


def children(process: int) -> list[int]:
    """The child processes of a process."""
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Load:
    """Phones that connect, ask and leave, each again as soon as it has its answer.

    Attributes:
        server: whom they ask.
        trust: which server certificates they take.
        answered: whole conversations.
        failures: why the others did not get their answer.
        shown: server certificates that phones saw, X.509 DER, in the order in which they first appeared.
        ending: set where phones shall finish their conversation and not begin another.
    """

    server: Endpoint
    trust: ServerTrust
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    shown: list[bytes] = field(default_factory=list)
    ending: bool = False

    async def phone(self) -> None:
        """One phone, until the load ends."""
        while not self.ending:
            try:
                await self.ask()
            except NoAnswer as error:
                self.failures.append(str(error))

    async def ask(self) -> None:
        """One conversation."""
        async with TVSClient(self.server, self.trust, timeout=PATIENCE) as phone:
            answer = await phone.query(device="CP-8861-SEP000000000001", subject="CN=a", issuer="CN=a", serial=b"\1")
            assert answer.status is TrustStatus.NOT_TRUSTED
            self.answered += 1
            der = phone.tls.peer_chain[0].public_bytes(Encoding.DER)
            if der not in self.shown:
                self.shown.append(der)

    async def more(self, number: int = 20) -> None:
        """Waits for so many answers more."""
        wanted = self.answered + number
        async with asyncio.timeout(PATIENCE):
            while self.answered < wanted:  # noqa: ASYNC110 - several phones count
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def under_load(service: Running, trust: ServerTrust | None = None, *, phones: int = 6) -> AsyncIterator[Load]:
    """Phones that ask all the time, for the length of a with-block; at its end each finishes its conversation."""
    load = Load(service.endpoint, trust or service.trust)
    tasks = [asyncio.create_task(load.phone()) for _ in range(phones)]
    try:
        await load.more()
        yield load
        await load.more()
    finally:
        load.ending = True
        await asyncio.gather(*tasks)


async def until(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition while the loop goes on."""
    await asyncio.to_thread(wait_until, condition, what)


def rotate(state: StateDirectory) -> bytes:
    """Gives the service a new TVS certificate with a new key, in the store and on disk. Gives its X.509 DER."""
    store = state.store()
    try:
        node = store.nodes()[0]
        key = make_key(KeyType.P256)
        certificate = self_signed(key, f"CN={node.name};OU=New", host=node.name, address=None)
        write_atomically(state.key_file(Purpose.TVS, key.public_key()), key_pem(key), mode=0o600)
        der = certificate.public_bytes(Encoding.DER)
        store.import_certificate(der, Purpose.TVS, node=node.name, replace=True)
    finally:
        store.close()
    return der
