"""Own certificates that go from one node to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.relational.codes import UNIT_CODES
from certstore.relational.entries import remove_mapping

if TYPE_CHECKING:
    from certstore.purposes import Purpose
    from certstore.relational.connection import Connection


def move_own(connection: Connection, unit: Purpose, source: int, target: int) -> None:
    """Gives a node's own certificate in a unit, if it has one, to another node, in place of the one that it has."""
    moved, present = _own_mapping(connection, unit, source), _own_mapping(connection, unit, target)
    if moved is None:
        return
    if present is not None:
        remove_mapping(connection, present)
    connection.execute("UPDATE certificateservicecertificatemap SET fkprocessnode = ? WHERE pkid = ?", (target, moved))


def _own_mapping(connection: Connection, unit: Purpose, node_row: int) -> int | None:
    row = connection.execute(
        "SELECT pkid FROM certificateservicecertificatemap WHERE tkcertificateservice = ? AND fkprocessnode = ?",
        (UNIT_CODES[unit], node_row),
    ).fetchone()
    return None if row is None else int(row[0])
