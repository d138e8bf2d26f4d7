"""The cluster's phones in tables of the database: what one node has seen, all know."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from certstore.devices import DeviceStore
from certstore.postgresql.dialect import PostgresConnection, StreamedConnection
from certstore.relational.devices import RelationalDevices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from certstore.postgresql.database import PostgresDatabase

WRITING: Final = 0x54565333
"""Key of the advisory lock of a transaction that writes devices, 'TVS3': nodes that have seen the same phone write one
after the other. Writers of certificates do not wait for it."""
_BEGIN: Final = ("BEGIN", f"SELECT pg_advisory_xact_lock({WRITING})")


class PostgresDevices(DeviceStore):
    """The devices in a PostgreSQL database.

    Args:
        database: the database.
    """

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    @contextmanager
    def reading(self) -> Iterator[RelationalDevices]:
        """See `DeviceStore.reading`. On a connection of its own: a long read keeps no thread waiting."""
        with self._database.alone() as raw:
            raw.execute(self._database.BEGIN_SNAPSHOT)
            yield _Devices(PostgresConnection(raw))

    @contextmanager
    def writing(self) -> Iterator[RelationalDevices]:
        """See `DeviceStore.writing`."""
        with self._database.transaction(_BEGIN) as connection:
            yield _Devices(connection)


class _Devices(RelationalDevices):
    """The tables; rows that can be many are not all in memory at once."""

    _connection: PostgresConnection

    def _streamed(self, statement: str) -> Iterable[tuple[Any, ...]]:
        raw = self._connection.raw
        yield from StreamedConnection(raw).execute(statement)
        raw.execute("CLOSE stream")
