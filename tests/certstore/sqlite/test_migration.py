"""Databases of schemas 1 and 2, opened by this version: migrated in one transaction, whatever happens meanwhile."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.sqlite import database
from certstore.sqlite.tables import SCHEMA_VERSION
from certstore.store import Node
from tests.fixtures.certificates import CAPF, PUBLISHER, PUBLISHER_COLUMN, SUBSCRIBER, certificate, pem
from tests.fixtures.monitored import Events, monitored, until
from tests.fixtures.running import wait_until
from tests.fixtures.stores import SqliteDatabase

if TYPE_CHECKING:
    from certstore.store import CertificateStore

ENTRIES = [
    ("CallManager", "CallManager.pem", b"\x0a\xb1", PUBLISHER),
    ("TVS", "TVS_sub1.pem", b"\x0a\xb2", SUBSCRIBER),
    ("Phone-SAST-trust", "cucm-1051-a-pub.pem", b"\x0a\xb1", PUBLISHER),
    ("Phone-trust", "web.pem", b"\x17", "CN=Acme CA;O=Acme, Inc.;C=US"),
    ("Phone-CTL-trust", "openssl.pem", b"\x19", "CN=openssl;O=Sales;East;emailAddress=a@example.com"),
    ("CAPF-trust", "CAPF-e41e7d87.pem", b"\x0a\xb3", CAPF),
    ("userlicensing-trust", "Ñandú.pem", b"\x18", "CN=Ñandú;OU=a\\b;OU=c"),
]
"""Unit, name, serial number and issuer in CTL text form of each entry of the old database."""


def entries(store: CertificateStore) -> list[tuple[str, str, bytes, str]]:
    """The store's entries in the form of `ENTRIES`."""
    return [(e.unit.value, e.name, e.certificate.serial_number, e.certificate.issuer_name) for e in store.entries()]


def version(old: SqliteDatabase) -> int:
    """The number of the database's schema."""
    [(number,)] = old.execute("pragma user_version")
    return int(number)


def test_everything_is_taken_over(old: SqliteDatabase, path: Path) -> None:
    """Entries, roles, times to live, descriptions, nodes and parameters are those from before."""
    pems = dict(old.execute("select serialnumber, certificate from certificate"))
    with closing(open_store(str(path))) as store:
        assert entries(store) == ENTRIES
        assert store.nodes() == [
            Node(name="pub", address="192.0.2.1", publisher=True),
            Node(name="sub1", address="2001:db8::1", publisher=False),
        ]
        assert (store.parameter("ClusterSecurityMode"), store.parameter("TrustListDigest")) == ("1", "SHA1")
        own = store.entry(Purpose.CallManager, "CallManager")
        assert (own.description, own.node, own.roles, own.chosen_roles) == ("Self-signed", "pub", (0, 2), ())
        trusted = {t.certificate.serial_number: (t.roles, t.time_to_live) for t in store.trusted()}
        certificates = [entry.certificate for entry in store.entries()]
    assert trusted == {
        b"\x0a\xb1": ((0, 2, 3), None),
        b"\x0a\xb2": ((21,), None),
        b"\x0a\xb3": ((), None),
        b"\x17": ((7,), 600),
        b"\x18": ((), None),
        b"\x19": ((7,), None),
    }
    assert {pem(found.der).decode() for found in certificates} == set(pems.values())


def test_spellings(old: SqliteDatabase, path: Path) -> None:
    """Serial numbers become lower case; names get the order of their certificates, reversed, with commas."""
    open_store(str(path)).close()
    rows = old.execute("select serialnumber, issuername, servername, ipv4address from certificate order by pkid")
    assert rows == [
        ("0ab1", PUBLISHER_COLUMN, "pub", "192.0.2.1"),
        ("0ab2", PUBLISHER_COLUMN.replace("a-pub", "a-sub1"), "sub1", ""),
        ("0ab3", PUBLISHER_COLUMN.replace("cucm-1051-a-pub", "CAPF-e41e7d87"), "", ""),
        ("17", "CN=Acme CA,O=Acme\\, Inc.,C=US", "", ""),
        ("18", "CN=Ñandú,OU=c,OU=a\\\\b", "", ""),
        ("19", "emailAddress=a@example.com,O=Sales\\;East,CN=openssl", "", ""),
    ]
    units = old.execute(
        "select t.enum, t.name, m.name from certificateservicecertificatemap m join typecertificateservice t "
        "on t.enum = m.tkcertificateservice order by t.enum"
    )
    assert [(enum, name) for enum, name, _ in units] == [
        *((1, "Phone-trust"), (3, "CallManager"), (10, "CAPF-trust"), (11, "TVS"), (14, "Phone-SAST-trust")),
        *((15, "Phone-CTL-trust"), (16, "userlicensing-trust")),
    ]
    assert old.execute("select servername, tkcertificatedistribution from certificate where servername = 'pub'") == [
        ("pub", 0)
    ]


def test_the_same_tables_as_a_new_database(old: SqliteDatabase, path: Path, tmp_path: Path) -> None:
    """A migrated database has the tables, indexes and triggers of a new one, and passes the database's checks."""
    open_store(str(path)).close()
    new = SqliteDatabase(tmp_path / "new.db")
    new.create().close()
    statement = "select type, name, sql from sqlite_master order by type, name"
    assert old.execute(statement) == new.execute(statement)
    for fixed in ("typecertificateservice", "typetrustrole", "typecertificatedistribution"):
        assert old.execute(f"select * from {fixed}") == new.execute(f"select * from {fixed}")  # noqa: S608 - names above
    assert old.problems() == []
    assert version(old) == SCHEMA_VERSION


def test_numbers_are_not_used_again(old: SqliteDatabase, path: Path) -> None:
    """A new certificate gets a key, and the next change a number, that the old database had not used yet."""
    with closing(open_store(str(path))) as store:
        assert store.change_number() == 24
        assert store.changes_since(23) is None, "a cache of before the migration reads everything"
        store.import_certificate(certificate(serial=99), Purpose.Phone_trust)
        assert [row[0] for row in store.select("select max(pkid) from certificate")[1]] == [8]
        changes = store.changes_since(24)
        assert changes is not None
        assert [trusted.roles for trusted in changes.changed] == [(7,)]


def test_damaged_rows(old: SqliteDatabase, path: Path) -> None:
    """Rows that cannot be decoded stay and are reported; names of other notations are kept; the others migrate."""
    old.execute(
        "update certificate set certificate = 'rubbish' where serialnumber = '17'",
        "update certificate set issuername = cast(x'ff' as text) where serialnumber = '18'",
        "update certificate set issuername = 'cn=other;o=\"Odd' where serialnumber = '19'",
        "insert into certificatetrustrolemap values (77, 0)",
        "insert into certificateservicecertificatemap values (77, 77, 1, 'left over', '', NULL)",
    )
    reported: list[str] = []
    with closing(open_store(str(path))) as store:
        found = list(store.trusted(lambda row: reported.append(row.identity)))
    assert reported == ["17 CN=Acme CA;O=Acme, Inc.;C=US", "18 \\xff"]
    assert {trusted.certificate.serial_number: trusted.certificate.issuer_name for trusted in found} == {
        b"\x0a\xb1": PUBLISHER,
        b"\x0a\xb2": SUBSCRIBER,
        b"\x0a\xb3": CAPF,
        b"\x19": 'cn=other;o="Odd',
    }
    assert old.problems() == []


def test_two_rows_of_one_identity(old: SqliteDatabase, path: Path) -> None:
    """Of two rows whose serial numbers differ in case alone, the first, which the caches have, stays."""
    old.execute(
        "insert into certificate (subjectname, issuername, serialnumber, commonname, notbefore, notafter, certificate) "
        "select subjectname, issuername, lower(serialnumber), 'second', notbefore, notafter, certificate "
        "from certificate where serialnumber = '0AB1'",
        "insert into certificateservicecertificatemap values (77, 8, 1, 'second', '', NULL)",
        "insert into certificatetrustrolemap values (8, 7)",
    )
    with closing(open_store(str(path))) as store:
        assert entries(store) == ENTRIES
    assert old.problems() == []


_KILLED = """
import os, signal, sys
from certstore.opening import open_store
from certstore.sqlite import database
connect, left = database._connect, int(sys.argv[2])
def counted(path, mode, patience):
    connection = connect(path, mode, patience)
    def trace(statement):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    connection.set_trace_callback(trace)
    return connection
database._connect = counted
open_store(sys.argv[1])
"""


