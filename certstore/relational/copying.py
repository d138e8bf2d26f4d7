"""Everything of one store copied into another, empty one, row by row, and compared afterwards."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from certstore.errors import Conflict, StoreError
from certstore.relational.many import insert_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.relational.connection import Connection

_SPAN = 1000
"""Keys whose rows are read together: 3 MB of certificates."""


class _Table(NamedTuple):
    """A table whose rows are data.

    Attributes:
        name: its name.
        columns: all of them.
        order: the columns that order its rows, and make each unique.
        numbered: whether the first of them is a number, by which a large table is read in parts.
    """

    name: str
    columns: str
    order: str
    numbered: bool = True


_CERTIFICATE = (
    "pkid, subjectname, issuername, serialnumber, commonname, notbefore, notafter, servername, ipv4address, "
    "tkcertificatedistribution, timetolive, der, certificate"
)
_TABLES = (
    _Table("processnode", "pkid, name, address, tknodeusage", "pkid"),
    _Table("certificate", _CERTIFICATE, "pkid"),
    _Table("certificatehashmap", "fkcertificate, hash", "fkcertificate"),
    _Table("certificatetrustrolemap", "fkcertificate, tktrustrole", "fkcertificate, tktrustrole"),
    _Table(
        "certificateservicecertificatemap",
        "pkid, fkcertificate, tkcertificateservice, name, description, fkprocessnode",
        "pkid",
    ),
    _Table(
        "certificatechosenrole",
        "fkcertificateservicecertificatemap, tktrustrole",
        "fkcertificateservicecertificatemap, tktrustrole",
    ),
    _Table("processconfig", "paramname, paramvalue", "paramname", numbered=False),
    _Table("clustergeneration", "number, changed, changedby, description, lists, head", "number"),
    _Table("trustlist", "name, generation, content", "name", numbered=False),
    _Table("formerlist", "name, generation, replaced, content", "name, generation", numbered=False),
)
"""In the order of their foreign keys. The change log and nodes' reports are not data."""
_MUST_BE_EMPTY = ("processnode", "certificate", "clustergeneration", "trustlist")


def check_empty(connection: Connection) -> None:
    """Raises `Conflict` for a database that has a cluster."""
    for table in _MUST_BE_EMPTY:
        if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None:  # noqa: S608 - constants
            raise Conflict("the database to copy to has a cluster already; nothing was changed; name an empty one")


def copy_rows(source: Connection, target: Connection) -> dict[str, int]:
    """Copies all rows into an empty database, both in a transaction. Returns the number of each table's rows."""
    check_empty(target)
    target.execute("DELETE FROM processconfig")  # a new database has the parameters of a new cluster
    counts: dict[str, int] = {}
    for table in _TABLES:
        counts[table.name] = 0
        for rows in _parts(source, table):
            insert_rows(target, f"{table.name} ({table.columns})", rows)
            counts[table.name] += len(rows)
    return counts


def check_copy(source: Connection, target: Connection) -> None:
    """Raises `StoreError` if a table of the copy is not the one that was copied."""
    for table in _TABLES:
        if any(one != other for one, other in zip_longest(_parts(source, table), _parts(target, table))):
            raise StoreError(f"the copy's table {table.name} is not that of the database; nothing was changed")


def _parts(connection: Connection, table: _Table) -> Iterator[list[tuple[Any, ...]]]:
    """All rows in their order, some at a time."""
    select = f"SELECT {table.columns} FROM {table.name}"  # noqa: S608 - constants
    if not table.numbered:
        yield connection.execute(f"{select} ORDER BY {table.order}").fetchall()
        return
    key = table.order.partition(",")[0]
    first = f"SELECT min({key}) FROM {table.name}"  # noqa: S608 - constants
    found = connection.execute(first).fetchone()
    while found is not None and found[0] is not None:
        until = found[0] + _SPAN
        yield connection.execute(
            f"{select} WHERE {key} >= ? AND {key} < ? ORDER BY {table.order}", (found[0], until)
        ).fetchall()
        found = connection.execute(f"{first} WHERE {key} >= ?", (until,)).fetchone()
