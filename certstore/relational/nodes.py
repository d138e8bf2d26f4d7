"""Statements on the cluster's nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from certstore.rules.names import storable
from certstore.rules.nodes import check_addition, check_deletion, check_node, check_promotion, no_such_node
from certstore.store import Node

if TYPE_CHECKING:
    from certstore.relational.connection import Connection

_PUBLISHER = 0
_SUBSCRIBER = 1
"""Values of ``processnode.tknodeusage``."""


def list_nodes(connection: Connection) -> list[Node]:
    """The publisher first, the others by name."""
    rows = connection.execute("SELECT name, address, tknodeusage FROM processnode ORDER BY tknodeusage, name")
    return [_node(*row) for row in rows]


def find_owner(connection: Connection, name: str | None) -> tuple[int | None, Node | None]:
    """Row and node of that name, of the publisher for None; no row while there is none. Raises `NotFound`."""
    if name is not None:
        return find_node(connection, name)
    row = connection.execute(
        "SELECT pkid, name, address, tknodeusage FROM processnode WHERE tknodeusage = ?", (_PUBLISHER,)
    ).fetchone()
    return (None, None) if row is None else (row[0], _node(*row[1:]))


def find_node(connection: Connection, name: str) -> tuple[int, Node]:
    """Row and node of that name, whatever its case. Raises `NotFound`."""
    row = connection.execute(
        "SELECT pkid, name, address, tknodeusage FROM processnode WHERE name = ?", (storable(name),)
    ).fetchone()
    if row is None:
        raise no_such_node(name, list_nodes(connection))
    return row[0], _node(*row[1:])


def node_at(connection: Connection, pkid: int) -> Node | None:
    """The node in a row; None if a foreign program removed it."""
    row = connection.execute("SELECT name, address, tknodeusage FROM processnode WHERE pkid = ?", (pkid,)).fetchone()
    return None if row is None else _node(*row)


def _node(name: str, address: str, usage: int) -> Node:
    return Node(name=name, address=address, publisher=usage == _PUBLISHER)


def insert_node(connection: Connection, node: Node) -> None:
    """Inserts a node; a publisher takes over the own certificates that were there before. Raises `StoreError`."""
    check_node(node)
    check_addition(node, list_nodes(connection))
    ((pkid,),) = connection.execute(
        "INSERT INTO processnode (name, address, tknodeusage) VALUES (?, ?, ?) RETURNING pkid",
        (node.name, node.address, _PUBLISHER if node.publisher else _SUBSCRIBER),
    ).fetchall()
    if node.publisher:
        connection.execute(
            "UPDATE certificateservicecertificatemap SET fkprocessnode = ? "
            "WHERE fkprocessnode IS NULL AND tkcertificateservice IN "
            "(SELECT enum FROM typecertificateservice WHERE name NOT LIKE '%-trust')",
            (pkid,),
        )


def update_node(connection: Connection, name: str, node: Node) -> tuple[int, Node]:
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


def swap_publisher(connection: Connection, name: str) -> tuple[tuple[int, Node], tuple[int, Node] | None]:
    """Makes a subscriber the publisher in place of the present one. Raises `NotFound`, `Conflict`.

    Returns row and node of the new one, and of the one before if there was one, as they are then.
    """
    row, node = find_node(connection, name)
    check_promotion(node)
    before, old = find_owner(connection, None)
    for usage, changed in ((_SUBSCRIBER, before), (_PUBLISHER, row)):  # in this order: a cluster has one publisher
        connection.execute("UPDATE processnode SET tknodeusage = ? WHERE pkid = ?", (usage, changed))
    new = (row, replace(node, publisher=True))
    return new, None if before is None or old is None else (before, replace(old, publisher=False))


def remove_node(connection: Connection, name: str) -> None:
    """Deletes a node that does not have own certificates any more."""
    connection.execute("DELETE FROM processnode WHERE name = ?", (storable(name),))


def own_mappings(connection: Connection, name: str) -> list[int]:
    """Rows of the mappings of own certificates of a node to delete. Raises `NotFound`, `Conflict`."""
    pkid, node = find_node(connection, name)
    check_deletion(node)
    rows = connection.execute("SELECT pkid FROM certificateservicecertificatemap WHERE fkprocessnode = ?", (pkid,))
    return [mapping for (mapping,) in rows]
