"""Changes by others: notifications, notifications that are lost, poolers that swallow them."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from certstore.cache import CertificateDBCache
from certstore.errors import StoreError, StoreUnavailable
from certstore.opening import open_store
from certstore.postgresql import listening
from certstore.purposes import Purpose
from tests.fixtures.certificates import PUBLISHER, certificate
from tests.fixtures.monitored import monitored, until
from tests.fixtures.pooler import pooler
from tests.fixtures.relay import relay_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.postgres import Server
    from tests.fixtures.stores import PostgresDatabase

NEVER = 3600.0
_LISTENERS = """
    select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}' and query like 'SELECT lastchange(), %'
"""
_UPDATE = """
import psycopg, sys
with psycopg.connect(sys.argv[1]) as connection:
    connection.execute("update certificate set timetolive = 5")
"""


def stays_unchanged(store: CertificateStore) -> bool:
    """Whether no poll of half a second finds a change: notifications arrive in a moment, but not at once."""
    wait = threading.Event()
    return not any(store.changed() or wait.wait(0.01) for _ in range(50))


async def test_a_notification(
    database: PostgresDatabase, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit of another process is noticed by its notification alone, once."""
    monkeypatch.setattr(listening, "HEARTBEAT", NEVER)
    await asyncio.to_thread(database.import_elsewhere, certificate(serial=7))
    assert store.changed() is True, "compared with when it was opened"
    await asyncio.to_thread(database.run_program, _UPDATE)
    await until(store.changed)
    assert store.changed() is False


async def test_a_restore_under_way(server: Server, database: PostgresDatabase, store: CertificateStore) -> None:
    """Tables that are restored while a service runs are not read before they are whole: none is left without roles."""
    store.import_certificate(certificate(serial=7), Purpose.Phone_trust)
    with closing(open_store(database.url, lazy=True)) as lazy:
        cache = CertificateDBCache(lazy)
        cache.load()
        name = database.url.rpartition("/")[2]
        database.execute("create table saved as select * from tvsschema")
        async with monitored(cache):
            await until(lambda: lazy.known_at() > 0)
            untold = "set session_replication_role = replica"
            server.run(
                untold,
                "delete from certificatetrustrolemap",
                "delete from tvsschema",
                _LISTENERS.format(name),
                database=name,
            )
            await until(lambda: "the tables are incomplete: a backup is being restored" in cache.problem)
            for use in (lazy.identity, lambda: open_store(database.url)):
                with pytest.raises(StoreUnavailable, match=f"{name}: the tables are incomplete"):
                    use()
            assert [entry.roles for entry in cache.index] == [(7,)]
            server.run(
                untold,
                "insert into certificatetrustrolemap select pkid, 7 from certificate",
                "insert into tvsschema select * from saved",
                database=name,
            )
            await until(lambda: cache.db_up)
            assert [entry.roles for entry in cache.index] == [(7,)]
            server.run(untold, "delete from certificatechangefloor", "delete from certificatechangelog", database=name)
            await until(lambda: not cache.db_up)
            with pytest.raises(StoreUnavailable, match="the tables are incomplete"):
                store.change_number()


async def test_a_parallel_restore(server: Server, tmp_path: Path) -> None:
    """Its tables are filled in any order: none is read before all are, whatever is there already."""
    with server.database() as url:
        name, dump = url.rpartition("/")[2], tmp_path / "dump"
        with closing(open_store(url, create=True)) as store:
            store.import_certificate(certificate(serial=7), Purpose.Phone_trust, roles=[7])
        server.program("pg_dump", "--format=custom", f"--file={dump}", name)

        def restore(section: str, *tables: str) -> None:
            only = [f"--table={table}" for table in tables]
            server.program("pg_restore", f"--dbname={name}", f"--section={section}", *only, str(dump))

        with closing(open_store(url, lazy=True)) as lazy:
            cache = CertificateDBCache(lazy)
            cache.load()
            async with monitored(cache):
                await until(lambda: lazy.known_at() > 0)
                server.drop(name)
                server.make(name)
                restore("pre-data")
                first = ("tvsschema", "certificatechangefloor", "certificatechangelog", "certificate", "typetrustrole")
                restore("data", *first)
                await until(lambda: "the tables are incomplete: a backup is being restored" in cache.problem)
                with pytest.raises(StoreUnavailable, match=f"{name}: the tables are incomplete"):
                    open_store(url)
                reads: tuple[Callable[[], object], ...] = (lazy.change_number, lambda: list(lazy.trusted()))
                for read in reads:
                    with pytest.raises(StoreUnavailable, match="the tables are incomplete"):
                        read()
                rest = server.run("select tablename from pg_tables where schemaname = 'public'", database=name)
                restore("data", *(table for (table,) in rest if table not in first))
                assert [entry.roles for entry in cache.index] == [(7,)]
                restore("post-data")
                await until(lambda: cache.db_up)
                assert [entry.roles for entry in cache.index] == [(7,)]


