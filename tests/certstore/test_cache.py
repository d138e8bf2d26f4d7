"""CertificateDBCache: loaded from a store, refreshed when the store changes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from certstore.cache import CertificateDBCache
from certstore.errors import StoreError
from certstore.purposes import Purpose
from tests.fixtures.certificates import PUBLISHER, certificate
from tests.fixtures.monitored import Events, monitored, until

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database


def test_loading(store: CertificateStore) -> None:
    """A cache has all certificates with their roles, and their time to live or the default; it is empty before."""
    store.import_certificate(certificate(serial=1), Purpose.Phone_SAST_trust)
    store.import_certificate(certificate(serial=2), Purpose.Phone_trust, time_to_live=5)
    store.import_certificate(certificate(serial=3), Purpose.TVS_trust)
    events = Events()
    cache = CertificateDBCache(store, default_time_to_live=60, on_event=events)
    assert (len(cache), cache.loaded, cache.db_up) == (0, False, False)
    cache.load()
    assert (len(cache), cache.loaded, cache.db_up, cache.reconnects) == (3, True, True, 0)
    found = [cache.lookup(bytes([serial]), PUBLISHER) for serial in (1, 2, 3, 4)]
    assert [entry and (entry.roles, entry.time_to_live) for entry in found] == [
        *(((0, 3), 60), ((7,), 5), ((), 60), None),
    ]
    assert found[0] is not None
    assert found[0].certificate == certificate(serial=1)
    [(name, fields)] = events
    assert name == "refreshed"
    assert fields.pop("seconds") > 0
    expected = {"certificates": 3, "generation": 1, "full": True, "changed": 0, "removed": 0, "bad_rows": 0}
    assert fields == expected


def test_the_default_time_to_live(store: CertificateStore) -> None:
    """The default time to live is a day, as in the real service."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store)
    cache.load()
    assert [entry.time_to_live for entry in cache.index] == [86_400]


def test_traces(store: CertificateStore) -> None:
    """A look-up traces the class name that operators search for."""
    store.import_certificate(certificate(), Purpose.TVS)
    cache = CertificateDBCache(store)
    cache.load()
    lines: list[str] = []

    def trace(_event: str, text: str, /, **_fields: object) -> None:
        lines.append(text)

    cache.lookup(b"\1", PUBLISHER, trace)
    prefix = "CertificateDBCACHE::getCertificateInformation - "
    assert lines == [
        f"{prefix}Looking up the certificate cache using Unique MAP ID : 01{PUBLISHER}",
        f"{prefix}Found entry {{rolecount : 1}}",
        f"{prefix}{{role : 21}}",
    ]


def test_refreshing_reads_what_changed(store: CertificateStore) -> None:
    """Entries of unchanged certificates are the same objects afterwards; changed ones are new, deleted ones gone."""
    for serial in (1, 2, 3):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    old = {entry.serial_number: entry for entry in cache.index}
    index = cache.index
    assert cache.refresh() is False
    store.import_certificate(certificate("CN=c1", 1), Purpose.Phone_SAST_trust)
    store.import_certificate(certificate("CN=c4", 4), Purpose.Phone_trust)
    store.delete(Purpose.Phone_trust, "c2")
    assert cache.refresh() is True
    new = {entry.serial_number: entry for entry in cache.index}
    assert sorted(new) == [b"\1", b"\3", b"\4"]
    assert new[b"\3"] is old[b"\3"]
    assert new[b"\1"].roles == (0, 3, 7)
    assert {entry.serial_number: entry for entry in index} == old
    assert events.names() == ["refreshed", "refreshed"]
    assert {"full": False, "changed": 2, "removed": 3, "generation": 2}.items() <= events[1][1].items()


def test_a_change_that_is_about_something_else(store: CertificateStore) -> None:
    """A changed parameter or node does not make a new index."""
    cache = CertificateDBCache(store)
    cache.load()
    store.set_parameter("a", "b")
    assert cache.refresh() is False
    assert cache.generation == 1


