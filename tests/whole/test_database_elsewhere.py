"""A state directory whose settings name its database by URL: made, served, changed and restarted, for each kind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.certificates import certificate
from tests.fixtures.processes import until
from tests.fixtures.running import PATIENCE, run_tvs, services, wait_until
from tests.fixtures.stores import database, url
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.running import Running
    from tests.fixtures.stores import Database

    Start = Callable[..., Running]

__all__ = ["database", "url"]

NEW = ("--name", "cucm-1051-a-pub", "--address", "127.0.0.1")
SUBJECT, SERIAL = "CN=www.example.com", 4711


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts services; they end with the test."""
    with services(tmp_path) as start_service:
        yield start_service


def made(url: str, path: Path) -> StateDirectory:
    """A state directory that `tvs init` made on a database."""
    done = run_tvs("init", "--state", path, *NEW, "--store", url)
    assert done.returncode == 0, done.stderr
    assert f"  database      {url}\n" in done.stdout
    return StateDirectory(path)


async def trusts(service: Running) -> bool:
    """Whether the service trusts the certificate that tests import."""
    async with service.client() as phone:
        found = await phone.query(device="SEP001122334455", subject=SUBJECT, issuer=SUBJECT, serial=SERIAL.to_bytes(2))
    return bool(found.certificates)


async def until_trusted(service: Running) -> None:
    """Waits until the service has the import."""
    until = time.monotonic() + PATIENCE
    while not await trusts(service):
        assert time.monotonic() < until, "the service does not follow its database"
        await asyncio.sleep(0.05)


async def test_the_life_of_a_database_elsewhere(url: str, start: Start, tmp_path: Path) -> None:
    """Made by `init`, served, changed by a command that the running service follows, and served again."""
    state = made(url, tmp_path / "state")
    assert not state.database.exists()
    service = start(state)
    signer = run_tvs("query", "--server", service.endpoint, "--trust", state.itl_file, "--ctl", state.ctl_file)
    assert (signer.returncode, signer.stdout.splitlines()[0]) == (0, "Trusted")
    assert not await trusts(service)
    (tmp_path / "www.der").write_bytes(certificate(SUBJECT, SERIAL))
    words = ("set", "cert", "import", "trust", "Phone-trust", tmp_path / "www.der")
    imported = run_tvs(*words, "--state", state.path, "-y")
    assert imported.returncode == 0, imported.stderr
    await until_trusted(service)
    shown = run_tvs("show", "status", "--state", state.path, "--admin", service.admin)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert service.stop() == 0
    assert await trusts(start(state))
    assert not state.database.exists(), "nothing takes the default for the database"


def test_every_command_opens_it(database: Database, url: str, tmp_path: Path) -> None:
    """Commands that read and change find the cluster in the database; the settings are checked and shown."""
    state = made(url, tmp_path / "state")
    for words in (
        ("show", "cluster"),
        ("show", "nodes"),
        ("show", "cert", "list", "own"),
        ("ctl", "plan"),
        ("run", "sql", "select name from processnode"),
        ("set", "node", "add", "sub1", "--address", "192.0.2.11", "-y"),
        ("set", "cert", "regen", "CAPF", "-y"),
        ("utils", "ctl", "update", "CTLFile", "-y"),
        ("admin", "-c", "show nodes"),
        ("serve", "--check-config"),
    ):
        done = run_tvs(*words, "--state", state.path)
        assert done.returncode == 0, (words, done.stderr)
    with closing(database.open()) as store:
        assert [node.name for node in store.nodes()] == ["cucm-1051-a-pub", "sub1"]
    checked = run_tvs("serve", "--check-config", "--state", state.path)
    assert f"  store                {url}\n" in checked.stdout
    assert not state.database.exists()


def test_the_environment_names_the_database(url: str, start: Start, tmp_path: Path) -> None:
    """TVS_STORE alone does the same for `init`, the service and commands, and wins over the file of settings."""
    path, environment = tmp_path / "state", {"TVS_STORE": url}
    done = run_tvs("init", "--state", path, *NEW, "--json", environment=environment)
    assert json.loads(done.stdout)["database"] == url
    assert StateDirectory(path).store_name == url, "it is in tvs.toml, too"
    (path / "tvs.toml").write_text(f'store = "sqlite://{tmp_path}/none.db"\n')
    assert run_tvs("show", "nodes", "--state", path, environment=environment).returncode == 0
    refused = run_tvs("show", "nodes", "--state", path)
    sentence = f"{tmp_path}/none.db: there is no database; restore it from the backup, or correct store in "
    assert (refused.returncode, refused.stderr) == (1, f"tvs: {sentence}{path}/tvs.toml, or TVS_STORE\n")
    start(StateDirectory(path), environment=environment)
    other = run_tvs(
        "init", "--state", tmp_path / "other", *NEW, "--store", f"sqlite://{tmp_path}/x.db", environment=environment
    )
    assert (other.returncode, "TVS_STORE name two databases" in other.stderr) == (2, True)
    assert not (tmp_path / "other").exists()


async def test_another_database_waits_for_a_restart(
    database: Database, url: str, start: Start, workers: Callable[[Running], list[int]], tmp_path: Path
) -> None:
    """A changed setting is reported by a reload; workers that start before the restart follow the database in use."""
    state = made(url, tmp_path / "state")
    service = start(state)
    (state.path / "tvs.toml").write_text(f'store = "{made_beside(tmp_path)}"\n')
    service.reload()
    service.wait_for_line("restart_needed settings=store")
    service.wait_for_line("info reloaded")
    (before,) = workers(service)
    os.kill(before, signal.SIGKILL)
    await until(lambda: workers(service)[0] not in (0, before), "another worker")
    assert not await trusts(service)
    database.import_elsewhere(certificate(SUBJECT, SERIAL))
    await until_trusted(service)


def made_beside(folder: Path) -> str:
    """The URL of another cluster's database."""
    url = f"sqlite://{folder}/second.db"
    done = run_tvs("init", "--state", folder / "second", *NEW, "--store", url)
    assert done.returncode == 0, done.stderr
    return url


def test_a_password_goes_nowhere(start: Start, tmp_path: Path) -> None:
    """A password in `--store`, TVS_STORE or tvs.toml is refused by every command, and printed by none."""
    url, path = "postgresql://tvs:hunter2@db.invalid/tvs", tmp_path / "state"
    by_option = run_tvs("init", "--state", path, *NEW, "--store", url, "--json")
    by_variable = run_tvs("init", "--state", path, *NEW, environment={"TVS_STORE": url})
    assert run_tvs("init", "--state", path, *NEW).returncode == 0
    service = start(StateDirectory(path))
    (path / "tvs.toml").write_text(f'store = "{url}"\n')
    service.reload()
    service.wait_for_line("reload_refused")
    commands = [("show", "nodes"), ("serve",), ("serve", "--check-config"), ("set", "cert", "regen", "TVS", "-y")]
    results = [by_option, by_variable, *(run_tvs(*words, "--state", path) for words in commands)]
    for done in results:
        assert done.returncode == 2
        assert "has a password in it" in done.stderr
        assert "hunter2" not in done.stdout + done.stderr
    assert not any("hunter2" in line for line in service.lines())
    wait_until(lambda: any("has a password in it" in line for line in service.lines()), "the refusal is logged")
