"""Columns of a certificate that follow from its units in the SQLite store: its roles, and its node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.rules.entries import role_changes
from certstore.rules.nodes import ipv4_text
from certstore.sqlite.nodes import node_at
from certstore.sqlite.tables import CLUSTER_DISTRIBUTION, NODE_DISTRIBUTION, UNIT_CODES

if TYPE_CHECKING:
    import sqlite3

UNITS = {code: unit for unit, code in UNIT_CODES.items()}
"""The unit of each ``typecertificateservice.enum``."""
_ENTRIES = """
    SELECT m.tkcertificateservice, r.tktrustrole, m.fkprocessnode
    FROM certificateservicecertificatemap AS m
    LEFT JOIN certificatechosenrole AS r ON r.fkcertificateservicecertificatemap = m.pkid
    WHERE m.fkcertificate = ?
"""
_PLACE = """
    UPDATE certificate SET servername = :server, ipv4address = :address, tkcertificatedistribution = :distribution
    WHERE pkid = :pkid
    AND (servername, ipv4address, tkcertificatedistribution) IS NOT (:server, :address, :distribution)
"""


def settle(connection: sqlite3.Connection, pkid: int) -> None:
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


def _place(connection: sqlite3.Connection, pkid: int, node_row: int | None) -> None:
    node = None if node_row is None else node_at(connection, node_row)
    connection.execute(
        _PLACE,
        {
            "server": "" if node is None else node.name,
            "address": ipv4_text(node),
            "distribution": CLUSTER_DISTRIBUTION if node is None else NODE_DISTRIBUTION,
            "pkid": pkid,
        },
    )
