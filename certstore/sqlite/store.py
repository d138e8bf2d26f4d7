"""The certificate store in one SQLite file.

`database` has the connection; `tables`, `schema` and `migration` the tables; `select` an administrator's statement;
`reports` the file of nodes' reports, `devices` that of phones; `certstore.relational` the rest; `certstore.rules` what
is refused and why.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from certstore.relational.store import RelationalStore
from certstore.sqlite.database import SqliteDatabase, readable
from certstore.sqlite.select import run_select
from certstore.sqlite.tables import has_former_lists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.devices import DeviceStore
    from certstore.generations import FormerList, NodeReport
    from certstore.sqlite.reports import ReportFile


class SqliteStore(RelationalStore[sqlite3.Connection]):
    """A `CertificateStore` in one SQLite file on a local disk. Several processes may open it."""

    _database: SqliteDatabase

    def __init__(self, path: Path, *, create: bool = False, lazy: bool = False) -> None:
        """Opens the file, or leaves that to the first access if `lazy`. Raises `StoreUnavailable`.

        With `create`, makes it with mode 0600 if there is none.
        """
        super().__init__(SqliteDatabase(path, create=create, lazy=lazy))

    def __repr__(self) -> str:
        return f"SqliteStore({self._database.name!r})"

    @staticmethod
    def _number(connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'certificatechangelog'").fetchone()
        return 0 if row is None else int(row[0])

    @staticmethod
    def _now(connection: sqlite3.Connection) -> int:
        [(now,)] = connection.execute("SELECT CAST(strftime('%s', 'now') AS INTEGER)").fetchall()
        return int(now)

    def former_lists(self) -> list[FormerList]:
        """The rows of `formerlist`; none in a database that lacks it and cannot be written."""
        with self._database.access() as connection:
            if not has_former_lists(connection):
                return []
        return super().former_lists()

    def report(self, report: NodeReport) -> None:
        """Writes to a file of its own, ``tvs-nodes.db`` beside the database."""
        self._report_file().write(report)

    def reports(self) -> list[NodeReport]:
        """The reports in that file; none if it is missing or damaged."""
        return self._report_file().read()

    def forget(self, node: str) -> None:
        """Deletes the row in that file."""
        self._report_file().forget(node)

    def _report_file(self) -> ReportFile:
        from certstore.sqlite.reports import REPORTS_NAME, ReportFile  # noqa: PLC0415 - commands report nothing

        self._database.check_usable()
        return ReportFile(self._database.path.with_name(REPORTS_NAME), self._database.patience)

    def devices(self) -> DeviceStore:
        """In a file of their own, ``tvs-fleet.db`` beside the database."""
        from certstore.sqlite.devices import FLEET_NAME, DeviceFile  # noqa: PLC0415 - few commands need it

        self._database.check_usable()
        return DeviceFile(self._database.path.with_name(FLEET_NAME))

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one moment, for a copy: text that is not UTF-8 is an error, as it cannot be copied."""
        with super().snapshot() as connection:
            connection.text_factory = str
            try:
                yield connection
            finally:
                connection.text_factory = readable

    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Runs one SELECT on a connection of its own, which cannot write."""
        with self._database.reader() as connection:
            return run_select(connection, sql)
