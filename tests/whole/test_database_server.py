"""A service whose database server dies, stays away and comes back: phones are answered all the time."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.certificates import certificate
from tests.fixtures.postgres import new_server
from tests.fixtures.processes import Load, asking, children, until
from tests.fixtures.running import run_tvs, services, wait_until
from tests.fixtures.stores import PostgresDatabase
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.postgres import Server
    from tests.fixtures.processes import Probe
    from tests.fixtures.running import Running

    Start = Callable[..., Running]
    Workers = Callable[[Running], list[int]]

INFO = ("--log-level", "info")
BEFORE, LATER = certificate("CN=before", 0x91), certificate("CN=later", 0x92)
UNKNOWN = certificate("CN=unknown", 0x93)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test's own."""
    with new_server() as made:
        yield made


@pytest.fixture
def state(server: Server, tmp_path: Path) -> StateDirectory:
    """A cluster in a database of the server, with one trusted certificate."""
    database = PostgresDatabase(server)
    database.make_empty()
    words = ("--name", "cucm-1051-a-pub", "--address", "127.0.0.1", "--store", database.setting(tmp_path))
    done = run_tvs("init", "--state", tmp_path / "state", *words)
    assert done.returncode == 0, done.stderr
    add(StateDirectory(tmp_path / "state"), BEFORE, tmp_path)
    return StateDirectory(tmp_path / "state")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts services; they end with the test."""
    with services(tmp_path) as start_service:
        yield start_service


def test_a_password_file_that_does_not_exist(state: StateDirectory, tmp_path: Path) -> None:
    """Commands on a state directory and those that make one name the file."""
    missing = tmp_path / "missing"
    url = state.store_name.partition("?")[0] + f"?passfile={missing}"
    new = ("--state", tmp_path / "new", "--name", "sub", "--address", "127.0.0.2")
    for refused in (
        run_tvs("show", "nodes", "--state", state.path, environment={"TVS_STORE": url}),
        run_tvs("init", *new, "--store", url),
        run_tvs("init", *new, "--join", url),
    ):
        assert refused.returncode == 1
        assert refused.stderr.endswith(f"; the file of passfile={missing} in the URL does not exist\n"), refused.stderr
    wrong = tmp_path / "wrong"
    wrong.touch(0o600)
    refused = run_tvs(
        "show", "nodes", "--state", state.path, environment={"TVS_STORE": url.replace("missing", "wrong")}
    )
    assert "does not exist" not in refused.stderr


def add(state: StateDirectory, der: bytes, folder: Path) -> None:
    """Imports a certificate with the command."""
    (folder / "one.der").write_bytes(der)
    words = ("set", "cert", "import", "trust", "Phone-trust", folder / "one.der", "--role", "APP-SERVER", "-y")
    done = run_tvs(*words, "--state", state.path)
    assert done.returncode == 0, done.stdout + done.stderr


class Asking(Load):
    """Phones that ask about both certificates; another answer than the right one is a failure."""

    def __init__(self, service: Running) -> None:
        super().__init__(service.endpoint, service.trust)
        self._service = service

    async def ask(self) -> None:
        """One conversation."""
        assert await self._service.trusts(BEFORE, UNKNOWN) == [True, False]
        self.answered += 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "silent"])
async def test_server_that_dies_or_says_nothing(
    server: Server, state: StateDirectory, start: Start, probe: Probe, tmp_path: Path, number: signal.Signals
) -> None:
    """No answer is wrong or missing meanwhile, the loss is seen, and a change after it is followed."""
    service = start(state, *INFO)
    await until(lambda: probe(service, "/readyz")[1]["db"]["up"], "the database")
    async with asking(Asking(service), phones=3) as phones:
        if number is signal.SIGKILL:
            server.stop(number)
        else:
            stop_all(server, signal.SIGSTOP)
        await until(lambda: not probe(service, "/readyz")[1]["db"]["up"], "the loss")
        assert probe(service, "/readyz")[0] == 200
        await phones.more()
        if number is signal.SIGKILL:
            server.start()
        else:
            stop_all(server, signal.SIGCONT)
        await until(lambda: probe(service, "/readyz")[1]["db"]["up"], "the return")
        await phones.more()
    assert phones.failures == []
    add(state, LATER, tmp_path)
    await until(lambda: probe(service, "/readyz")[1]["db"]["certificates"] == 6, "the later change")
    assert await service.trusts(BEFORE, LATER, UNKNOWN) == [True, True, False]


def stop_all(server: Server, number: signal.Signals) -> None:
    """Sends a signal to every process of the server: to clients it is a machine that says nothing any more."""
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    for process in (pid, *children(pid)):
        os.kill(process, number)


async def test_start_while_the_server_is_away(
    server: Server, state: StateDirectory, start: Start, probe: Probe, workers: Workers, tmp_path: Path
) -> None:
    """The service starts from its last good copy, replaces workers from it, and follows the server that comes back."""
    service = start(state, *INFO)
    wait_until(state.last_good.exists, "the copy")
    assert service.stop() == 0
    server.stop(signal.SIGKILL)
    service = start(state, *INFO)
    service.wait_for_line("db_copy_in_use")
    assert await service.trusts(BEFORE, UNKNOWN) == [True, False]
    (victim,) = workers(service)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: not {0, victim} & set(workers(service)), "a new worker")
    assert await service.trusts(BEFORE, UNKNOWN) == [True, False]
    server.start()
    add(state, LATER, tmp_path)
    await until(lambda: probe(service, "/readyz")[1]["db"]["certificates"] == 6, "the later change")
    assert await service.trusts(BEFORE, LATER, UNKNOWN) == [True, True, False]
    await until(lambda: "copy_age" not in probe(service, "/readyz")[1]["db"], "the copy is forgotten")
