"""Columns of a certificate that follow from its units: its roles, and its node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.relational.codes import CLUSTER_DISTRIBUTION, NODE_DISTRIBUTION, UNITS
from certstore.relational.nodes import node_at
from certstore.rules.entries import role_changes
from certstore.rules.nodes import ipv4_text

if TYPE_CHECKING:
    from certstore.relational.connection import Connection

_ENTRIES = """
    SELECT m.tkcertificateservice, r.tktrustrole, m.fkprocessnode
    FROM certificateservicecertificatemap AS m
    LEFT JOIN certificatechosenrole AS r ON r.fkcertificateservicecertificatemap = m.pkid
    WHERE m.fkcertificate = ?
"""
_PLACE = """
    UPDATE certificate SET servername = ?, ipv4address = ?, tkcertificatedistribution = ?
    WHERE pkid = ? AND (servername <> ? OR ipv4address <> ? OR tkcertificatedistribution <> ?)
"""


def settle(connection: Connection, pkid: int) -> None:
    """Gives a certificate the roles of its entries and its node's name and address, or removes it without an entry."""
    rows = connection.execute(_ENTRIES, (pkid,)).fetchall()
    chosen: dict[int, list[int]] = {}
    for unit, role, _ in rows:
        chosen.setdefault(unit, []).extend(() if role is None else (role,))
    stored = connection.execute("SELECT tktrustrole FROM certificatetrustrolemap WHERE fkcertificate = ?", (pkid,))
    changes = role_changes([(UNITS[unit], roles) for unit, roles in chosen.items()], [role for (role,) in stored])
    if changes is None:
        connection.execute("DELETE FROM certificate WHERE pkid = ?", (pkid,))
        return
    connection.executemany(
        "DELETE FROM certificatetrustrolemap WHERE fkcertificate = ? AND tktrustrole = ?",
        [(pkid, role) for role in changes.removed],
    )
    connection.executemany(
        "INSERT INTO certificatetrustrolemap VALUES (?, ?)",
        [(pkid, role) for role in changes.added],
    )
    _place(connection, pkid, next((node for _, _, node in rows if node is not None), None))


def _place(connection: Connection, pkid: int, node_row: int | None) -> None:
    node = None if node_row is None else node_at(connection, node_row)
    place = (
        "" if node is None else node.name,
        ipv4_text(node),
        CLUSTER_DISTRIBUTION if node is None else NODE_DISTRIBUTION,
    )
    connection.execute(_PLACE, (*place, pkid, *place))
