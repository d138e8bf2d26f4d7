"""The certificate store in one SQLite file.

`database` has the connection; `tables`, `schema` and `migration` the tables; `changes`, `entries`, `settling`, `nodes`
and `select` the statements; `certstore.rules` what is refused and why.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from certstore.certificate import Certificate, check_issuer
from certstore.purposes import Purpose
from certstore.rules.entries import check_import
from certstore.rules.names import storable
from certstore.sqlite.changes import change_number, read_all, read_changes
from certstore.sqlite.database import Database
from certstore.sqlite.entries import (
    choose_roles,
    describe,
    find_mapping,
    import_own,
    import_trusted,
    list_entries,
    read_entry,
    read_roles,
    read_trusted_ends,
    remove_mapping,
    rename_own,
)
from certstore.sqlite.nodes import insert_node, list_nodes, own_mappings, remove_node, update_node
from certstore.sqlite.select import run_select
from certstore.store import CertificateStore, Node, StoreEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from certstore.certificate import TrustedCertificate
    from certstore.store import BadRow, Changes


class SqliteStore(CertificateStore):
    """A `CertificateStore` in one SQLite file on a local disk. Several processes may open it."""

    def __init__(self, path: Path, *, create: bool = False, lazy: bool = False) -> None:
        """Opens the file, or leaves that to the first access if `lazy`. Raises `StoreUnavailable`.

        With `create`, makes it with mode 0600 if there is none.
        """
        self._database = Database(path, create=create, lazy=lazy)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self._database.path)!r})"

    # -- for the cache

    def trusted(self, on_bad_row: Callable[[BadRow], None] | None = None) -> Iterator[TrustedCertificate]:
        """Every certificate with its roles, on a connection of its own: a long read keeps no thread waiting."""
        with self._database.reader() as connection:
            yield from read_all(connection, on_bad_row)

    def changes_since(self, number: int, on_bad_row: Callable[[BadRow], None] | None = None) -> Changes | None:
        """The changes that the log has after `number`, as of one moment; None if it does not reach back so far."""
        with self._database.snapshot() as connection:
            return read_changes(connection, number, on_bad_row)

    def change_number(self) -> int:
        """The number of the last row that the change log ever had; 0 in a new store."""
        with self._database.access() as connection:
            return change_number(connection)

    def changed(self) -> bool:
        """See `Database.changed`."""
        return self._database.changed()

    def identity(self) -> str | None:
        """See `Database.identity`."""
        return self._database.identity()

    # -- certificates

    def entries(self, *, own: bool | None = None, unit: Purpose | None = None) -> list[StoreEntry]:
        """The entries of the units that meet both conditions."""
        units = [purpose for purpose in Purpose if unit in (None, purpose) and own in (None, purpose.own)]
        with self._database.snapshot() as connection:
            return [entry for purpose in units for entry in list_entries(connection, purpose)]

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

    def import_certificate(
        self,
        der: bytes,
        unit: Purpose,
        *,
        node: str | None = None,
        description: str = "",
        time_to_live: int | None = None,
        roles: Collection[int] = (),
        replace: bool = False,
    ) -> StoreEntry:
        """Imports a certificate into a unit, in one transaction."""
        certificate = Certificate.from_der(der)
        check_issuer(certificate.issuer_name)
        check_import(unit, node, time_to_live, roles)
        with self._database.transaction() as connection:
            if unit.own:
                mapping = import_own(connection, certificate, unit, node, replace=replace)
            else:
                mapping = import_trusted(connection, certificate, unit)
            describe(connection, mapping, description, time_to_live)
            choose_roles(connection, mapping, roles)
            return read_entry(connection, mapping)

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
            connection.execute("INSERT OR REPLACE INTO processconfig VALUES (?, ?)", (storable(name), storable(value)))

    # -- the rest

    def select(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Runs one SELECT on a connection of its own, which cannot write."""
        with self._database.reader() as connection:
            return run_select(connection, sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes the changes inside the with-block one transaction; other writers wait for its end."""
        with self._database.transaction():
            yield

    def close(self) -> None:
        """Closes the database."""
        self._database.close()