def test_refreshing_before_loading(store: CertificateStore) -> None:
    """The first refresh reads everything."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store)
    assert cache.refresh() is True
    assert len(cache) == 1


def test_a_change_in_the_middle_of_loading(store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is committed during a load is in the index after the next refresh at the latest."""
    store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
    trusted = type(store).trusted

    def slow(self: Any, on_bad_row: Any = None) -> Any:
        yield from trusted(self, on_bad_row)
        store.import_certificate(certificate("CN=b", 2), Purpose.Phone_trust)
        store.delete(Purpose.Phone_trust, "a")

    monkeypatch.setattr(type(store), "trusted", slow)
    cache = CertificateDBCache(store)
    cache.load()
    cache.refresh()
    assert [entry.issuer_name for entry in cache.index] == ["CN=b"]


def test_a_change_ends_a_comparison(store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is committed during a comparison is not kept waiting: the rest of the store is not read."""
    with store.transaction():
        for serial in range(1, 301):
            store.import_certificate(certificate(serial=serial), Purpose.Phone_trust)
    trusted, read = type(store).trusted, 0

    def counted(self: Any, on_bad_row: Any = None) -> Any:
        nonlocal read
        for found in trusted(self, on_bad_row):
            read += 1
            if read == 20:
                store.import_certificate(certificate("CN=new", 999), Purpose.Phone_trust)
            yield found

    cache = CertificateDBCache(store)
    cache.load()
    monkeypatch.setattr(type(store), "trusted", counted)
    assert not cache.verify()
    assert 20 <= read < 150
    assert cache.refresh()
    assert len(cache) == 301


def test_bad_rows(database: Database, store: CertificateStore) -> None:
    """Bad rows are reported one by one up to a limit; the event of the refresh has the number of all."""
    for serial in range(1, 31):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    database.execute("update certificate set certificate = 'rubbish' where pkid > 1")
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    assert len(cache) == 1
    assert events.names() == ["bad_row"] * 20 + ["refreshed"]
    assert events[0][1]["identity"] == "02 CN=c2"
    assert "no PEM" in events[0][1]["reason"]
    assert events[-1][1]["bad_rows"] == 29


def test_an_observer_that_fails(store: CertificateStore) -> None:
    """An exception in the callback does not stop a load."""

    def fail(_event: str, _fields: dict[str, Any]) -> None:
        raise RuntimeError

    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store, on_event=fail)
    cache.load()
    assert len(cache) == 1


def test_a_store_that_cannot_be_read(store: CertificateStore) -> None:
    """The error is raised, and the last index stays in use."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store)
    cache.load()
    store.close()
    for action in (cache.load, cache.refresh):
        with pytest.raises(StoreError, match="was closed"):
            action()
    assert (len(cache), cache.db_up, cache.generation) == (1, False, 1)


def test_readers_while_threads_refresh(database: Database, store: CertificateStore) -> None:
    """A certificate that never changes is found by every look-up while others come and go."""
    store.import_certificate(certificate("CN=stays", 1), Purpose.TVS)
    cache = CertificateDBCache(store)
    cache.load()
    done = threading.Event()
    errors: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                entry = cache.lookup(b"\1", "CN=stays")
                assert entry is not None
                assert entry.roles == (21,)
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    def refresh() -> None:
        try:
            while not done.is_set():
                cache.refresh()
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=target) for target in (read, read, refresh, refresh)]
    for thread in threads:
        thread.start()
    with closing(database.open()) as other:
        for serial in range(2, 12):
            other.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
            if serial % 2:
                other.delete(Purpose.Phone_trust, f"c{serial}")
    done.set()
    for thread in threads:
        thread.join()
    cache.refresh()
    assert errors == []
    assert sorted(entry.serial_number[0] for entry in cache.index) == [1, *range(2, 12, 2)]


