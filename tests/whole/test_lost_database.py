"""Workers that die while the database cannot be used are replaced from the supervisor's memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.processes import alive, helper_process, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Workers = Callable[[Running], list[int]]

QUIET = ("--workers", "1", "--log-level", "info")
IMPORTED, REMOVED = certificate("CN=imported", 0x51), certificate("CN=removed", 0x52)
LATER = certificate("CN=later", 0x53)


def delete(database: Path) -> None:
    """The database is deleted."""
    database.unlink()


def truncate(database: Path) -> None:
    """The database is empty."""
    os.truncate(database, 0)


def damage(database: Path) -> None:
    """The database is overwritten with something else."""
    database.write_bytes(b"not a database" * 4000)


def emptied(database: Path) -> None:
    """The tables have no rows, as after a restore of the schema alone."""
    with closing(sqlite3.connect(database)) as connection, connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            if not table.startswith(("sqlite_", "type")):  # constants
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of the schema


def directory(database: Path) -> None:
    """A directory stands in the database's place."""
    database.unlink()
    database.mkdir()


def open_to_all(database: Path) -> None:
    """Every user may write to the database."""
    database.chmod(0o666)


FAULTS: dict[Callable[[Path], None], str] = {
    delete: "there is no database; restore it from the backup",
    truncate: "the database is empty; restore it from the backup",
    damage: "not an SQLite database",
    emptied: "its tables have no rows; restore a backup",
    directory: "not a regular file",
    open_to_all: "every user may write",
}
"""Faults, with the words of the problem that each gives."""


def change(state: StateDirectory, *, add: bytes, remove: str | None = None) -> None:
    """Imports a certificate and deletes one, at once: the supervisor reads the change before `/readyz` shows it."""
    with closing(state.store()) as store, store.transaction():
        store.import_certificate(add, Purpose.Phone_SAST_trust)
        if remove is not None:
            store.delete(Purpose.Phone_SAST_trust, remove)


async def replaced(service: Running, workers: Workers) -> None:
    """Kills the only worker, and waits for the one that replaces it."""
    (victim,) = workers(service)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: not {0, victim} & set(workers(service)), "a new worker")


def put_back(state: StateDirectory, saved: Path) -> None:
    """Takes the database's remains away, and restores the backup."""
    for path in state.path.glob("tvs.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    beside = saved.with_name("restored")
    shutil.copytree(saved, beside)
    for path in sorted(beside.iterdir(), reverse=True):  # tvs.db last: what is beside it belongs to it
        path.rename(state.path / path.name)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_worker_dies_while_the_database_cannot_be_used(
    serve: Serve, probe: Probe, workers: Workers, state: StateDirectory, tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    """Its replacement answers with what the dead worker knew; then it follows the database that comes back."""
    with closing(state.store()) as store:
        name = store.import_certificate(REMOVED, Purpose.Phone_SAST_trust).name
    service = serve(*QUIET)
    assert await service.trusts(REMOVED) == [True]
    change(state, add=IMPORTED, remove=name)
    await until(lambda: probe(service, "/readyz")[1]["db"]["generation"] == 2, "both changes")
    saved = tmp_path / "saved"
    saved.mkdir()
    for path in state.path.glob("tvs.db*"):
        shutil.copy2(path, saved)
    fault(state.database)
    await replaced(service, workers)
    assert await service.trusts(IMPORTED, REMOVED) == [True, False]
    await until(lambda: not probe(service, "/readyz")[1]["db"]["up"], "the database is reported")
    status, document = probe(service, "/readyz")
    assert (status, document["reasons"], document["db"]["certificates"]) == (200, [], 5)
    assert FAULTS[fault] in document["db"]["problem"]
    assert not any("tvs init" in line for line in service.lines())
    await refused_reload(service, workers)
    await replaced(service, workers)
    assert await service.trusts(IMPORTED) == [True]
    put_back(state, saved)
    change(state, add=LATER)
    wanted = {"up": True, "certificates": 6}
    await until(lambda: wanted.items() <= probe(service, "/readyz")[1]["db"].items(), "the database that came back")
    assert await service.trusts(LATER) == [True]
    assert service.process.poll() is None


async def refused_reload(service: Running, workers: Workers) -> None:
    """A reload is refused, and the worker stays."""
    before = workers(service)
    service.reload()
    await until(lambda: any("reload_refused" in line for line in service.lines()), "the refusal")
    assert not any(line.endswith("info reloaded") for line in service.lines())
    assert workers(service) == before
    assert alive(before[0])


async def test_a_reload_without_the_database_keeps_what_is_known_of_the_node(
    serve: Serve, probe: Probe, workers: Workers, state: StateDirectory
) -> None:
    """Another follower begins, and the node has the name and the generations that it had before."""

    def node() -> dict[str, object]:
        found = probe(service, "/readyz")[1].get("node", {})
        return {name: found.get(name) for name in ("name", "generation", "cluster_generation")}

    service = serve(*QUIET)
    change(state, add=IMPORTED)
    with closing(state.store()) as store:
        wanted = {
            "name": store.nodes()[0].name,
            "generation": store.generation().number,
            "cluster_generation": store.generation().number,
        }
    await until(lambda: node() == wanted, "the node serves the cluster's generation")
    state.database.rename(state.path / "away.db")
    await until(lambda: "problem" in probe(service, "/readyz")[1]["node"], "the database is missed")
    before = helper_process(service, "follower")
    await refused_reload(service, workers)
    await until(lambda: helper_process(service, "follower") not in (before, 0), "another follower")
    for _ in range(20):
        assert node() == wanted
        await asyncio.sleep(0.1)
    (state.path / "away.db").rename(state.database)
    change(state, add=LATER)
    await until(lambda: "problem" not in probe(service, "/readyz")[1]["node"], "the database that came back")
    await until(lambda: node() == wanted, "the workers have it, too")
