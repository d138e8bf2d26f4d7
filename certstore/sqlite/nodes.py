"""The cluster's nodes in the SQLite store."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from certstore.rules import storable
from certstore.store import Conflict, Node, NotFound

if TYPE_CHECKING:
    import sqlite3

_PUBLISHER = 0
_SUBSCRIBER = 1
"""Values of ``processnode.tknodeusage``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose an own certificate is.

    Attributes:
        pkid: row of `processnode`; None while the cluster has no publisher.
        suffix: what its certificates' names carry to tell them from the publisher's; None for the publisher.
        ipv4_address: empty where the node has none.
    """

    pkid: int | None
    suffix: str | None
    ipv4_address: str


def list_nodes(connection: sqlite3.Connection) -> list[Node]:
    """The publisher first, the others by name."""
    rows = connection.execute("SELECT name, address, tknodeusage FROM processnode ORDER BY tknodeusage, name")
    return [Node(name=name, address=address, publisher=usage == _PUBLISHER) for name, address, usage in rows]


def owner(connection: sqlite3.Connection, node: str | None) -> Owner:
    """The node of that name, or the publisher where none is given. Raises `NotFound`."""
    if node is None:
        query, values = "SELECT pkid, address, name FROM processnode WHERE tknodeusage = ?", (_PUBLISHER,)
        row = connection.execute(query, values).fetchone()
        return Owner(pkid=row[0], suffix=None, ipv4_address=_ipv4(row[1])) if row else _NOBODY
    pkid, name, address, usage = _row(connection, node)
    return Owner(pkid=pkid, suffix=None if usage == _PUBLISHER else name, ipv4_address=_ipv4(address))


_NOBODY = Owner(pkid=None, suffix=None, ipv4_address="")


def _ipv4(address: str) -> str:
    try:
        return str(IPv4Address(address))
    except ValueError:
        return ""


def _row(connection: sqlite3.Connection, name: str) -> tuple[int, str, str, int]:
    plain = storable(name)
    row: tuple[int, str, str, int] | None = connection.execute(
        "SELECT pkid, name, address, tknodeusage FROM processnode WHERE name = ?", (plain,)
    ).fetchone()
    if row is None:
        known = ", ".join(node.name for node in list_nodes(connection)) or "none yet"
        raise NotFound(f"there is no node {plain}; nodes: {known}")
    return row


def insert_node(connection: sqlite3.Connection, node: Node) -> None:
    """Adds a node; a publisher takes over the own certificates that were there before. Raises `Conflict`."""
    for present in list_nodes(connection):
        if present.name.lower() == node.name.lower():
            raise Conflict(f"there is a node {present.name} already")
        if present.publisher and node.publisher:
            raise Conflict(f"{present.name} is the publisher already; add {node.name} as a subscriber")
    cursor = connection.execute(
        "INSERT INTO processnode (name, address, tknodeusage) VALUES (?, ?, ?)",
        (node.name, node.address, _PUBLISHER if node.publisher else _SUBSCRIBER),
    )
    if node.publisher:
        connection.execute(
            "UPDATE certificateservicecertificatemap SET fkprocessnode = ? "
            "WHERE fkprocessnode IS NULL AND tkcertificateservice IN "
            "(SELECT enum FROM typecertificateservice WHERE name NOT LIKE '%-trust')",
            (cursor.lastrowid,),
        )


def own_mappings(connection: sqlite3.Connection, name: str) -> tuple[int, list[int]]:
    """A subscriber's row, and the rows of its own certificates' mappings. Raises `NotFound`, `Conflict`."""
    pkid, found, _, usage = _row(connection, name)
    if usage == _PUBLISHER:
        raise Conflict(f"{found} is the publisher: it holds the cluster's configuration and cannot be deleted")
    rows = connection.execute("SELECT pkid FROM certificateservicecertificatemap WHERE fkprocessnode = ?", (pkid,))
    return pkid, [mapping for (mapping,) in rows]
