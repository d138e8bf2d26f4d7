"""The database file: how it is made and opened, and files that are refused."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.stores import SqliteDatabase

if TYPE_CHECKING:
    from certstore.store import CertificateStore


def test_the_file_is_its_owners_alone(path: Path, store: CertificateStore) -> None:
    """The database and the files of SQLite beside it have mode 0600 under every umask."""
    store.set_parameter("a", "b")
    files = sorted(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_file_belongs_to_the_directorys_owner(tmp_path: Path) -> None:
    """A store that the system's administrator makes can be used by the service, whose directory it is."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 12345, 12346)
    owner = tmp_path.stat()
    with closing(open_store(str(tmp_path / "tvs.db"), create=True)) as store:
        store.set_parameter("a", "b")
        files = [path.stat() for path in tmp_path.iterdir()]
    assert [(file.st_uid, file.st_gid) for file in files] == [(owner.st_uid, owner.st_gid)] * 3


def test_creating_through_a_link_to_nothing(tmp_path: Path) -> None:
    """A symbolic link does not make the store elsewhere."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StoreUnavailable, match="there is no database"):
        open_store(str(link), create=True)
    assert not (tmp_path / "elsewhere.db").exists()


def test_creating_without_a_directory(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(StoreUnavailable, match=r"nix/tvs\.db: the database cannot be made: No such file"):
        open_store(str(tmp_path / "nix" / "tvs.db"), create=True)


def test_a_file_that_others_may_write(path: Path, store: CertificateStore) -> None:
    """A file that others may write to is refused: its content decides which servers phones trust."""
    store.close()
    path.chmod(0o666)
    with pytest.raises(StoreUnavailable, match="chmod o-rwx"):
        open_store(str(path))


def test_an_empty_file(path: Path) -> None:
    """The empty file of an interrupted creation is reported, and becomes a store when it is created again."""
    path.touch(0o600)
    with pytest.raises(
        StoreUnavailable, match=r"is empty; restore it from the backup, or, if it is new, make it with: tvs init$"
    ):
        open_store(str(path))
    open_store(str(path), create=True).close()
    open_store(str(path)).close()


def test_a_file_that_a_service_has_lost(path: Path, store: CertificateStore) -> None:
    """A store that stays open, and one that is opened later, say that the file is to be restored, not made anew."""
    with closing(open_store(str(path), lazy=True)) as opened, closing(open_store(str(path), lazy=True)) as later:
        opened.nodes()
        store.close()
        path.unlink()
        for lost, sentence in (
            (opened, "the database file is gone; restore it from the backup"),
            (opened, "there is no database; restore it from the backup"),
            (later, "there is no database; restore it from the backup"),
        ):
            with pytest.raises(StoreUnavailable, match=f"{sentence}$"):
                lost.changed()
        path.touch(0o600)
        for lost in (opened, later):
            with pytest.raises(StoreUnavailable, match=r"the database is empty; restore it from the backup$"):
                lost.changed()


def test_a_foreign_database(path: Path) -> None:
    """Another program's database is refused and left as it is."""
    SqliteDatabase(path).execute("create table t (x)")
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(StoreUnavailable, match="not one of this service"):
            open_store(str(path), create=create)
    assert path.read_bytes() == before


def test_a_newer_schema(path: Path, store: CertificateStore) -> None:
    """A database of a newer version is refused with both numbers."""
    store.close()
    SqliteDatabase(path).execute("pragma user_version = 4")
    with pytest.raises(StoreUnavailable, match=r"has schema 4 and this program knows 3: .* update the program"):
        open_store(str(path))


def test_not_a_database(path: Path) -> None:
    """A file of something else is named as such."""
    path.write_bytes(b"something else, and long enough to be looked at " * 100)
    with pytest.raises(StoreUnavailable, match="not an SQLite database"):
        open_store(str(path))


def test_a_locked_database(path: Path, store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that another program keeps waiting fails with a sentence; reading goes on, and so does writing later."""
    monkeypatch.setattr("certstore.sqlite.database.BUSY_TIMEOUT", 0.05)
    with closing(open_store(str(path))) as impatient, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="another program has held the database"):
            impatient.set_parameter("a", "b")
        assert impatient.parameter("ClusterSecurityMode") == "0"
        other.rollback()
        impatient.set_parameter("a", "b")


_FULL = """
import resource, signal, sys
from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.errors import StoreUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    with store.transaction():
        store.import_certificate(bytes.fromhex(sys.argv[2]), Purpose.CallManager, replace=True)
except StoreUnavailable as error:
    print(error)
"""


def test_a_file_that_cannot_grow(path: Path, store: CertificateStore) -> None:
    """A disk that takes no more is an error with a sentence, and leaves the database as it was."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    limit = Path(f"{path}-wal").stat().st_size
    done = SqliteDatabase(path).run_program(_FULL, certificate(serial=2).hex(), str(limit))
    assert done.returncode == 0
    assert "the disk" in done.stdout
    assert [entry.certificate.der for entry in store.entries()] == [certificate(serial=1)]
    store.import_certificate(certificate(serial=2), Purpose.CallManager, replace=True)


def test_units_that_an_earlier_version_did_not_know(path: Path, store: CertificateStore) -> None:
    """A database without a unit that this version knows gets it when it is opened."""
    store.close()
    SqliteDatabase(path).execute("delete from typecertificateservice where name = 'CallManager-ECDSA'")
    with closing(open_store(str(path))) as opened:
        entry = opened.import_certificate(certificate(), Purpose.CallManager_ECDSA)
        assert opened.entries(own=True) == [entry]


def test_a_database_without_former_lists(path: Path, store: CertificateStore) -> None:
    """One of an earlier program gets the table when it can be written; until then it has none."""
    store.advance(0, who="pub", what="first", lists={"CTLFile.tlv": b"1"})
    store.close()
    database = SqliteDatabase(path)
    database.execute("drop trigger listreplaced", "drop table formerlist", "vacuum")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with closing(open_store(str(path), lazy=True)) as opened:
            assert opened.former_lists() == []
        other.execute("rollback")
    with closing(open_store(str(path))) as opened:
        opened.advance(1, who="pub", what="second", lists={"CTLFile.tlv": None})
        assert [(one.generation, one.data) for one in opened.former_lists()] == [(1, b"1")]
