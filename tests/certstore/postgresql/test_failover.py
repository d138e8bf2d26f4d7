"""A standby: what it can be used for, and what happens when it takes over."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.errors import StoreUnavailable
from certstore.generations import NodeReport
from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.monitored import monitored, until
from tests.fixtures.postgres import PASSWORD, USER, as_server, new_server

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.postgres import Server


def names(store: CertificateStore) -> list[str]:
    """The names of all entries."""
    return [entry.name for entry in store.entries()]


async def test_a_standby_that_takes_over(own_server: Server) -> None:
    """A standby can be read and takes no changes. When it is promoted, stores that have both in their URL go on there.

    It is another database then: its last changes may be others than those that the first one gave the same numbers.
    """
    with own_server.database() as url, new_server(own_server) as standby:
        name = url.rpartition("/")[2]
        both = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{standby.port},127.0.0.1:{own_server.port}/{name}"
        with closing(open_store(both, create=True)) as store:
            store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
            first, cache = store.identity(), CertificateDBCache(store)
            cache.load()
            [(position,)] = own_server.run("select pg_current_wal_lsn()::text")
            await until(lambda: standby.run(f"select pg_last_wal_replay_lsn() >= '{position}'") == [(True,)])
            with closing(open_store(standby.url(name))) as reader:
                assert names(reader) == ["a.pem"]
                assert reader.select("select count(*) from certificate")[1] == [(1,)]
                for action in (reader.changed, lambda: reader.set_parameter("a", "b")):
                    with pytest.raises(StoreUnavailable, match="a standby, or set to read-only; name the primary"):
                        action()
            async with monitored(cache):
                own_server.stop(signal.SIGKILL)
                await until(lambda: not cache.db_up)
                standby.run("select pg_promote()")
                with closing(await asyncio.to_thread(open_store, both)) as other:
                    await asyncio.to_thread(other.import_certificate, certificate("CN=b", 2), Purpose.Phone_trust)
                await until(lambda: len(cache) == 2)
            assert names(store) == ["a.pem", "b.pem"]
            assert store.identity() not in (None, first)
        own_server.start()


def subjects(store: CertificateStore) -> list[str]:
    """The subjects of all certificates, as caches read them."""
    return [trusted.certificate.subject_name for trusted in store.trusted()]


def replayed(primary: Server, standby: Server) -> bool:
    """Whether the standby has what the primary has."""
    [(position,)] = primary.run("select pg_current_wal_lsn()::text")
    return standby.run(f"select pg_last_wal_replay_lsn() >= '{position}'") == [(True,)]


async def test_long_reads_on_a_standby(own_server: Server) -> None:
    """They are done there while it has every change, else on the primary: it lags, goes away or ends the read."""
    reading = "select pid from pg_stat_activity where application_name = 'tvs' and state = 'idle in transaction'"
    with own_server.database() as url, new_server(own_server) as standby:
        name = url.rpartition("/")[2]
        both = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{standby.port},127.0.0.1:{own_server.port}/{name}"
        with closing(open_store(both, create=True)) as store:
            store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
            await until(lambda: replayed(own_server, standby))
            rows = store.trusted()
            assert next(rows).certificate.subject_name == "CN=a"
            [(process,)] = standby.run(reading)
            assert own_server.run(reading) == []
            assert list(rows) == []
            standby.run("select pg_wal_replay_pause()")
            store.import_certificate(certificate("CN=b", 2), Purpose.Phone_trust)
            rows = store.trusted()
            assert next(rows).certificate.subject_name == "CN=a"
            assert (len(own_server.run(reading)), standby.run(reading)) == (1, [])
            assert [trusted.certificate.subject_name for trusted in rows] == ["CN=b"]
            standby.run("select pg_wal_replay_resume()")
            await until(lambda: replayed(own_server, standby))
            rows = store.trusted()
            next(rows)
            [(process,)] = standby.run(reading)
            standby.run(f"select pg_terminate_backend({process})")
            await until(lambda: standby.run(reading) == [])
            with pytest.raises(StoreUnavailable):
                list(rows)
            assert subjects(store) == ["CN=a", "CN=b"]
            assert store.change_number() > 0
        with closing(open_store(both)) as store:
            own_server.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tvs'")
            with pytest.raises(StoreUnavailable):
                store.change_number()
            rows = store.trusted()
            assert next(rows).certificate.subject_name == "CN=a"
            assert (len(own_server.run(reading)), standby.run(reading)) == (1, [])
            assert [trusted.certificate.subject_name for trusted in rows] == ["CN=b"]
        with closing(open_store(both)) as store:
            standby.stop(signal.SIGKILL)
            assert subjects(store) == ["CN=a", "CN=b"]


async def test_a_primary_that_is_fenced() -> None:
    """It is set to read-only while its sessions go on: they leave it for the server that takes changes."""
    with new_server() as first, new_server(first) as second:
        first.make(name := first.new_name())
        both = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{first.port},127.0.0.1:{second.port}/{name}"
        report = NodeReport(node="pub", generation=1, staleness=0.5, counter=1)
        with (
            closing(open_store(both, create=True)) as store,
            closing(open_store(both, lazy=True)) as followed,
            closing(open_store(both, lazy=True)) as reporting,
        ):
            store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
            cache = CertificateDBCache(followed)
            cache.load()
            reporting.report(report)
            await until(lambda: replayed(first, second))
            async with monitored(cache):
                await until(lambda: followed.known_at() > 0)
                first.run("alter system set default_transaction_read_only = on", "select pg_reload_conf()")
                await until(lambda: not cache.db_up)
                assert "the server takes no changes: it is a standby, or set to read-only" in cache.problem
                second.run("select pg_promote()")
                with closing(await asyncio.to_thread(open_store, both)) as other:
                    await asyncio.to_thread(other.import_certificate, certificate("CN=b", 2), Purpose.Phone_trust)
                await until(lambda: len(cache) == 2)
            with pytest.raises(StoreUnavailable, match="set to read-only"):
                reporting.report(report)
            reporting.report(report)
            assert reporting.reports() == [report]


async def test_a_database_that_is_only_read(own_server: Server) -> None:
    """Of one server alone nothing is better than its sessions: they go on reading."""
    with own_server.database() as url, closing(open_store(url, create=True)) as store:
        store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
        name = url.rpartition("/")[2]
        own_server.run(f"alter database {name} set default_transaction_read_only = on")
        with closing(open_store(url, lazy=True)) as followed:
            cache = CertificateDBCache(followed)
            async with monitored(cache):
                await until(lambda: followed.known_at() > 0)
                known = followed.known_at()
                await until(lambda: followed.known_at() > known)
                assert (cache.db_up, len(cache), cache.reconnects) == (True, 1, 0)


def make_standby(server: Server) -> None:
    """Has a server that is stopped begin as a standby."""
    subprocess.run(["touch", str(server.data / "standby.signal")], check=True, **as_server())


async def test_a_primary_of_before() -> None:
    """It comes back as a standby with a change that was lost at the failover: nothing is read there."""
    with new_server() as first, new_server(first) as second:
        first.make(name := first.new_name())
        with closing(open_store(first.url(name), create=True)) as store:
            store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
            await until(lambda: replayed(first, second))
            second.run("alter system set primary_conninfo = ''", "select pg_reload_conf()")
            await until(lambda: second.run("select count(*) from pg_stat_wal_receiver") == [(0,)])
            store.import_certificate(certificate("CN=lost", 2), Purpose.Phone_trust)
        first.stop(signal.SIGKILL)
        second.run("select pg_promote()")
        make_standby(first)
        first.start()
        assert first.run("select pg_is_in_recovery()") == [(True,)]
        with closing(open_store(first.url(name))) as store:
            assert subjects(store) == ["CN=a", "CN=lost"]
        both = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{first.port},127.0.0.1:{second.port}/{name}"
        with closing(open_store(both)) as store:
            assert (names(store), subjects(store)) == (["a.pem"], ["CN=a"])
