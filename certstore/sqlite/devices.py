"""The cluster's phones, in an SQLite file of their own beside the certificates: a storm of phones never touches these.

The file is made by the first that writes. What is committed outlives a killed program and a loss of power. Each call
opens it, so that no program holds a file that another one has replaced.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from certstore.devices import DeviceStore
from certstore.errors import StoreUnavailable
from certstore.relational.devices import RelationalDevices
from certstore.sqlite.file import SIDES, checked_file, create_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLEET_NAME: Final = "tvs-fleet.db"
"""Name of the file."""
PATIENCE: Final = 5.0
"""Seconds to wait for another program: a reader of 200,000 phones takes one or two."""
_VERSION: Final = 2
"""``PRAGMA user_version``."""
_FIRST: Final = 1
"""The version without suites."""
_TABLES: Final = """
CREATE TABLE device (
    name TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    description TEXT NOT NULL,
    listed INTEGER NOT NULL,                 -- seconds since 1970 as all times here, 0 is never
    node TEXT NOT NULL,
    addresses TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    tls TEXT NOT NULL,
    cipher TEXT NOT NULL,
    certificate TEXT NOT NULL,
    generation INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    request TEXT NOT NULL,                   -- the last question
    subject TEXT NOT NULL,
    issuer TEXT NOT NULL,
    serial TEXT NOT NULL,
    result TEXT NOT NULL,
    source TEXT NOT NULL,
    roles TEXT NOT NULL,
    signer_issuer TEXT NOT NULL,             -- the last signer that it was told to trust
    signer_serial TEXT NOT NULL,
    signer_seen INTEGER NOT NULL,
    signer_generation INTEGER NOT NULL,
    denied_issuer TEXT NOT NULL,             -- the last signer that it was not told to trust
    denied_serial TEXT NOT NULL,
    denied_seen INTEGER NOT NULL,
    denied_generation INTEGER NOT NULL,
    suites TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX devicelast ON device (last);
CREATE TABLE unserved (
    address TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    reason TEXT NOT NULL,
    version TEXT NOT NULL,
    failures INTEGER NOT NULL,
    suites TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX unservedlast ON unserved (last);
"""
_SUITES: Final = "ALTER TABLE {} ADD COLUMN suites TEXT NOT NULL DEFAULT ''"
"""Brings a table of the first version up to this one."""
_WITHOUT_SUITES: Final = "CREATE TEMP VIEW {0} AS SELECT *, '' AS suites FROM main.{0}"
"""Lets a table of the first version be read as one of this: a reader changes no file."""
_GROWN: Final = ("device", "unserved")
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Error codes of a damaged file and of another one."""


class DeviceFile(DeviceStore):
    """The file of phones.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def reading(self) -> Iterator[RelationalDevices]:
        """See `DeviceStore.reading`."""
        if not self._path.exists():
            with self._nothing() as nothing:
                yield nothing
            return
        with self._opened() as connection:  # a full disk stops nobody who reads: nothing is prepared
            connection.execute("BEGIN")  # what is looked at below stays so
            if (version := _version(connection)) == 0:
                with self._nothing() as nothing:
                    yield nothing
                return
            if version == _FIRST:
                for table in _GROWN:
                    connection.execute(_WITHOUT_SUITES.format(table))
            else:
                self._check(version)
            yield RelationalDevices(connection)
            connection.execute("ROLLBACK")

    @contextmanager
    def _nothing(self) -> Iterator[RelationalDevices]:
        """The devices before somebody has written."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.executescript(_TABLES)
            yield RelationalDevices(connection)

    @contextmanager
    def writing(self) -> Iterator[RelationalDevices]:
        """See `DeviceStore.writing`. A damaged file is put aside; the next call begins a new one."""
        create_file(self._path)
        with self._opened() as connection:
            self._prepare(connection)
            connection.execute("BEGIN IMMEDIATE")
            yield RelationalDevices(connection)
            connection.execute("COMMIT")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """A connection to the file, closed at the end, which undoes what is not committed."""
        identity = checked_file(self._path)
        try:
            with closing(self._connect()) as connection:
                yield connection
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _DAMAGE:
                raise self._put_aside(identity, error) from error
            raise StoreUnavailable(f"{self._path}: the record of phones cannot be used: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.as_uri()}?mode=rw", uri=True, timeout=PATIENCE, isolation_level=None)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Makes the tables in an empty file, or adds what they lack. Raises `StoreUnavailable` for a later version."""
        connection.execute("PRAGMA journal_mode = TRUNCATE")  # a file that stays, and keeps nothing that was forgotten
        connection.execute("PRAGMA secure_delete = ON")
        if _version(connection) < _VERSION:
            connection.execute("BEGIN IMMEDIATE")
            version = _version(connection)  # another program may just have done it
            missing = {0: _TABLES.split(";"), _FIRST: [_SUITES.format(table) for table in _GROWN]}.get(version, [])
            for statement in missing:
                connection.execute(statement)
            if missing:
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("COMMIT")
        self._check(_version(connection))

    def _check(self, version: int) -> None:
        if version != _VERSION:
            raise StoreUnavailable(
                f"{self._path}: the record of phones has version {version}, and this program knows {_VERSION}: "
                "update the program, or move the file away to begin a new one"
            )

    def _put_aside(self, identity: tuple[int, int], error: sqlite3.Error) -> StoreUnavailable:
        """Renames the damaged file, unless another program has done so; returns the error to raise."""
        aside = self._path.with_name(f"{self._path.name}.damaged")
        try:
            status = self._path.stat()
            if (status.st_dev, status.st_ino) == identity:
                for side in SIDES:
                    self._path.with_name(self._path.name + side).unlink(missing_ok=True)
                self._path.replace(aside)
        except OSError as failure:
            return StoreUnavailable(f"{self._path}: is damaged ({error}) and cannot be put aside: {failure.strerror}")
        return StoreUnavailable(f"{self._path}: was damaged ({error}) and is now {aside.name}; a new record begins")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
