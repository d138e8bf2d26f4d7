"""An import is in every worker of every service of one database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from proto.messages import TrustStatus
from tests.fixtures.certificates import certificate
from tests.fixtures.processes import connections_of
from tests.fixtures.running import PATIENCE, run_tvs, services
from tests.fixtures.sharing import elsewhere
from tests.fixtures.stores import database, url
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.running import Running
    from tvs.client.connection import TVSClient

    Start = Callable[..., Running]
    Workers = Callable[[Running], list[int]]

__all__ = ["database", "url"]

IMPORTED = [certificate(f"CN=imported {number}", 0x60 + number) for number in range(3)]
PATIENT = (
    *("--workers", "2", "--log-level", "info"),
    *("--request-timeout", "600", "--connection-timeout", "600"),  # phones keep their connections during commands
)
STRANGER = certificate("CN=stranger", 0x70)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts services; they end with the test."""
    with services(tmp_path) as start_service:
        yield start_service


@pytest.fixture
def directories(url: str, tmp_path: Path) -> list[StateDirectory]:
    """Two state directories of one database; the second is a copy, so that its service shows the same certificate."""
    words = ("--name", "cucm-1051-a-pub", "--address", "127.0.0.1", "--store", url)
    done = run_tvs("init", "--state", tmp_path / "first", *words)
    assert done.returncode == 0, done.stderr
    first = StateDirectory(tmp_path / "first")
    return [first, elsewhere(first)]


async def phones(service: Running, workers: Workers, stack: AsyncExitStack) -> dict[int, TVSClient]:
    """A phone with an open connection to each worker, by the worker's process."""
    found: dict[int, TVSClient] = {}
    running = workers(service)
    assert len(set(running) - {0}) == 2
    while set(found) != set(running):
        before = {pid: connections_of(pid, service) for pid in running}
        phone = await stack.enter_async_context(service.client())  # with TLS, so a worker has it
        [taken] = [pid for pid, count in before.items() if connections_of(pid, service) > count]
        found.setdefault(taken, phone)
    return found


async def trusts(phone: TVSClient, der: bytes) -> bool:
    """Whether a phone's worker vouches for a certificate."""
    answer = await phone.verify(device="CP-8861-SEP000000000001", certificate=der)
    return answer.status is TrustStatus.TRUSTED


async def test_an_import_is_in_every_worker_of_every_service(
    directories: list[StateDirectory], start: Start, workers: Workers, tmp_path: Path
) -> None:
    """Imports with the commands of either directory are answered by both workers of both services, others are not."""
    both = [start(state, *PATIENT) for state in directories]
    async with AsyncExitStack() as stack:
        everyone = [phone for service in both for phone in (await phones(service, workers, stack)).values()]
        assert len(everyone) == 4
        for number, der in enumerate(IMPORTED):
            assert [await trusts(phone, der) for phone in everyone] == [False] * 4
            (tmp_path / "one.der").write_bytes(der)
            words = (
                "set",
                "cert",
                "import",
                "trust",
                "Phone-trust",
                tmp_path / "one.der",
                "--role",
                "APP-SERVER",
                "-y",
            )
            done = run_tvs(*words, "--state", directories[number % 2].path)
            assert done.returncode == 0, done.stdout + done.stderr
            for phone in everyone:
                await until_trusted(phone, der)
        assert [await trusts(phone, STRANGER) for phone in everyone] == [False] * 4


async def until_trusted(phone: TVSClient, der: bytes) -> None:
    """Waits until a phone's worker vouches for a certificate."""
    async with asyncio.timeout(PATIENCE):
        while not await trusts(phone, der):  # noqa: ASYNC110 - a phone can only ask again
            await asyncio.sleep(0.05)
