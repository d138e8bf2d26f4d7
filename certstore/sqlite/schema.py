"""The schema of an SQLite database: made, checked, brought up to this version."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from certstore.errors import StoreUnavailable
from certstore.relational.codes import add_new_units
from certstore.sqlite.file import LOST, NEW
from certstore.sqlite.migration import OLDEST, migrate
from certstore.sqlite.tables import APPLICATION_ID, SCHEMA_VERSION, add_former_lists, create_tables, create_triggers

if TYPE_CHECKING:
    from pathlib import Path

BUSY_TIMEOUT = 5.0
"""Seconds to wait while another process writes; its transactions take milliseconds."""
BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Error codes of a database that another process holds."""
PAGE_SIZE = 8192
"""Bytes. A row has 2 to 4 KiB: two or three fit a page; of the default 4096 bytes a third would stay empty."""


def prepare_schema(connection: sqlite3.Connection, path: Path, *, create: bool, lazy: bool = False) -> None:
    """Checks that the database has the tables of this version, and migrates those of an earlier one.

    Args:
        connection: the open database.
        path: its file, for sentences.
        create: whether the tables are made in an empty database.
        lazy: whether its owner has read it before, so that an empty one was damaged.

    Raises:
        StoreUnavailable: the database is empty, was made by another program or a newer version of this one, or is of
            an earlier version and cannot be written.
    """
    if create and _is_empty(connection):
        _create(connection)
    if _is_empty(connection):
        raise StoreUnavailable(f"{path}: the database is empty; {LOST if lazy else f'{LOST}, or, if it is new, {NEW}'}")
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreUnavailable(f"{path}: an SQLite database, but not one of this service; name another file")
    version = _pragma(connection, "user_version")
    if version > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{path}: the database has schema {version} and this program knows {SCHEMA_VERSION}: "
            "it was made by a newer version; update the program, or restore a database of this version"
        )
    if version < OLDEST:
        raise StoreUnavailable(f"{path}: the database has schema {version}, which no version made; restore a backup")
    if version < SCHEMA_VERSION:
        _migrate(connection, path, version)
    add_new_units(connection)
    add_former_lists(connection)


def _migrate(connection: sqlite3.Connection, path: Path, version: int) -> None:
    try:
        migrate(connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        raise StoreUnavailable(
            f"{path}: the database has schema {version}, this program needs {SCHEMA_VERSION}, and the file cannot be "
            "written; run a command as the owner of the state directory, which migrates it: tvs show cert list own"
        ) from error


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database has no table at all. One transaction makes all of ours, so there is nothing in between."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    _switch_to_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):  # another process may have made them meanwhile
            create_tables(connection)
            create_triggers(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Sets WAL mode, in which readers do not wait for writers. Retries, because the statement does not wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in BUSY_CODES or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
