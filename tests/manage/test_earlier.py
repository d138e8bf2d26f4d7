"""`tvs init` run again after a kill, after Ctrl-C, or with another database: keys that may be in use are not lost."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from certstore.opening import open_store
from certstore.sqlite.database import SqliteDatabase
from tests.fixtures.administrator import Administrator, command
from tests.fixtures.generations import check_settled
from tests.fixtures.stores import ROOT
from tests.manage.test_joining import _KILLED
from tvs.manage.earlier import JOINING
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.joined import Nodes


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command that makes a cluster in a database elsewhere."""
    return ["init", "--store", f"sqlite://{tmp_path}/cluster.db", "--state", str(tmp_path / "new"), "--name", "pub"]


def keys(path: Path) -> dict[str, bytes]:
    """The private keys of a state directory."""
    return {key.name: key.read_bytes() for key in (path / "keys").iterdir()}


@pytest.mark.parametrize("existing", [False, True], ids=["new", "empty"])
@pytest.mark.parametrize(("event", "name"), [("os.rename", "keys"), ("placed", ""), ("os.remove", JOINING)])
def test_a_kill(tmp_path: Path, words: list[str], event: str, name: str, *, existing: bool) -> None:
    """The next try makes the cluster anew, or completes the one that the database has, with the same keys."""
    path = tmp_path / "new"
    if existing:
        path.mkdir()
    elif event == "os.rename":
        name = "new"  # the whole directory at once
    program = [sys.executable, "-c", _KILLED, event, name, *words]
    killed = subprocess.run(program, cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = keys(path) if event == "os.remove" else {}
    again = command(*words)
    assert again.status == 0, again.err
    assert (keys(path) == before) is (event == "os.remove"), "of the mark, after the commit"
    assert {one.name for one in path.iterdir()} == {"keys", "tftp", "cluster.json", "tvs.toml"}
    Administrator(StateDirectory(path)).does("set", "cert", "regen", "TVS", "-y")
    check_settled(StateDirectory(path))


@pytest.mark.parametrize("kind", ["cluster", "node"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_at_the_commit(
    nodes: Nodes, tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, when: str, kind: str
) -> None:
    """The directory stays with its keys, a sentence says what to do, and the next try finds out."""
    if kind == "node":
        words = ["init", "--join", nodes.url, *words[3:5], "--name", "sub3", "--address", "127.0.0.4"]
    path, real = tmp_path / "new", SqliteDatabase._commit

    def stopped(self: SqliteDatabase, connection: Any) -> None:
        placed = (path / JOINING).exists()
        if when == "after" or not placed:
            real(self, connection)
        if placed:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDatabase, "_commit", stopped)
        done = command(*words)
    assert done.status == 130
    assert "interrupted at the commit; the same command again finds out whether" in done.err
    before = keys(path)
    again = command(*words)
    assert again.status == 0, again.err
    assert (keys(path) == before) is (when == "after")
    assert Administrator(StateDirectory(path)).situation().this_node.name == ("sub3" if kind == "node" else "pub")


def test_another_database(nodes: Nodes, tmp_path: Path) -> None:
    """What was begun for one database is not removed by a command with another one, which cannot know the keys."""
    path = nodes.sub1.state.path
    (path / JOINING).touch()
    before = keys(path)
    refused = command("init", "--store", f"sqlite://{tmp_path}/other.db", "--state", path, "--name", "sub1")
    assert refused.status == 1
    assert "was begun with another database, or another URL of it" in refused.err
    assert keys(path) == before


def test_a_row_that_cannot_be_read(nodes: Nodes) -> None:
    """It may be that of the directory's own certificate: nothing is removed."""
    path = nodes.sub1.state.path
    (path / JOINING).touch()
    before = keys(path)
    with closing(open_store(nodes.url)) as store:
        name = "TVS_sub1.pem"
        assert any(entry.name == name for entry in store.entries(own=True))
    with closing(sqlite3.connect(nodes.url.removeprefix("sqlite://"))) as connection, connection:
        connection.execute(
            "UPDATE certificate SET timetolive = -1 WHERE pkid = "
            "(SELECT fkcertificate FROM certificateservicecertificatemap WHERE name = ?)",
            (name,),
        )
    refused = command("init", "--join", nodes.url, "--state", path, "--name", "sub1")
    assert refused.status == 1
    assert "has TVS certificates that cannot be read, and one may be that of" in refused.err
    assert keys(path) == before