async def test_a_change_by_another_process_is_noticed(database: Database, store: CertificateStore) -> None:
    """The monitor finds the commits of another process by itself."""
    cache = CertificateDBCache(store)
    cache.load()
    async with monitored(cache):
        await asyncio.to_thread(database.import_elsewhere, certificate(serial=9))
        await until(lambda: cache.lookup(b"\x09", PUBLISHER) is not None)
        store.delete(Purpose.Phone_trust, "cucm-1051-a-pub")
        await until(lambda: len(cache) == 0)


async def test_a_parameter_that_another_process_changes(
    database: Database, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit without a change of certificates is seen, and the certificates are not read for it."""
    store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    cache = CertificateDBCache(store)
    cache.load()
    store.changed()
    reads: list[str] = []
    looks: list[str] = []
    trusted, last_change = type(store).trusted, type(store).last_change

    def reading(self: Any, on_bad_row: Any = None) -> Any:
        reads.append("all")
        return trusted(self, on_bad_row)

    def looking(self: Any) -> Any:
        looks.append("last")
        return last_change(self)

    monkeypatch.setattr(type(store), "trusted", reading)
    monkeypatch.setattr(type(store), "last_change", looking)
    async with monitored(cache):
        await until(lambda: len(looks) == 1)
        database.execute("insert into processconfig values ('a', '0')")
        await until(lambda: len(looks) >= 2)
        database.execute("update processconfig set paramvalue = '1' where paramname = 'a'")
        await until(lambda: len(looks) >= 3)
        database.execute("update certificate set timetolive = 7")
        await until(lambda: [entry.time_to_live for entry in cache.index] == [7])
    assert reads == []


async def test_the_monitor_loads_what_was_not_loaded(store: CertificateStore) -> None:
    """A cache that was never loaded is loaded by its monitor."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store)
    async with monitored(cache):
        await until(lambda: cache.loaded)
    assert len(cache) == 1


async def test_a_change_before_the_first_look(database: Database, store: CertificateStore) -> None:
    """A cache with another one's index reads what was committed after it, even before its own store was opened."""
    first = CertificateDBCache(store)
    first.load()
    store.import_certificate(certificate(), Purpose.Phone_trust)
    with closing(database.open()) as opened_later:
        cache = CertificateDBCache(opened_later)
        cache.adopt(first.index, first.change_number)
        assert opened_later.changed() is False
        async with monitored(cache):
            await until(lambda: len(cache) == 1)
    assert cache.index is not first.index


@pytest.mark.parametrize(("same", "reads"), [(True, 0), (False, 1)])
async def test_an_index_of_another_cache_with_its_token(
    database: Database, store: CertificateStore, monkeypatch: pytest.MonkeyPatch, *, same: bool, reads: int
) -> None:
    """It is taken without reading the store if the store has its last change; of another history it is replaced."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    first = CertificateDBCache(store)
    first.load()
    assert first.token
    read: list[CertificateStore] = []
    trusted = type(store).trusted

    def reading(self: Any, on_bad_row: Any = None) -> Any:
        read.append(self)
        return trusted(self, on_bad_row)

    monkeypatch.setattr(type(store), "trusted", reading)
    with closing(database.open()) as opened_later:
        cache = CertificateDBCache(opened_later)
        cache.adopt(first.index, first.change_number, token=first.token if same else "0" * 32, same_database=False)
        async with monitored(cache):
            await until(lambda: cache.known_at > 0)
            store.import_certificate(certificate(serial=9), Purpose.Phone_trust)
            await until(lambda: len(cache) == 2)
    assert len(read) == reads
    assert cache.token == store.last_change().token


async def test_the_monitor_survives_an_error_of_any_kind(
    store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error other than StoreError is reported and tried again like any other."""
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    with monkeypatch.context() as patched:
        patched.setattr(type(store), "changed", lambda _self: 1 / 0)
        async with monitored(cache):
            await until(lambda: "refresh_failed" in events.names())
            patched.undo()
            await until(lambda: cache.reconnects == 1)
    assert "ZeroDivisionError" in next(fields["reason"] for name, fields in events if name == "refresh_failed")
