"""A certificate store in tables: the methods that are the same for every database."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic

from certstore.changes import LastChange
from certstore.generations import Position
from certstore.purposes import Purpose
from certstore.relational.changes import read_all, read_changes, read_token
from certstore.relational.database import C
from certstore.relational.entries import (
    decoded,
    entry_rows,
    find_mapping,
    read_entry,
    read_roles,
    read_trusted_ends,
    remove_mapping,
    rename_own,
)
from certstore.relational.generations import advance, current_generation, former_lists, has_generation, stored_lists
from certstore.relational.nodes import insert_node, list_nodes, own_mappings, remove_node, swap_publisher, update_node
from certstore.relational.ownership import move_own
from certstore.rules.names import storable
from certstore.store import CertificateStore, Node, StoreEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from certstore.certificate import Certificate, TrustedCertificate
    from certstore.changes import BadRow, Changes, NewCertificate
    from certstore.generations import FormerList, Generation, StoredList
    from certstore.relational.database import Database

_SET_PARAMETER = """
    INSERT INTO processconfig VALUES (?, ?) ON CONFLICT (paramname) DO UPDATE SET paramvalue = excluded.paramvalue
"""


class RelationalStore(CertificateStore, Generic[C]):
    """A `CertificateStore` in the tables of one database."""

    def __init__(self, database: Database[C]) -> None:
        self._database = database

    # -- for the cache

    def trusted(self, on_bad_row: Callable[[BadRow], None] | None = None) -> Iterator[TrustedCertificate]:
        """Every certificate with its roles, on a connection of its own: a long read keeps no thread waiting."""
        with self._database.reader() as connection:
            yield from read_all(connection, on_bad_row)

    def changes_since(
        self, number: int, on_bad_row: Callable[[BadRow], None] | None = None, *, token: str = ""
    ) -> Changes | None:
        """The changes that the log has after `number`, as of one moment; None if it does not reach back so far."""
        with self._database.snapshot() as connection:
            return read_changes(connection, self._number(connection), number, on_bad_row, token)

    def last_change(self) -> LastChange:
        """The number of the last row that the change log ever had, and the token in it if it is still there."""
        with self._database.snapshot() as connection:
            number = self._number(connection)
            return LastChange(number=number, token=read_token(connection, number))

    def change_number(self) -> int:
        """The number of the last row that the change log ever had; 0 in a new store."""
        with self._database.access() as connection:
            return self._number(connection)

    @staticmethod
    @abstractmethod
    def _number(connection: C) -> int:
        """The number of the last row that the change log ever had."""

    def changed(self) -> bool:
        """See `Database.changed` of the database's package."""
        return self._database.changed()

    def known_at(self) -> float:
        """See `Database.known_at` of the database's package."""
        return self._database.known_at()

    def identity(self) -> str | None:
        """See `Database.identity` of the database's package."""
        return self._database.identity()

    # -- certificates

    def entries(
        self,
        *,
        own: bool | None = None,
        unit: Purpose | None = None,
        on_bad_row: Callable[[BadRow], None] | None = None,
    ) -> list[StoreEntry]:
        """The entries of the units that meet both conditions; decoded when no transaction is open any more."""
        units = [purpose for purpose in Purpose if unit in (None, purpose) and own in (None, purpose.own)]
        with self._database.snapshot() as connection:
            rows = [entry_rows(connection, purpose) for purpose in units]
        return [entry for of_unit in rows for entry in decoded(of_unit, on_bad_row)]

    def entry(self, unit: Purpose, name: str) -> StoreEntry:
        """The entry of that name, with or without ``.pem``."""
        with self._database.snapshot() as connection:
            return read_entry(connection, find_mapping(connection, unit, name))

    def trusted_ends(self) -> list[int]:
        """The ends of validity of the trusted certificates."""
        with self._database.snapshot() as connection:
            return read_trusted_ends(connection)

    def roles(self, certificate: Certificate) -> tuple[int, ...]:
        """The role codes of a certificate."""
        with self._database.snapshot() as connection:
            return read_roles(connection, certificate)

    def import_certificates(self, certificates: Sequence[NewCertificate]) -> list[StoreEntry]:
        """Imports certificates into units, in one transaction."""
        from certstore.relational.imports import checked, import_all  # noqa: PLC0415 - commands that only read do not

        found = checked(certificates)
        with self._database.transaction() as connection:
            return import_all(connection, found)

    def delete(self, unit: Purpose, name: str) -> StoreEntry:
        """Deletes a certificate from a unit, in one transaction."""
        with self._database.transaction() as connection:
            mapping = find_mapping(connection, unit, name)
            entry = read_entry(connection, mapping)
            remove_mapping(connection, mapping)
        return entry

    # -- the cluster

    def nodes(self) -> list[Node]:
        """The publisher first, the others by name."""
        with self._database.access() as connection:
            return list_nodes(connection)

    def add_node(self, node: Node) -> None:
        """Adds a node, in one transaction. Also raises `StoreError` for a name or address that a node cannot have."""
        with self._database.transaction() as connection:
            insert_node(connection, node)

    def change_node(self, name: str, node: Node) -> None:
        """Changes a node's name and address, and its certificates' names, in one transaction."""
        with self._database.transaction() as connection:
            pkid, changed = update_node(connection, name, node)
            rename_own(connection, pkid, changed)

    def set_publisher(self, name: str, moved: Collection[Purpose]) -> None:
        """Changes the publisher, in one transaction."""
        with self._database.transaction() as connection:
            new, old = swap_publisher(connection, name)
            if old is not None:
                for unit in moved:
                    move_own(connection, unit, old[0], new[0])
                rename_own(connection, *old)  # first: the new one gets these names
            rename_own(connection, *new)

    def delete_node(self, name: str) -> None:
        """Deletes a node and its own certificates, in one transaction."""
        with self._database.transaction() as connection:
            for mapping in own_mappings(connection, name):
                remove_mapping(connection, mapping)
            remove_node(connection, name)

    def parameter(self, name: str) -> str | None:
        """The value of a row of `processconfig`."""
        with self._database.access() as connection:
            row = connection.execute(
                "SELECT paramvalue FROM processconfig WHERE paramname = ?", (storable(name),)
            ).fetchone()
        return None if row is None else str(row[0])

    def set_parameter(self, name: str, value: str) -> None:
        """Sets a row of `processconfig`."""
        with self._database.transaction() as connection:
            connection.execute(_SET_PARAMETER, (storable(name), storable(value)))

    # -- generations

    def generation(self) -> Generation:
        """The row of `clustergeneration` with the highest number."""
        with self._database.access() as connection:
            return current_generation(connection)

    def has_generation(self, generation: Generation) -> bool:
        """Whether the row of that number is the same."""
        with self._database.access() as connection:
            return has_generation(connection, generation)

    def position(self) -> Position:
        """Generation and change number, read in one transaction."""
        with self._database.snapshot() as connection:
            number = current_generation(connection).number
            return Position(generation=number, change_number=self._number(connection))

    def advance(
        self,
        expected: int,
        *,
        who: str,
        what: str,
        lists: Mapping[str, bytes | None] | None = None,
        head: bytes | None = None,
    ) -> Generation:
        """Inserts the next row, in one transaction: a database has one writer at a time."""
        with self._database.transaction() as connection:
            now = self._now(connection)
            return advance(connection, expected, now=now, who=who, what=what, lists=lists or {}, head=head)

    @staticmethod
    @abstractmethod
    def _now(connection: C) -> int:
        """The time by the database's clock, seconds since 1970."""

    def lists(self) -> dict[str, StoredList]:
        """The rows of `trustlist`."""
        with self._database.access() as connection:
            return stored_lists(connection)

    def former_lists(self) -> list[FormerList]:
        """The rows of `formerlist`."""
        with self._database.access() as connection:
            return former_lists(connection, self._now(connection))

    # -- the rest

    @contextmanager
    def snapshot(self) -> Iterator[C]:
        """The shared connection for several reads of one moment."""
        with self._database.snapshot() as connection:
            yield connection

    def fill_from(self, source: CertificateStore) -> dict[str, int]:
        """Copies all rows of another database, in one transaction."""
        from certstore.relational.copying import check_copy, copy_rows  # noqa: PLC0415 - one command copies

        if not isinstance(source, RelationalStore):
            raise TypeError(f"{source!r} has no tables to copy")
        with source.snapshot() as rows, self._database.transaction() as connection:
            counts = copy_rows(rows, connection)
            self._database.continue_numbers(connection)
            check_copy(rows, connection)
            return counts

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes the changes inside the with-block one transaction; other writers wait for its end."""
        with self._database.transaction():
            yield

    def close(self) -> None:
        """Closes the database."""
        self._database.close()
