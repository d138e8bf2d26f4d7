"""A database file that is replaced or taken away while it is open."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.errors import NotFound, StoreUnavailable
from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.monitored import Events, monitored, until

if TYPE_CHECKING:
    from certstore.store import CertificateStore


def test_a_replaced_file(path: Path, tmp_path: Path, store: CertificateStore) -> None:
    """A database that was put in the place of the old one is noticed, and used from then on."""
    backup = tmp_path / "backup.db"
    open_store(str(backup), create=True).close()
    store.import_certificate(certificate(), Purpose.TVS)
    backup.replace(path)
    for side in ("-wal", "-shm"):
        Path(f"{path}{side}").unlink()
    with pytest.raises(StoreUnavailable, match="was replaced"):
        store.changed()
    assert store.entries() == []
    assert store.changed() is True
    assert store.changed() is False


def test_a_long_read_of_a_replaced_file(path: Path, tmp_path: Path, store: CertificateStore) -> None:
    """The certificates of one file never go with the change number of another: the read fails, the next is whole."""
    backup = tmp_path / "backup.db"
    with closing(open_store(str(backup), create=True)) as other:
        for serial in (1, 2, 3):
            other.import_certificate(certificate(serial=serial), Purpose.TVS_trust)
        number = other.change_number()
    store.import_certificate(certificate(), Purpose.TVS)
    cache = CertificateDBCache(store)
    cache.load()
    backup.replace(path)
    for side in ("-wal", "-shm"):
        Path(f"{path}{side}").unlink()
    with pytest.raises(StoreUnavailable, match="was replaced"):
        cache.load()
    assert (len(cache), cache.change_number == number, cache.db_up) == (1, False, False)
    cache.load()
    assert (len(cache), cache.change_number, cache.db_up) == (3, number, True)


def test_identity_of_a_replaced_file(path: Path, tmp_path: Path, store: CertificateStore) -> None:
    """A store whose file was replaced has no identity at once, then that of the new file."""
    old = store.identity()
    backup = tmp_path / "backup.db"
    open_store(str(backup), create=True).close()
    backup.replace(path)
    for side in ("-wal", "-shm"):
        Path(f"{path}{side}").unlink()
    assert store.identity() is None
    with closing(open_store(str(path))) as opened:
        assert opened.identity() == store.identity() != old


def test_identity_of_a_file_that_is_gone(path: Path, store: CertificateStore) -> None:
    """A store without its file has no identity; one that is put back is the same database."""
    identity, away = store.identity(), path.with_suffix(".away")
    path.rename(away)
    assert store.identity() is None
    away.rename(path)
    assert store.identity() == identity


def test_a_file_that_is_gone(path: Path, store: CertificateStore) -> None:
    """Without its file the store says so, until there is one again."""
    away = path.with_suffix(".away")
    path.rename(away)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"is gone|there is no database"):
            store.changed()
    away.rename(path)
    with pytest.raises(NotFound):
        store.entry(Purpose.TVS, "TVS")


async def test_a_database_that_goes_away_and_comes_back(
    path: Path, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last index answers meanwhile; afterwards everything is compared, so that no change is missed."""
    store.import_certificate(certificate("CN=a", 1), Purpose.Phone_trust)
    store.import_certificate(certificate("CN=b", 2), Purpose.Phone_trust)
    events = Events()
    cache = CertificateDBCache(store, on_event=events)
    cache.load()
    away = path.with_suffix(".away")
    async with monitored(cache):
        os.rename(path, away)  # noqa: PTH104 - ASYNC240 wants no Path here
        await until(lambda: not cache.db_up)
        assert cache.lookup(b"\1", "CN=a") is not None
        await until(lambda: events.names().count("refresh_failed") >= 2)
        with closing(open_store(str(path), create=True)) as new:
            new.import_certificate(certificate("CN=b", 2), Purpose.Phone_SAST_trust)
        await until(lambda: cache.db_up)
        await until(lambda: len(cache) == 1)
    assert [(entry.issuer_name, entry.roles) for entry in cache.index] == [("CN=b", (0, 3))]
    assert cache.reconnects >= 1
    failures = [fields for name, fields in events if name == "refresh_failed"]
    first, second = (fields["retry_in"] for fields in failures[:2])
    assert 0.25 <= first <= 0.375
    assert 0.5 <= second <= 0.75
    assert "is gone" in failures[0]["reason"]
    assert ("reconnected", {"reconnects": 1}) in events


def restore(backup: Path, path: Path) -> None:
    """Copies a database into another one's file, as `.restore` of SQLite's shell does."""
    with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)


def other_history(path: Path, tmp_path: Path, store: CertificateStore) -> CertificateDBCache:
    """A cache that has read the store; then a backup was restored, and as many other changes were made."""
    backup = tmp_path / "backup.db"
    restore(path, backup)
    store.import_certificate(certificate(serial=1), Purpose.TVS_trust)
    cache = CertificateDBCache(store)
    cache.load()
    restore(backup, path)
    store.import_certificate(certificate(serial=2), Purpose.TVS_trust)
    assert cache.change_number == store.change_number()
    return cache


def serials(cache: CertificateDBCache) -> list[bytes]:
    """The serial numbers in use."""
    return [entry.serial_number for entry in cache.index]


async def test_another_history_with_the_same_change_number(path: Path, tmp_path: Path, store: CertificateStore) -> None:
    """A restored backup with as many changes since is read, although file and change number are the same."""
    cache = other_history(path, tmp_path, store)
    async with monitored(cache):
        await until(lambda: serials(cache) == [b"\2"])


async def test_another_history_with_more_changes(path: Path, tmp_path: Path, store: CertificateStore) -> None:
    """Of a restored backup with more changes since, those after the known number are not taken for all of them."""
    cache = other_history(path, tmp_path, store)
    store.import_certificate(certificate(serial=3), Purpose.TVS_trust)
    async with monitored(cache):
        await until(lambda: serials(cache) == [b"\2", b"\3"])


async def test_adopted_certificates_of_another_history(path: Path, tmp_path: Path, store: CertificateStore) -> None:
    """A cache that adopts an index compares it with the store once, and reads the store if they differ."""
    before = other_history(path, tmp_path, store)
    with closing(open_store(str(path))) as opened:
        cache = CertificateDBCache(opened)
        cache.adopt(before.index, before.change_number)
        async with monitored(cache):
            await until(lambda: serials(cache) == [b"\2"])


def test_comparison_makes_no_second_index(store: CertificateStore) -> None:
    """An index that is like the store stays in use, as the same object."""
    for serial in range(1, 9):
        store.import_certificate(certificate(serial=serial), Purpose.TVS_trust)
    first = CertificateDBCache(store)
    first.load()
    cache = CertificateDBCache(store)
    cache.adopt(first.index, first.change_number)
    assert not cache.refresh()
    assert not cache.verify()
    assert cache.index is first.index
