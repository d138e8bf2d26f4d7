"""The file of nodes' reports: its place and mode, and what happens when it is damaged, or another file."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreUnavailable
from certstore.generations import NodeReport
from certstore.opening import open_store
from tests.fixtures.stores import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore


@pytest.fixture
def file(path: Path) -> Path:
    """Path of the file of reports."""
    return path.with_name("tvs-nodes.db")


def report(counter: int = 1) -> NodeReport:
    """A report of a node."""
    return NodeReport(node="pub", generation=1, staleness=0.5, counter=counter)


def test_a_file_of_its_own(store: CertificateStore, path: Path, file: Path) -> None:
    """Reports are in a file beside the database, for its owner alone, and no byte of the database changes."""
    store.change_number()
    before = {side: (path.parent / f"tvs.db{side}").read_bytes() for side in ("", "-wal")}
    assert store.reports() == []
    store.forget("pub")
    assert not file.exists(), "reading and forgetting make no file"
    for counter in range(5):
        store.report(report(counter))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {side: (path.parent / f"tvs.db{side}").read_bytes() for side in ("", "-wal")} == before
    assert sorted(one.name for one in path.parent.glob("tvs-nodes*")) == ["tvs-nodes.db", "tvs-nodes.db-journal"]


@pytest.mark.parametrize("damage", ["rubbish", "cut", "zeros", "empty", "foreign", "later", "missing"])
def test_damage(store: CertificateStore, file: Path, damage: str) -> None:
    """A file that is missing, damaged or another program's has no reports; the next report makes it anew."""
    for counter in range(3):
        store.report(report(counter))
    whole = file.read_bytes()
    match damage:
        case "rubbish":
            file.write_bytes(b"rubbish" * 1000)
        case "cut":
            file.write_bytes(whole[: len(whole) // 2])
        case "zeros":
            file.write_bytes(whole[:100] + bytes(len(whole) - 100))
        case "empty":
            file.write_bytes(b"")
        case "missing":
            file.unlink()
        case "later":
            _execute(file, "pragma user_version = 9")
        case "foreign":
            file.unlink()
            _execute(file, "create table other (x)")
    assert store.reports() == []
    store.forget("pub")
    store.report(report(7))
    assert store.reports() == [report(7)]


def _execute(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_row_of_another_program(store: CertificateStore, file: Path) -> None:
    """A row with values that no report has is left out; the other reports are read."""
    store.report(report())
    for values in ("'sub1', 1, -1, 1, ''", "'sub2', 'x', 1, 1, ''", "x'ff', 1, 1, 1, ''", "'sub3', 1, 1, 1, x'00'"):
        columns = "node, generation, staleness, counter, problem"
        _execute(file, f"insert into nodereport ({columns}) values ({values})")  # noqa: S608 - the texts above
    assert store.reports() == [report()]


def test_text_that_is_not_utf8(store: CertificateStore, file: Path) -> None:
    """A damaged text is read as far as it goes, hides no other report, and the node's next report replaces it."""
    other = NodeReport(node="sub1", generation=1, staleness=0.5, counter=1)
    store.report(report())
    store.report(other)
    _execute(file, "update nodereport set problem = cast(x'ff78' as text) where node = 'pub'")
    assert store.reports() == [NodeReport(node="pub", generation=1, staleness=0.5, counter=1, problem=r"\xffx"), other]
    _execute(file, "update nodereport set node = cast(x'ff' as text) where node = 'sub1'")
    store.report(report(2))
    assert report(2) in store.reports()


def test_a_file_that_is_none(store: CertificateStore, file: Path) -> None:
    """A directory or FIFO in its place is left alone, and named; the certificates can be read."""
    for make in (os.mkdir, os.mkfifo):
        make(file)
        for use in (store.reports, lambda: store.report(report()), lambda: store.forget("pub")):
            with pytest.raises(StoreUnavailable, match=r"tvs-nodes\.db: not a regular file"):
                use()
        assert store.entries() == []
        file.rmdir() if make is os.mkdir else file.unlink()


def test_a_file_that_others_can_write(store: CertificateStore, file: Path) -> None:
    """A file that every user may write is refused, as the database is."""
    store.report(report())
    file.chmod(0o666)
    with pytest.raises(StoreUnavailable, match="every user may write"):
        store.reports()


def test_another_program_holds_it(store: CertificateStore, path: Path, file: Path) -> None:
    """While another program holds the file, a report fails with a sentence, and the file stays."""
    store.report(report())
    with closing(open_store(str(path), lazy=True)) as lazy, closing(sqlite3.connect(file)) as other:
        other.execute("begin exclusive")
        with pytest.raises(StoreUnavailable, match="the nodes' reports cannot be used: database is locked"):
            lazy.report(report(2))
    assert store.reports() == [report()]


_KILLED = """
import os, signal, sys
from certstore.generations import NodeReport
from certstore.opening import open_store
store = open_store(sys.argv[1])
left = int(sys.argv[2])
def hook(event, arguments):
    global left
    if event in ("open", "sqlite3.connect", "os.remove", "sqlite3.connect/handle") and "tvs-nodes" in str(arguments[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
store.report(NodeReport(node="pub", generation=1, staleness=0.5, counter=1))
"""


@pytest.mark.parametrize("damaged", [False, True])
def test_a_kill_at_any_step(store: CertificateStore, path: Path, file: Path, damaged: bool) -> None:
    """A program that is killed while it reports leaves a file that the next report can use or make anew."""
    for step in range(20):
        file.unlink(missing_ok=True)
        if damaged:
            file.write_bytes(b"rubbish" * 1000)
        done = subprocess.run([sys.executable, "-c", _KILLED, str(path), str(step)], check=False, cwd=ROOT)
        store.report(report(step))
        assert store.reports() == [report(step)]
        if done.returncode == 0:
            break
        assert done.returncode == -9
    assert step >= 2
