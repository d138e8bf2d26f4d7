"""Statements of the cache: all certificates, or those in the change log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.changes import BadRow, Changes
from certstore.relational.rows import COLUMNS, ROLES, identity_from_row, trusted_certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from certstore.certificate import TrustedCertificate
    from certstore.relational.connection import Connection

_ALL = f"SELECT {COLUMNS}, {ROLES} FROM certificate AS c ORDER BY c.pkid"  # noqa: S608 - constants
_LOGGED = "SELECT count(*) FROM certificatechangelog WHERE number > ?"
_IDENTITIES = (
    "SELECT DISTINCT CAST(serialnumber AS BLOB), CAST(issuername AS BLOB) FROM certificatechangelog WHERE number > ?"
)
_OF_CHANGE = "SELECT token FROM certificatechangelog WHERE number = ?"
_CHANGED = f"""
    SELECT {COLUMNS}, {ROLES}
    FROM (SELECT DISTINCT serialnumber, issuername FROM certificatechangelog WHERE number > ?) AS changed
    JOIN certificate AS c ON c.serialnumber = changed.serialnumber AND c.issuername = changed.issuername
"""  # noqa: S608 - constants


def read_all(connection: Connection, on_bad_row: Callable[[BadRow], None] | None) -> Iterator[TrustedCertificate]:
    """Every certificate with its roles, as of one moment."""
    return trusted_certificates(connection.execute(_ALL), on_bad_row)


def read_token(connection: Connection, number: int) -> str:
    """The token of a change; empty if the log does not have the change, or a program of before wrote it."""
    row = connection.execute(_OF_CHANGE, (number,)).fetchone()
    return "" if row is None or row[0] is None else str(row[0])


def read_changes(
    connection: Connection,
    current: int,
    number: int,
    on_bad_row: Callable[[BadRow], None] | None,
    token: str,
) -> Changes | None:
    """The changes that the log has after `number`, in a transaction; None if it does not reach back so far.

    Args:
        connection: the connection.
        current: the number of the last change in this transaction.
        number: the number of the last change that the reader knows.
        on_bad_row: called with each row that cannot be decoded.
        token: that of this change, if it is to be compared; the log is another database's if it has another one.
    """
    if token and token != read_token(connection, number):
        return None
    logged: int = connection.execute(_LOGGED, (number,)).fetchone()[0]
    if number > current or logged != current - number:
        return None
    removed = filter(None, map(identity_from_row, connection.execute(_IDENTITIES, (number,))))
    changed = trusted_certificates(connection.execute(_CHANGED, (number,)), on_bad_row)
    return Changes(
        number=current, token=read_token(connection, current), removed=tuple(removed), changed=tuple(changed)
    )