async def test_other_tables(
    database: PostgresDatabase, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that is about nodes or parameters is noticed too, although it has no change number."""
    monkeypatch.setattr(listening, "HEARTBEAT", NEVER)
    assert store.changed() is False
    database.execute("insert into processconfig values ('a', 'b')")
    await until(store.changed)
    assert store.change_number() == 0


def test_own_commits_are_told_once(store: CertificateStore) -> None:
    """The notification of a commit of this store does not make it a second change."""
    assert store.changed() is False
    wait = threading.Event()
    for number in range(20):
        store.set_parameter("a", str(number))
        assert store.changed() is True
        wait.wait(0.02)
        assert store.changed() is False
    store.import_certificate(certificate(), Purpose.TVS)
    assert store.changed() is True
    assert stays_unchanged(store)


def test_own_commits_on_a_new_connection(
    database: PostgresDatabase, server: Server, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store whose session was ended knows its own commits on the next one, too."""
    monkeypatch.setattr(listening, "HEARTBEAT", NEVER)
    assert store.changed() is False
    name = database.url.rpartition("/")[2]
    ended = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and query like '%pg_notify%'"
    with server.connect() as administrator:
        administrator.cursor_factory = psycopg.RawCursor
        administrator.execute(ended, [name])
    with pytest.raises(StoreUnavailable):
        store.parameter("a")
    store.set_parameter("a", "b")
    assert store.changed() is True
    assert stays_unchanged(store)


async def test_a_notification_that_is_lost(database: PostgresDatabase, store: CertificateStore) -> None:
    """A change without a notification is found by its number, and named like any other."""
    database.execute(
        "alter table certificatechangelog disable trigger lognotify",
        "alter table certificateservicecertificatemap disable trigger changed",
    )
    cache = CertificateDBCache(store)
    cache.load()
    async with monitored(cache):
        await asyncio.to_thread(database.import_elsewhere, certificate(serial=9))
        await until(lambda: cache.lookup(b"\x09", PUBLISHER) is not None)
        database.execute("delete from certificate")
        await until(lambda: len(cache) == 0)
    assert cache.reconnects == 0


def test_the_bound_that_is_promised() -> None:
    """A lost notification costs a second and a poll: 2 s at most, as the documentation says."""
    assert listening.HEARTBEAT + 2 * 0.25 < 2.0


def test_the_silence_that_is_noticed() -> None:
    """A server or link that is dead is noticed in less than 5 s, as the documentation says."""
    assert listening.HEARTBEAT + listening.ANSWER + 0.25 < 5.0


def test_a_poll_does_not_wait(database: PostgresDatabase, server: Server) -> None:
    """While the server is silent, polls say that nothing changed and do not wait; then the connection is given up."""
    with relay_to(server.port) as relay, closing(open_store(_through(relay.port, database), lazy=True)) as store:
        assert store.changed() is True, "the first poll of a lazy store"
        relay.hold()
        polls: list[bool] = []
        with pytest.raises(StoreUnavailable, match=r"has not answered for 3.5 s") as raised:
            polls.extend(iter(store.changed, True))
        assert len(polls) > 1000
        assert set(polls) == {False}
        assert "p@ss" not in str(raised.value)
        relay.release()
        assert store.changed() is True, "everything is compared after a connection"
        assert store.changed() is False


def _through(port: int, database: PostgresDatabase) -> str:
    head, _, tail = database.url.rpartition(":")
    return f"{head}:{port}/{tail.partition('/')[2]}"


def test_a_server_that_is_silent_to_a_statement(database: PostgresDatabase, server: Server) -> None:
    """A lazy store gives a statement up that is not answered, and a new connection works again."""
    with relay_to(server.port) as relay, closing(open_store(_through(relay.port, database), lazy=True)) as store:
        assert store.change_number() == 0
        relay.hold()
        with pytest.raises(StoreUnavailable, match="the connection to the server was lost"):
            store.change_number()
        relay.release()
        assert store.change_number() == 0


def test_a_pooler_that_swallows_notifications(
    database: PostgresDatabase, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pooler that gives sessions away is found at each poll; the sentence names the way out."""
    monkeypatch.setattr(listening, "GREETING", 0.5)
    with (
        pooler(server, "transaction") as port,
        closing(open_store(_through(port, database), lazy=True)) as store,
    ):
        for _ in range(2):
            with pytest.raises(
                StoreError, match=r"notifications do not arrive: a connection pooler .* session pooling"
            ):
                store.changed()


async def test_a_pooler_that_keeps_sessions(database: PostgresDatabase, server: Server) -> None:
    """Session pooling works: notifications arrive."""
    with pooler(server, "session") as port, closing(open_store(_through(port, database))) as store:
        assert store.changed() is False
        await asyncio.to_thread(database.import_elsewhere, certificate())
        await until(store.changed)
        assert [entry.name for entry in store.entries()] == ["cucm-1051-a-pub.pem"]


async def test_a_session_that_is_ended(database: PostgresDatabase, server: Server, store: CertificateStore) -> None:
    """After all sessions were ended, each kind of access fails at most once, and changes meanwhile are found."""
    cache = CertificateDBCache(store)
    cache.load()
    async with monitored(cache):
        await asyncio.to_thread(end_sessions, server, database)
        await asyncio.to_thread(database.import_elsewhere, certificate(serial=5))
        await until(lambda: cache.lookup(b"\x05", PUBLISHER) is not None)
        await until(lambda: cache.db_up)


def end_sessions(server: Server, database: PostgresDatabase) -> None:
    """Ends all sessions of a database."""
    name = database.url.rpartition("/")[2]
    server.run(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")  # noqa: S608 - ours


def test_statements_after_a_session_was_ended(
    database: PostgresDatabase, server: Server, store: CertificateStore
) -> None:
    """The error says what happened; the next access has a new connection. A transaction is lost as a whole."""
    store.parameter("a")
    end_sessions(server, database)
    with pytest.raises(StoreUnavailable, match="the server was stopped, or an administrator ended the connection"):
        store.parameter("a")
    assert store.parameter("a") is None
    with pytest.raises(StoreUnavailable), store.transaction():  # noqa: PT012 - the block is what is tested
        store.set_parameter("a", "1")
        end_sessions(server, database)
        store.set_parameter("b", "2")
    assert (store.parameter("a"), store.parameter("b")) == (None, None)
    store.set_parameter("a", "3")
    assert store.parameter("a") == "3"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
async def test_a_server_that_is_stopped(own_server: Server, how: signal.Signals) -> None:
    """Memory answers while it is away; with it come the changes that other programs made meanwhile."""
    with own_server.database() as url, closing(open_store(url, create=True)) as store:
        store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
        cache = CertificateDBCache(store)
        cache.load()
        async with monitored(cache):
            await asyncio.to_thread(own_server.stop, how)
            await until(lambda: not cache.db_up)
            assert cache.lookup(b"\1", "CN=a") is not None
            own_server.start()
            with closing(await asyncio.to_thread(open_store, url)) as other:
                await asyncio.to_thread(other.import_certificate, certificate("CN=b", 2), Purpose.Phone_trust)
            await until(lambda: len(cache) == 2)
        assert cache.reconnects >= 1


async def test_a_notification_that_comes_with_an_answer(
    database: PostgresDatabase, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification that arrives while the answer to a question is read is not kept until the next question."""
    store.changed()
    monkeypatch.setattr(listening, "HEARTBEAT", NEVER)
    listener = store._database._listener  # type: ignore[attr-defined] # its questions are timed here
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("insert into processconfig values ('a', '0')")
        for _ in range(300):
            change = threading.Thread(target=other.execute, args=("update processconfig set paramvalue = '1'",))
            change.start()
            while change.is_alive():
                listener.ask()
            change.join()
            await until(store.changed)
