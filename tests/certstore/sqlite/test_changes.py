"""The change log of the SQLite store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from certstore.relational.codes import CHANGES_KEPT
from tests.fixtures.certificates import PUBLISHER_COLUMN, certificate
from tests.fixtures.stores import SqliteDatabase, since

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore


_BY_REPLACE: list[tuple[str, set[int], dict[bytes, tuple[int, ...]]]] = [
    ("create table c as select * from certificate where pkid = 8", set(), {}),
    ("update c set pkid = 7, issuername = 'CN=y'", set(), {}),
    ("insert or replace into certificate select * from c", {7, 8}, {b"\x08": (7,)}),
]
"""Statements, and the serial numbers that are to be removed and to be taken in."""


def test_changes_by_replace(path: Path, store: CertificateStore) -> None:
    """A row that a foreign program replaces by way of REPLACE is in the log, with the row that it displaces."""
    for serial in range(1, 9):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    for statement, removed, changed in _BY_REPLACE:
        number = store.change_number()
        SqliteDatabase(path).execute(statement)
        assert since(store, number) == ({bytes([serial]) for serial in removed}, changed)
    SqliteDatabase(path).execute("delete from certificate")
    assert since(store, 0)[1] == {}


def test_a_reader_that_is_too_far_behind(path: Path, store: CertificateStore) -> None:
    """The log keeps a limited number of changes; a reader that is further behind must read everything."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    kept = CHANGES_KEPT
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany(
            "insert into certificatechangelog (serialnumber, issuername) values ('01', ?)", [(PUBLISHER_COLUMN,)] * kept
        )
        connection.commit()
    current = store.change_number()
    assert store.select("select count(*) from certificatechangelog")[1] == [(kept,)]
    assert store.changes_since(0) is None
    assert store.changes_since(current - kept - 1) is None
    assert since(store, current - kept) == ({b"\x01"}, {b"\x01": (7,)})
