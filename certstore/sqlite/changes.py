"""Statements of the cache on the SQLite store: all certificates, or those in the change log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.sqlite.rows import COLUMNS, ROLES, identity_from_row, trusted_certificates
from certstore.store import BadRow, Changes

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from certstore.certificate import TrustedCertificate

_ALL = f"SELECT {COLUMNS}, {ROLES} FROM certificate AS c ORDER BY c.pkid"  # noqa: S608 - constants
_LOGGED = "SELECT count(*) FROM certificatechangelog WHERE number > ?"
_IDENTITIES = (
    "SELECT DISTINCT CAST(serialnumber AS BLOB), CAST(issuername AS BLOB) FROM certificatechangelog WHERE number > ?"
)
_CHANGED = f"""
    SELECT {COLUMNS}, {ROLES}
    FROM (SELECT DISTINCT serialnumber, issuername FROM certificatechangelog WHERE number > ?) AS changed
    JOIN certificate AS c ON c.serialnumber = changed.serialnumber AND c.issuername = changed.issuername
"""  # noqa: S608 - constants


def read_all(
    connection: sqlite3.Connection, on_bad_row: Callable[[BadRow], None] | None
) -> Iterator[TrustedCertificate]:
    """Every certificate with its roles, as of one moment."""
    return trusted_certificates(connection.execute(_ALL), on_bad_row)


def change_number(connection: sqlite3.Connection) -> int:
    """The number of the last row that the log ever had; 0 in a new store."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'certificatechangelog'").fetchone()
    return 0 if row is None else int(row[0])


def read_changes(
    connection: sqlite3.Connection, number: int, on_bad_row: Callable[[BadRow], None] | None
) -> Changes | None:
    """The changes that the log has after `number`, in a transaction; None if it does not reach back so far."""
    current = change_number(connection)
    logged: int = connection.execute(_LOGGED, (number,)).fetchone()[0]
    if number > current or logged != current - number:
        return None
    removed = filter(None, map(identity_from_row, connection.execute(_IDENTITIES, (number,))))
    changed = trusted_certificates(connection.execute(_CHANGED, (number,)), on_bad_row)
    return Changes(number=current, removed=tuple(removed), changed=tuple(changed))
