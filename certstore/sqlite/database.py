"""The connection to an SQLite database: its file, its errors, its changes."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from certstore.errors import StoreUnavailable
from certstore.relational.database import Database
from certstore.sqlite.file import LOST, NEW, checked_file, create_file, is_read_only
from certstore.sqlite.schema import BUSY_CODES, BUSY_TIMEOUT, prepare_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAZY_PATIENCE = 0.5
"""Seconds that a lazy store waits for another program: its owner answers phones, and tries again by itself."""
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program has held the database for {patience:g} s; try again",
    sqlite3.SQLITE_LOCKED: "another program holds the database; try again",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the owner and mode of the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the owner and mode of the file and its directory, and whether "
    "this process has too many files open",
    sqlite3.SQLITE_PERM: "it cannot be opened; check the owner and mode of the file and its directory",
    sqlite3.SQLITE_FULL: "the disk is full; nothing was changed",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; restore a backup",
    sqlite3.SQLITE_NOTADB: "not an SQLite database; name another file or restore a backup",
}


_NOT_WRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
"""Error codes of a file system that is mounted read-only, among other causes."""
_READ_ONLY = "its file system is mounted read-only; mount it read-write: the database keeps a journal, also for readers"
_NO_ROOM = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
"""Error codes of a full file system, on which SQLite cannot make the memory that programs share (``-shm``)."""


class SqliteDatabase(Database[sqlite3.Connection]):
    """One database file, see `Database`.

    On a full file system SQLite cannot make the memory that several programs share. A store that is not `lazy`, which
    is open for a short time, then has the database alone, and other programs wait; so a service can start.
    """

    BEGIN = ("BEGIN IMMEDIATE",)
    BEGIN_SNAPSHOT = "BEGIN"

    def __init__(self, path: Path, *, create: bool, lazy: bool = False) -> None:
        """Opens the file, or leaves that to the first access if `lazy`. Raises `StoreUnavailable`."""
        super().__init__(str(path))
        self.path = path
        self._lazy = lazy
        self._alone = False
        self._file: tuple[int, int] | None = None
        self._seen: tuple[int, int] | None = None
        self._known_at = 0.0
        if create:
            create_file(path)
        if lazy:
            return
        try:
            with self._lock, self._errors():
                connection = self._open(create=create)
                self._seen = _version(connection)
        except BaseException:
            self._give_up()
            raise

    @property
    def patience(self) -> float:
        """Seconds to wait for a lock that another program holds."""
        return LAZY_PATIENCE if self._lazy else BUSY_TIMEOUT

    # -- opening and closing

    def _open(self, *, create: bool = False) -> sqlite3.Connection:
        identity = checked_file(self.path, LOST if self._lazy else NEW)
        try:
            connection = self._prepared(create=create, alone=False)
        except sqlite3.OperationalError as error:
            if self._lazy or error.sqlite_errorcode & 0xFF not in _NO_ROOM:
                raise
            connection = self._prepared(create=create, alone=True)
        self._connection, self._file, self._seen = connection, identity, None
        return connection

    def _prepared(self, *, create: bool, alone: bool) -> sqlite3.Connection:
        """A connection whose tables are checked; `alone`: nothing is shared with other programs, which wait."""
        connect = partial(_connect, alone=True) if alone else _connect
        connection = connect(self.path, "rw", self.patience)
        try:
            prepare_schema(connection, self.path, create=create, lazy=self._lazy)
        except BaseException:
            connection.close()
            raise
        self._alone = alone
        return connection

    def _give_up(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _advice(self, error: sqlite3.Error, code: int) -> str:
        """What to do about an error of this primary code; empty if there is nothing to say."""
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE:
            code = sqlite3.SQLITE_FULL
        if code in _NOT_WRITABLE and is_read_only(self.path):
            return _READ_ONLY
        return _ADVICE.get(code, "").format(patience=self.patience)

    # -- access

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns the driver's errors into `StoreUnavailable`, and closes a connection that is broken."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code not in BUSY_CODES and not self._depth:
                self._give_up()
            advice = self._advice(error, code)
            raise StoreUnavailable(f"{self.path}: {advice} ({error})" if advice else f"{self.path}: {error}") from error

    @staticmethod
    def _in_transaction(connection: sqlite3.Connection) -> bool:
        return connection.in_transaction

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """A new connection that cannot write; the shared one if that has the database alone.

        Raises `StoreUnavailable`, as `changed` does, if the path names another file than the shared connection has: who
        has asked that one for the last change would take it for one of the other file.
        """
        with self.access() as shared:
            if self._alone:
                yield shared
                return
            connection = _connect(self.path, "ro", self.patience)
            try:
                if not self._depth:
                    self._check_same_file()
            except BaseException:
                connection.close()
                raise
        with closing(connection), self._errors():
            yield connection

    # -- changes

    def changed(self) -> bool:
        """Whether a program, this one included, committed since the last call.

        ``data_version`` sees the commits of others and not our own; ``total_changes`` counts ours.

        Raises:
            StoreUnavailable: among others if the file is no longer the one that was opened (a restored backup). The
                next access opens the new one.
        """
        with self.access() as connection:
            if self._depth:
                return False
            now = time.monotonic()
            self._check_same_file()
            version = _version(connection)
            self._known_at = now
            changed, self._seen = version != self._seen, version
            return changed

    def known_at(self) -> float:
        """When `changed` last read the file's version."""
        return self._known_at

    def identity(self) -> str | None:
        """Device and inode of the open file as text; None if the path names another file by now, or none."""
        with self.access():
            try:
                self._check_same_file()
            except StoreUnavailable:
                return None
            return None if self._file is None else "{}:{}".format(*self._file)

    def _check_same_file(self) -> None:
        try:
            status = self.path.stat()
        except OSError as error:
            self._give_up()
            gone = isinstance(error, FileNotFoundError)
            reason = f"is gone; {LOST}" if gone else f"cannot be looked at: {error.strerror}"
            raise StoreUnavailable(f"{self.path}: the database file {reason}") from error
        if (status.st_dev, status.st_ino) != self._file:
            self._give_up()
            raise StoreUnavailable(f"{self.path}: the database file was replaced; opening the new one")


def readable(text: bytes) -> str:
    """Text of the database, with ``\\xff`` for a byte that is not UTF-8: the driver would end the whole query at it."""
    return text.decode("utf-8", "backslashreplace")


def _version(connection: sqlite3.Connection) -> tuple[int, int]:
    return connection.execute("PRAGMA data_version").fetchone()[0], connection.total_changes


def _connect(path: Path, mode: str, patience: float, *, alone: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = readable
    settings = ("foreign_keys = ON", "synchronous = FULL", "trusted_schema = OFF")
    try:
        for setting in (("locking_mode = EXCLUSIVE",) if alone else ()) + settings:  # the first access already shares
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection
