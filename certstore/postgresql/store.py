"""The certificate store in a PostgreSQL database.

`target` has the URL, `connecting` and `listening` connections, `advice` the sentences for their errors, `tables` and
`schema` the tables, `statement` and `select` an administrator's statement; `certstore.relational` the rest;
`certstore.rules` what is refused and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from certstore.postgresql.database import PostgresDatabase
from certstore.postgresql.dialect import PostgresConnection
from certstore.postgresql.schema import SCHEMA
from certstore.postgresql.select import run_select
from certstore.postgresql.target import parse
from certstore.relational.reports import delete_report, read_reports, write_report
from certstore.relational.store import RelationalStore

if TYPE_CHECKING:
    from certstore.devices import DeviceStore
    from certstore.generations import NodeReport
    from certstore.postgresql.schema import Schema


class PostgresStore(RelationalStore[PostgresConnection]):
    """A `CertificateStore` in a PostgreSQL database (13 or newer, UTF-8, with ICU). Many programs may open it."""

    _database: PostgresDatabase

    def __init__(self, url: str, *, create: bool = False, lazy: bool = False, schema: Schema = SCHEMA) -> None:
        """Connects, or leaves that to the first access if `lazy`. Raises `StoreUnavailable`.

        Args:
            url: ``postgresql://USER@HOST:PORT/DATABASE``, with any parameter of libpq.
            create: make the tables if the database is empty.
            lazy: connect at the first access, and wait less (`certstore.postgresql.connecting.LAZY`).
            schema: the tables' versions that the program knows.
        """
        super().__init__(PostgresDatabase(parse(url, lazy=lazy), schema, create=create, lazy=lazy))

    def __repr__(self) -> str:
        return f"PostgresStore({self._database.name!r})"

    @staticmethod
    def _number(connection: PostgresConnection) -> int:
        return PostgresDatabase.change_number(connection)

    @staticmethod
    def _now(connection: PostgresConnection) -> int:
        [(now,)] = connection.execute("SELECT extract(epoch FROM clock_timestamp())::bigint").fetchall()
        return int(now)

    def report(self, report: NodeReport) -> None:
        """Writes to a table of its own, without waiting for a writer of certificates."""
        with self._database.access() as connection:
            write_report(connection, report)

    def forget(self, node: str) -> None:
        """Deletes the row of that table."""
        with self._database.access() as connection:
            delete_report(connection, node)

    def reports(self) -> list[NodeReport]:
        """The rows of that table; none after a crash of the server."""
        with self._database.access() as connection:
            return read_reports(connection)

    def devices(self) -> DeviceStore:
        """In tables of their own."""
        from certstore.postgresql.devices import PostgresDevices  # noqa: PLC0415 - few commands need them

        return PostgresDevices(self._database)

    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Runs one SELECT on a connection of its own, which cannot write."""
        with self._database.alone() as raw:
            return run_select(raw, sql)
