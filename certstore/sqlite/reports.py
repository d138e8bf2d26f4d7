"""Reports of nodes, in an SQLite file of their own beside the certificates.

They are written often and are worth nothing later: the file is not synced to the disk, and one that is missing or
damaged is made anew. Each call opens it, so that no program holds a file that another one has replaced.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from certstore.errors import StoreUnavailable
from certstore.relational.reports import delete_report, read_reports, write_report
from certstore.sqlite.database import readable
from certstore.sqlite.file import SIDES, checked_file, create_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.generations import NodeReport

REPORTS_NAME = "tvs-nodes.db"
"""Name of the file."""
_VERSION = 1
"""``PRAGMA user_version``; a file of another version is made anew."""
_TABLE = """
CREATE TABLE nodereport (
    node TEXT NOT NULL COLLATE NOCASE UNIQUE,
    generation INTEGER NOT NULL,
    staleness REAL NOT NULL,                 -- seconds, by the node's own clock
    counter INTEGER NOT NULL,
    problem TEXT NOT NULL,
    written INTEGER PRIMARY KEY AUTOINCREMENT
)
"""
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Error codes of a damaged file, of another one, and of other tables than ours."""


class _Unusable(Exception):  # noqa: N818 - a state, handled here
    """The file is not a database of reports, or is damaged."""


class ReportFile:
    """The file of reports.

    Args:
        path: the file; it need not exist.
        patience: seconds to wait while another program writes.
    """

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience

    def write(self, report: NodeReport) -> None:
        """Replaces a node's report. Raises `StoreUnavailable`."""
        try:
            self._write(report)
        except _Unusable:
            self._remove()
            try:
                self._write(report)
            except _Unusable as error:
                raise StoreUnavailable(f"{self._path}: cannot be made: {error}") from error

    def read(self) -> list[NodeReport]:
        """The reports by node; none if the file is missing or damaged. Raises `StoreUnavailable`."""
        if not self._path.exists():
            return []
        try:
            with self._opened() as connection:
                return read_reports(connection)
        except _Unusable:
            return []

    def forget(self, node: str) -> None:
        """Deletes a node's report, if there is one; a damaged file has none. Raises `StoreUnavailable`."""
        if self._path.exists():
            with suppress(_Unusable), self._opened() as connection:
                delete_report(connection, node)

    def _write(self, report: NodeReport) -> None:
        create_file(self._path)
        with self._opened(create=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            write_report(connection, report)
            connection.execute("COMMIT")

    @contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection to the file with its table. Raises `_Unusable` and `StoreUnavailable`."""
        checked_file(self._path)
        try:
            with closing(self._connect()) as connection:
                if create:
                    _make_table(connection)
                if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                    raise _Unusable("it is of another version")
                yield connection
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF in _DAMAGE:
                raise _Unusable(str(error)) from error
            raise StoreUnavailable(f"{self._path}: the nodes' reports cannot be used: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, timeout=self._patience, isolation_level=None
        )
        connection.text_factory = readable
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = PERSIST")  # else a file would come and go each second
        return connection

    def _remove(self) -> None:
        try:
            for side in SIDES:
                self._path.with_name(self._path.name + side).unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: is damaged and cannot be removed: {error.strerror}") from error


def _make_table(connection: sqlite3.Connection) -> None:
    """Makes the table in an empty file."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")
