"""The schema of a PostgreSQL database: made, refused, migrated beside programs that serve."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from certstore.devices import Device
from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.postgresql.schema import SCHEMA, Schema, Step
from certstore.postgresql.store import PostgresStore
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.postgres import ADMINISTRATOR
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.postgres import Server
    from tests.fixtures.stores import PostgresDatabase

THIS = SCHEMA.version
EXPANDED = Schema(
    steps=(
        *SCHEMA.steps,
        Step(
            version=THIS + 1,
            usable_from=THIS,
            statements="ALTER TABLE certificate ADD COLUMN seen bigint; CREATE TABLE steps (number integer);"
            "INSERT INTO steps VALUES (2)",
        ),
    )
)
CONTRACTED = Schema(
    steps=(
        *EXPANDED.steps,
        Step(version=THIS + 2, usable_from=THIS + 1, statements="INSERT INTO steps VALUES (3)"),
    ),
)
"""Two made-up versions: one that older programs can use, and one that the oldest cannot."""


def test_made_in_an_empty_database(empty: str) -> None:
    """A database without tables is refused until they are made, which needs no more than its ownership."""
    with pytest.raises(
        StoreUnavailable,
        match=r"is empty; restore it from the backup, or, if it is new, make its tables with: tvs init$",
    ):
        open_store(empty)
    with (
        closing(open_store(empty, lazy=True)) as lost,
        pytest.raises(StoreUnavailable, match=r"the database is empty; restore it from the backup$"),
    ):
        lost.nodes()
    with closing(open_store(empty, create=True)) as store:
        store.import_certificate(certificate(), Purpose.TVS)
    with closing(open_store(empty)) as store:
        assert [entry.name for entry in store.entries()] == ["TVS.pem"]


def test_another_programs_database(database: PostgresDatabase, empty: str) -> None:
    """A database with other tables is refused, and left as it is."""
    with closing(psycopg.connect(empty, autocommit=True)) as connection:
        connection.execute("create table t (x integer)")
        for create in (False, True):
            with pytest.raises(StoreUnavailable, match="not one of this service"):
                open_store(empty, create=create)
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        assert tables == [("t",)]


def test_a_user_without_rights(empty: str, server: Server) -> None:
    """A user who may not make tables is told how it may; in a schema of its own it may."""
    name = empty.rpartition("/")[2]
    server.run(f"alter database {name} owner to {ADMINISTRATOR}")
    with pytest.raises(StoreUnavailable, match=r"may not make tables there; .* CREATE SCHEMA AUTHORIZATION"):
        open_store(empty, create=True)
    server.run("create schema authorization tvs", database=name)
    with closing(open_store(empty, create=True)) as store:
        store.import_certificate(certificate(), Purpose.TVS)
        assert store.select("select count(*) from tvs.certificate")[1] == [(1,)]
    with closing(open_store(empty)) as store:
        assert len(store.entries()) == 1
        assert store.changed() is False


def test_another_encoding(server: Server) -> None:
    """A database that cannot hold every name is refused."""
    with server.database("encoding 'LATIN1' locale 'C'") as url, pytest.raises(StoreUnavailable, match="not UTF8"):
        open_store(url, create=True)


def rows(database: PostgresDatabase) -> list[int]:
    """The steps that were run, each as often as it was."""
    return [number for (number,) in database.execute("select number from steps order by number")]


def test_a_step_that_older_programs_can_use(database: PostgresDatabase, store: CertificateStore) -> None:
    """A newer program brings the tables up to its version while an older one goes on, also with a new connection."""
    stream = store.trusted()
    store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    assert len(list(stream)) == 1
    with closing(PostgresStore(database.url, schema=EXPANDED)) as newer:
        newer.import_certificate(certificate("CN=b", 2), Purpose.Phone_trust)
        assert len(store.entries()) == 2
        store.delete(Purpose.Phone_trust, "b")
        assert len(newer.entries()) == 1
        with closing(open_store(database.url)) as older:
            assert older.changed() is False
            assert older.entries() == newer.entries()
    assert rows(database) == [2]
    assert database.execute("select version, usablefrom from tvsschema") == [(THIS + 1, THIS)]


def test_lists_that_an_older_program_replaces(empty: str) -> None:
    """A database of the first schema gets the table of former lists, which older programs fill, too."""
    with closing(PostgresStore(empty, create=True, schema=Schema())) as older:
        older.advance(0, who="pub", what="first", lists={"CTLFile.tlv": b"1"})
        older.advance(1, who="pub", what="second", lists={"CTLFile.tlv": b"2"})
        with closing(open_store(empty)) as newer:
            assert newer.former_lists() == []
            older.advance(2, who="pub", what="third", lists={"CTLFile.tlv": b"3"})
            assert [(one.generation, one.data) for one in newer.former_lists()] == [(2, b"2")]


def test_phones_that_an_older_program_records(empty: str) -> None:
    """A database without the suites that phones offer gets them; older programs leave them as they are."""
    schema = Schema(steps=SCHEMA.steps[:2])
    with closing(PostgresStore(empty, create=True, schema=schema)) as older:
        older.select("select 1")
        with closing(psycopg.connect(empty, autocommit=True)) as connection:
            _record_as_before(connection, "SEP000000000001", 1)
        with closing(open_store(empty)) as newer:
            with newer.devices().writing() as table:
                assert [device.suites for device in table.all()] == [""]
                table.put([Device("SEP000000000002", suites="0035"), Device("SEP000000000001", suites="002F")])
            with closing(psycopg.connect(empty, autocommit=True)) as connection:
                _record_as_before(connection, "SEP000000000003", 1)
                _record_as_before(connection, "SEP000000000002", 9)
            with newer.devices().reading() as table:
                found = [(device.requests, device.suites) for device in table.all()]
    assert found == [(0, "002F"), (9, "0035"), (1, "")]


def _record_as_before(connection: psycopg.Connection[tuple[object, ...]], name: str, requests: int) -> None:
    """A phone as the version before records it."""
    fields = Device(name, requests=requests)._asdict()
    del fields["suites"]
    columns, values = ", ".join(fields), ", ".join(["%s"] * len(fields))
    connection.execute(
        f"INSERT INTO device ({columns}) VALUES ({values}) "  # noqa: S608 - names of fields
        "ON CONFLICT (name) DO UPDATE SET requests = excluded.requests",
        list(fields.values()),
    )


def test_a_step_that_older_programs_cannot_use(database: PostgresDatabase) -> None:
    """A program that is too old is told which one it takes; one that is new enough goes on."""
    for _ in range(2):
        PostgresStore(database.url, schema=CONTRACTED).close()
    assert rows(database) == [2, 3]
    refusal = f"schema {THIS + 2}, which programs with schema {THIS + 1} or newer .* knows {THIS}: update"
    with pytest.raises(StoreUnavailable, match=refusal):
        open_store(database.url)
    PostgresStore(database.url, schema=EXPANDED).close()
    assert rows(database) == [2, 3]


def test_a_step_that_ends_an_older_program(database: PostgresDatabase, store: CertificateStore) -> None:
    """A program that runs, and is too old from now on, notices it before it reads a change; then it is refused."""
    assert store.changed() is False
    with closing(PostgresStore(database.url, schema=CONTRACTED)) as newer:
        newer.import_certificate(certificate(), Purpose.Phone_trust)
        refusal = f"schema {THIS + 2}, which programs with schema {THIS + 1} or newer"
        with pytest.raises(StoreUnavailable, match=refusal):
            wait_until(store.changed, "the import or the refusal")
        for access in (store.changed, store.entries, store.change_number):
            with pytest.raises(StoreUnavailable, match=refusal):
                access()
        assert len(newer.entries()) == 1


def test_a_new_database_of_a_later_version(empty: str) -> None:
    """A later program makes the tables of its own version at once."""
    with closing(PostgresStore(empty, create=True, schema=CONTRACTED)) as store:
        assert store.select("select version, usablefrom from tvsschema")[1] == [(THIS + 2, THIS + 1)]


def test_a_step_that_fails(database: PostgresDatabase) -> None:
    """A step is done whole or not at all."""
    failing = "CREATE TABLE steps (number integer); SELECT 1/0"
    step = Step(version=THIS + 1, usable_from=THIS + 1, statements=failing)
    with pytest.raises(StoreUnavailable, match="division by zero"):
        PostgresStore(database.url, schema=Schema(steps=(*SCHEMA.steps, step)))
    assert database.execute("select to_regclass('steps') is null, version from tvsschema") == [(True, THIS)]
    open_store(database.url).close()


def test_several_programs_migrate_at_once(database: PostgresDatabase) -> None:
    """Each step is run by one of them."""
    errors: list[BaseException] = []

    def migrate() -> None:
        try:
            PostgresStore(database.url, schema=CONTRACTED).close()
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert rows(database) == [2, 3]


def test_a_migration_waits_for_readers(database: PostgresDatabase, store: CertificateStore) -> None:
    """A long read keeps a migration waiting, but no other reader behind it; the read ends as it began."""
    with store.transaction():
        for serial in range(1, 4):
            store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    stream = store.trusted()
    next(stream)
    with pytest.raises(StoreUnavailable, match="another program has held the database for too long"):
        PostgresStore(database.url, schema=EXPANDED, lazy=True).nodes()
    migrated = threading.Event()

    def migrate() -> None:
        PostgresStore(database.url, schema=EXPANDED).close()
        migrated.set()

    thread = threading.Thread(target=migrate)
    thread.start()
    with closing(open_store(database.url, lazy=True)) as service:
        for _ in range(20):
            assert len(list(service.trusted())) == 3
    assert not migrated.is_set()
    assert len(list(stream)) == 2
    thread.join()
    assert rows(database) == [2]


def test_units_that_an_earlier_version_did_not_know(database: PostgresDatabase, store: CertificateStore) -> None:
    """A database without a unit that this version knows gets it when it is opened."""
    store.close()
    database.execute("delete from typecertificateservice where name = 'CallManager-ECDSA'")
    with closing(open_store(database.url)) as opened:
        entry = opened.import_certificate(certificate(), Purpose.CallManager_ECDSA)
        assert opened.entries(own=True) == [entry]


def test_identity_of_copies(database: PostgresDatabase, server: Server, store: CertificateStore) -> None:
    """A copy of a database is another one, although it was made with the same tables and text."""
    identity = store.identity()
    store.close()
    copy, name = server.new_name(), database.url.rpartition("/")[2]
    server.make(copy, name)
    try:
        with closing(open_store(server.url(copy))) as other:
            assert other.identity() not in (None, identity)
    finally:
        server.drop(copy)


def test_identity_of_a_dump_in_its_place(database: PostgresDatabase, server: Server, store: CertificateStore) -> None:
    """A database that was made anew under the same name is another one."""
    identity, name = store.identity(), database.url.rpartition("/")[2]
    store.close()
    server.drop(name)
    server.make(name)
    with closing(open_store(database.url, create=True)) as other:
        assert other.identity() not in (None, identity)


def test_identity_that_a_server_does_not_tell(
    database: PostgresDatabase, server: Server, store: CertificateStore
) -> None:
    """A server that refuses its identifiers to ordinary users does not keep the database from having an identity."""
    full, name = store.identity(), database.url.rpartition("/")[2]
    server.run(
        "revoke execute on function pg_control_system(), pg_walfile_name(pg_lsn) from public",
        database=name,
    )
    with store.transaction():
        short = store.identity()
        store.set_parameter("a", "b")
    assert full is not None
    assert short is not None
    assert full.endswith(short.removeprefix("//"))
    assert store.parameter("a") == "b"
