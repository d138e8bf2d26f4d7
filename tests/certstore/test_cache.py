"""CertificateDBCache: loaded from a store, and kept in step with it whatever happens to the database."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from certstore import CertificateDBCache, CertificateStore, Purpose, StoreError, open_store
from certstore.cache import Backoff
from tests.fixtures.certificates import PUBLISHER, certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
"""Seconds until a test gives up waiting; what is waited for takes a fraction of one."""


class Events(list[tuple[str, dict[str, Any]]]):
    """Collects what a cache reports."""

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        self.append((event, fields))

    def names(self) -> list[str]:
        return [name for name, _ in self]


def _import_elsewhere(database: Path, der: bytes) -> None:
    """Another process imports a certificate."""
    program = (
        "import sys; from certstore import Purpose, open_store; "
        "open_store(sys.argv[1]).import_certificate(bytes.fromhex(sys.argv[2]), Purpose.Phone_trust)"
    )
    subprocess.run([sys.executable, "-c", program, str(database), der.hex()], check=True, cwd=ROOT)


@asynccontextmanager
async def _monitored(cache: CertificateDBCache) -> AsyncIterator[None]:
    task = asyncio.create_task(cache.monitor(interval=0.01))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - threads and processes set no event
            await asyncio.sleep(0.005)


# -- loading and refreshing --------------------------------------------------------------------------------------------


def test_loading(store: CertificateStore) -> None:
    """All certificates with their roles, time to live or the default; nothing before."""
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
    """A day, as the real service has it."""
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
    """A parameter or a node makes no new index."""
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
    """What is committed while everything is being read is there after the next refresh at the latest."""
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


def test_bad_rows(database: Path, store: CertificateStore) -> None:
    """Each is reported, up to a limit; the number of all is in the event of the refresh."""
    for serial in range(1, 31):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("update certificate set certificate = 'rubbish' where pkid > 1")
        connection.commit()
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    assert len(cache) == 1
    assert events.names() == ["bad_row"] * 20 + ["refreshed"]
    assert events[0][1]["identity"] == "02 CN=c2"
    assert "no PEM" in events[0][1]["reason"]
    assert events[-1][1]["bad_rows"] == 29


def test_an_observer_that_fails(store: CertificateStore) -> None:
    """An exception of the callback stops nothing."""

    def fail(_event: str, _fields: dict[str, Any]) -> None:
        raise RuntimeError

    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store, on_event=fail)
    cache.load()
    assert len(cache) == 1


def test_a_store_that_cannot_be_read(store: CertificateStore) -> None:
    """The error is raised, the last index stays."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store)
    cache.load()
    store.close()
    for action in (cache.load, cache.refresh):
        with pytest.raises(StoreError, match="was closed"):
            action()
    assert (len(cache), cache.db_up, cache.generation) == (1, False, 1)


def test_readers_while_threads_refresh(database: Path, store: CertificateStore) -> None:
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
    with closing(open_store(str(database))) as other:
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


# -- the monitor -------------------------------------------------------------------------------------------------------


async def test_a_change_by_another_process_is_noticed(database: Path, store: CertificateStore) -> None:
    """The monitor finds what another process commits, without being told."""
    cache = CertificateDBCache(store)
    cache.load()
    async with _monitored(cache):
        await asyncio.to_thread(_import_elsewhere, database, certificate(serial=9))
        await _until(lambda: cache.lookup(b"\x09", PUBLISHER) is not None)
        store.delete(Purpose.Phone_trust, "cucm-1051-a-pub")
        await _until(lambda: len(cache) == 0)


async def test_the_monitor_loads_what_was_not_loaded(store: CertificateStore) -> None:
    """A cache that was never loaded is loaded by its monitor."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    cache = CertificateDBCache(store)
    async with _monitored(cache):
        await _until(lambda: cache.loaded)
    assert len(cache) == 1


async def test_a_change_before_the_first_look(database: Path, store: CertificateStore) -> None:
    """A cache with another one's index reads what was committed after that, also before its own store was opened."""
    first = CertificateDBCache(store)
    first.load()
    store.import_certificate(certificate(), Purpose.Phone_trust)
    with closing(open_store(str(database))) as opened_later:
        cache = CertificateDBCache(opened_later)
        cache.adopt(first.index, first.change_number)
        assert opened_later.changed() is False
        async with _monitored(cache):
            await _until(lambda: len(cache) == 1)
    assert cache.index is not first.index


async def test_a_database_that_goes_away_and_comes_back(
    database: Path, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last index answers meanwhile; afterwards everything is compared, so that no change is missed."""
    store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
    store.import_certificate(certificate("CN=b", 2), Purpose.Phone_trust)
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    away = database.with_suffix(".away")
    async with _monitored(cache):
        os.rename(database, away)  # noqa: PTH104 - ASYNC240 wants no Path here
        await _until(lambda: not cache.db_up)
        assert cache.lookup(b"\1", "CN=a") is not None
        await _until(lambda: events.names().count("refresh_failed") >= 2)
        with closing(open_store(str(database), create=True)) as new:
            new.import_certificate(certificate("CN=b", 2), Purpose.Phone_SAST_trust)
        await _until(lambda: cache.db_up)
        await _until(lambda: len(cache) == 1)
    assert [(entry.issuer_name, entry.roles) for entry in cache.index] == [("CN=b", (0, 3))]
    assert cache.reconnects >= 1
    failures = [fields for name, fields in events if name == "refresh_failed"]
    assert [fields["retry_in"] for fields in failures[:2]] == [0.25, 0.5]
    assert "is gone" in failures[0]["reason"]
    assert ("reconnected", {"reconnects": 1}) in events


async def test_the_monitor_survives_what_nobody_foresaw(
    store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is no StoreError is reported and tried again like any other."""
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    with monkeypatch.context() as patched:
        patched.setattr(type(store), "changed", lambda _self: 1 / 0)
        async with _monitored(cache):
            await _until(lambda: "refresh_failed" in events.names())
            patched.undo()
            await _until(lambda: cache.reconnects == 1)
    assert "ZeroDivisionError" in next(fields["reason"] for name, fields in events if name == "refresh_failed")


def test_back_off() -> None:
    """Waits double from a quarter of a second to half a minute, and start anew after a success."""
    backoff = Backoff()
    assert [backoff.next() for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.next() == 0.25
