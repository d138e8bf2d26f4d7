"""Statements on the cluster's nodes in the SQLite store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.rules.names import storable
from certstore.rules.nodes import check_addition, check_deletion, check_node, no_such_node
from certstore.store import Node

if TYPE_CHECKING:
    import sqlite3

_PUBLISHER = 0
_SUBSCRIBER = 1
"""Values of ``processnode.tknodeusage``."""


def list_nodes(connection: sqlite3.Connection) -> list[Node]:
    """The publisher first, the others by name."""
    rows = connection.execute("SELECT name, address, tknodeusage FROM processnode ORDER BY tknodeusage, name")
    return [_node(*row) for row in rows]


def find_owner(connection: sqlite3.Connection, name: str | None) -> tuple[int | None, Node | None]:
    """Row and node of that name, of the publisher for None; no row while there is none. Raises `NotFound`."""
    if name is not None:
        return find_node(connection, name)
    row = connection.execute(
        "SELECT pkid, name, address, tknodeusage FROM processnode WHERE tknodeusage = ?", (_PUBLISHER,)
    ).fetchone()
    return (None, None) if row is None else (row[0], _node(*row[1:]))


def find_node(connection: sqlite3.Connection, name: str) -> tuple[int, Node]:
    """Row and node of that name, whatever its case. Raises `NotFound`."""
    row = connection.execute(
        "SELECT pkid, name, address, tknodeusage FROM processnode WHERE name = ?", (storable(name),)
    ).fetchone()
    if row is None:
        raise no_such_node(name, list_nodes(connection))
    return row[0], _node(*row[1:])


def node_at(connection: sqlite3.Connection, pkid: int) -> Node | None:
    """The node in a row; None if a foreign program removed it."""
    row = connection.execute("SELECT name, address, tknodeusage FROM processnode WHERE pkid = ?", (pkid,)).fetchone()
    return None if row is None else _node(*row)


def _node(name: str, address: str, usage: int) -> Node:
    return Node(name=name, address=address, publisher=usage == _PUBLISHER)


def insert_node(connection: sqlite3.Connection, node: Node) -> None:
    """Inserts a node; a publisher takes over the own certificates that were there before. Raises `StoreError`."""
    check_node(node)
    check_addition(node, list_nodes(connection))
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


def update_node(connection: sqlite3.Connection, name: str, node: Node) -> tuple[int, Node]:
    """Changes a node's name and address. Returns its row, and the node as it is then. Raises `StoreError`.

    A trigger carries both on to the node's own certificates.
    """
    pkid, present = find_node(connection, name)
    changed = replace(node, publisher=present.publisher)
    check_node(changed)
    check_addition(changed, (other for other in list_nodes(connection) if other != present))
    connection.execute(
        "UPDATE processnode SET name = ?, address = ? WHERE pkid = ?", (changed.name, changed.address, pkid)
    )
    return pkid, changed


def remove_node(connection: sqlite3.Connection, name: str) -> None:
    """Deletes a node that does not have own certificates any more."""
    connection.execute("DELETE FROM processnode WHERE name = ?", (storable(name),))


def own_mappings(connection: sqlite3.Connection, name: str) -> list[int]:
    """Rows of the mappings of own certificates of a node to delete. Raises `NotFound`, `Conflict`."""
    pkid, node = find_node(connection, name)
    check_deletion(node)
    rows = connection.execute("SELECT pkid FROM certificateservicecertificatemap WHERE fkprocessnode = ?", (pkid,))
    return [mapping for (mapping,) in rows]
