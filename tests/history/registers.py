"""The registers of a cluster, read from its database with SQL, in one transaction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, LiteralString

from tests.history.events import Entry, Snapshot

if TYPE_CHECKING:
    import psycopg

CERT, OWN, PARAMETER, LIST = "cert:", "own:", "param:", "list:"
"""Beginnings of the names: a trusted certificate by its serial number, a node's own one by its name, and so on."""
_TRUSTED: LiteralString = """
    SELECT c.serialnumber, (
        SELECT string_agg(r.tktrustrole::text, ' ' ORDER BY r.tktrustrole)
        FROM certificatetrustrolemap r WHERE r.fkcertificate = c.pkid
    )
    FROM certificate c WHERE c.servername = ''
"""
_OWN: LiteralString = """
    SELECT m.name, c.serialnumber FROM certificate c JOIN certificateservicecertificatemap m ON m.fkcertificate = c.pkid
    WHERE c.servername <> ''
"""
_PARAMETERS: LiteralString = "SELECT paramname, paramvalue FROM processconfig"
_LISTS: LiteralString = "SELECT name, content FROM trustlist WHERE content IS NOT NULL"
_LATEST: LiteralString = "SELECT coalesce(max(number), 0) FROM clustergeneration"
_RECORD: LiteralString = (
    "SELECT number, changedby, description, lists FROM clustergeneration WHERE number > %s ORDER BY number"
)


def digest(data: bytes) -> str:
    """The value of a list."""
    return hashlib.sha256(data).hexdigest()


def take_snapshot(connection: psycopg.Connection[Any]) -> Snapshot:
    """All registers and the generation, as of one moment."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        values: dict[str, str | None] = {}
        for kind, statement in ((CERT, _TRUSTED), (OWN, _OWN), (PARAMETER, _PARAMETERS)):
            values |= {kind + name: value for name, value in connection.execute(statement)}
        values |= {LIST + name: digest(bytes(content)) for name, content in connection.execute(_LISTS)}
        row = connection.execute(_LATEST).fetchone()
    return Snapshot(generation=0 if row is None else row[0], values=values)


def read_record(connection: psycopg.Connection[Any], after: int) -> list[Entry]:
    """The generations after a number."""
    rows = connection.execute(_RECORD, [after])
    return [Entry(number=number, node=node, title=title, lists=lists) for number, node, title, lists in rows]