def test_a_kill_at_any_statement(old: SqliteDatabase, path: Path, tmp_path: Path) -> None:
    """After a kill the database is whole, of the old or the new schema, and the next program migrates it."""
    versions: list[int] = []
    for step in range(0, 1000, 13):
        copy = SqliteDatabase(tmp_path / f"copy{step}.db")
        shutil.copy(path, copy.path)
        done = copy.run_program(_KILLED, str(step))
        assert done.returncode in (0, -9), done.stderr
        versions.append(version(copy))
        assert copy.problems() == []
        with closing(open_store(copy.url)) as store:
            assert entries(store) == ENTRIES
        if done.returncode == 0:
            break
    assert versions[0] == 1
    assert versions[-1] == SCHEMA_VERSION
    assert versions == sorted(versions)
    assert len(versions) > 6


def test_two_programs_at_once(old: SqliteDatabase, path: Path) -> None:
    """Of programs that open the old database together, one migrates it; all find the new one."""
    found: list[list[tuple[str, str, bytes, str]]] = []

    def program() -> None:
        with closing(open_store(str(path))) as store:
            found.append(entries(store))

    threads = [threading.Thread(target=program) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [ENTRIES] * 4
    assert version(old) == SCHEMA_VERSION


@pytest.mark.parametrize(("kind", "schema"), [("old", 1), ("second", 2)])
def test_an_old_database_that_cannot_be_written(
    request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, schema: int
) -> None:
    """The sentence names both schemas and says what migrates it; the database stays as it is."""
    made: SqliteDatabase = request.getfixturevalue(kind)
    connect = database._connect
    monkeypatch.setattr(database, "_connect", lambda path, _, patience: connect(path, "ro", patience))
    sentence = f"has schema {schema}, this program needs 3, and the file cannot be written"
    with pytest.raises(StoreUnavailable, match=sentence):
        open_store(str(path))
    assert version(made) == schema


def test_a_schema_that_never_was(old: SqliteDatabase, path: Path) -> None:
    """A database without a number is refused and stays as it is."""
    old.execute("pragma user_version = 0")
    with pytest.raises(StoreUnavailable, match="has schema 0, which no version made"):
        open_store(str(path))
    assert old.execute("select count(*) from certificatechange")


def test_a_reader_of_the_old_tables(old: SqliteDatabase, path: Path) -> None:
    """A program of the old version reads the old tables to the end of its transaction.

    Its next look for changes fails: it opens the database anew, and its check of the schema names the newer version.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("begin")
        [(before,)] = reader.execute("select count(*) from certificatechange where number > 0").fetchall()
        open_store(str(path)).close()
        assert reader.execute("select count(*) from certificatechange where number > 0").fetchall() == [(before,)]
        reader.execute("commit")
        with pytest.raises(sqlite3.OperationalError, match="no such table: certificatechange"):
            reader.execute("select count(*) from certificatechange where number > 0")
        assert reader.execute("pragma user_version").fetchall() == [(SCHEMA_VERSION,)]


async def test_a_worker_whose_database_becomes_an_old_one(old: SqliteDatabase, path: Path, tmp_path: Path) -> None:
    """A restored backup of the old schema is migrated by the worker that opens it, while it answers from memory."""
    backup, sides = tmp_path / "backup.db", [Path(f"{path}-wal"), Path(f"{path}-shm")]
    old.execute("pragma wal_checkpoint(truncate)")
    shutil.copy(path, backup)
    with closing(open_store(str(path))) as store:
        store.import_certificate(certificate("CN=new", 99), Purpose.Phone_trust)
        events = Events()
        cache = CertificateDBCache(store, on_event=events)
        cache.load()
        assert cache.lookup(b"\x63", "CN=new") is not None
        async with monitored(cache):
            backup.replace(path)
            for side in sides:
                side.unlink(missing_ok=True)
            await until(lambda: cache.lookup(b"\x63", "CN=new") is None)
            assert len(cache) == 6, "the index was replaced at once, and was never empty"
            assert cache.lookup(b"\x0a\xb1", PUBLISHER) is not None
            await until(lambda: cache.db_up)
    assert version(old) == SCHEMA_VERSION


# -- schema 2, which had no generations --------------------------------------------------------------------------------


def rows(database: SqliteDatabase) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the tables of schema 2, with its columns."""
    names = database.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_stat%'")
    new = {"clustergeneration", "trustlist", "formerlist"}
    columns = {"certificatechangelog": "number, serialnumber, issuername"}
    return {
        name: database.execute(f"select {columns.get(name, '*')} from {name}")  # noqa: S608 - above
        for (name,) in names
        if name not in new
    }


def test_schema_2_gets_generations(second: SqliteDatabase, path: Path, tmp_path: Path) -> None:
    """Every row of schema 2 stays, generations begin at 0 without lists, and the tables are those of a new database."""
    before = rows(second)
    assert sum(map(len, before.values())) > 60
    with closing(open_store(str(path))) as store:
        assert rows(second) == before
        assert entries(store) == ENTRIES
        assert store.entry(Purpose.Phone_CTL_trust, "openssl").chosen_roles == (0, 26)
        assert store.change_number() == 21
        assert store.changes_since(20) is not None, "caches go on where they were"
        assert store.last_change().token == "", "nothing tells which history this change is of"
        assert (store.generation().number, store.lists()) == (0, {})
        assert store.advance(0, who="pub", what="first", lists={"CTLFile.tlv": b"c"}).number == 1
    new = SqliteDatabase(tmp_path / "new.db")
    new.create().close()
    statement = "select type, name, sql from sqlite_master order by type, name"
    assert second.execute(statement) == new.execute(statement)
    assert second.problems() == []
    assert version(second) == SCHEMA_VERSION


def test_a_kill_at_any_statement_of_schema_2(second: SqliteDatabase, path: Path, tmp_path: Path) -> None:
    """After a kill the database has schema 2 or the new one, whole, and the next program migrates it."""
    versions: list[int] = []
    for step in range(100):
        copy = SqliteDatabase(tmp_path / f"copy{step}.db")
        shutil.copy(path, copy.path)
        done = copy.run_program(_KILLED, str(step))
        assert done.returncode in (0, -9), done.stderr
        versions.append(version(copy))
        assert copy.problems() == []
        with closing(open_store(copy.url)) as store:
            assert store.advance(0, who="pub", what="first").number == 1
        if done.returncode == 0:
            break
    assert (versions[0], versions[-1]) == (2, SCHEMA_VERSION)
    assert versions == sorted(versions)
    assert len(versions) > 6


def test_a_program_of_schema_2_goes_on(second: SqliteDatabase, path: Path) -> None:
    """A program of the earlier version that has the database open reads and writes its tables after the migration."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("select count(*) from certificate").fetchall()
        with closing(open_store(str(path))) as store:
            store.import_certificate(certificate(serial=99), Purpose.Phone_trust)
            assert other.execute("select max(number) from certificatechangelog").fetchall() == [
                (store.change_number(),)
            ]
            other.execute("update certificate set timetolive = 5 where serialnumber = '63'")
            assert store.last_change().token, "a trigger gives it, whichever program makes the change"
            other.execute("insert into processconfig values ('OfAnOldProgram', '1')")
            assert store.parameter("OfAnOldProgram") == "1"
    assert second.problems() == []


def test_readers_of_schema_2_during_the_migration(second: SqliteDatabase) -> None:
    """A program of the earlier version that reads all the time finds the same rows before, meanwhile and after."""
    found: list[object] = []
    ended = threading.Event()

    def read_on() -> None:
        with closing(sqlite3.connect(second.path, isolation_level=None, timeout=0.5)) as reader:
            while not ended.is_set():
                for statement in _OF_SCHEMA_2:
                    try:
                        rows_now: object = reader.execute(statement).fetchall()
                    except sqlite3.Error as error:
                        rows_now = error
                    found.append((statement, rows_now))

    expected = [(statement, second.execute(statement)) for statement in _OF_SCHEMA_2]
    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        wait_until(lambda: len(found) > 100, "rows before the migration")
        second.run_program(
            "import sys; from certstore.opening import open_store; open_store(sys.argv[1])"
        ).check_returncode()
        before = len(found)
        wait_until(lambda: len(found) > before + 100, "rows after it")
    finally:
        ended.set()
        thread.join()
    assert version(second) == SCHEMA_VERSION
    assert [one for one in found if one not in expected] == []


_OF_SCHEMA_2 = (
    "select pkid, serialnumber, issuername, der, certificate, timetolive from certificate",
    "select * from certificatetrustrolemap",
    "select coalesce(max(number), 0) from certificatechangelog",
    "select number, serialnumber, issuername from certificatechangelog where number > 5",
    "select paramname, paramvalue from processconfig",
)
"""Statements of a service of that version."""
