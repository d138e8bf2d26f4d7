"""Errors of the driver and of PostgreSQL as sentences that say what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from certstore.errors import OutcomeUnknown, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

_READ_ONLY = (
    "the server takes no changes: it is a standby, or set to read-only; name the primary in the URL, or all servers: "
    "postgresql://USER@HOST1,HOST2/DATABASE"
)
_TOO_MANY = "the server has too many connections; raise its max_connections, or let other programs use fewer"
_LOST = "the connection to the server was lost"
_INCOMPLETE = "the tables are incomplete: a backup is being restored into them, or they are damaged"
POOLER = (
    "a connection pooler between this program and the server gives its session away: connect to the server itself, or "
    "set the pooler to session pooling"
)
"""For transaction pooling: prepared statements, settings and LISTEN are lost with it."""
_BY_STATE = {
    "26000": POOLER,
    "42P05": POOLER,
    "25006": _READ_ONLY,
    "25P03": "a transaction was left open for too long, and the server ended it",
    "40P01": "another program changed the same rows; nothing was changed; try again",
    "42501": "the database user has no right to this; GRANT it, or make the tables its own",
    "53100": "the server's disk is full; nothing was changed",
    "53200": "the server is short of memory; nothing was changed",
    "53300": _TOO_MANY,
    "55P03": "another program has held the database for too long; try again",
    "57014": "the server took too long; try again when it has less to do",
    "57P01": "the server was stopped, or an administrator ended the connection",
    "57P02": "the server failed and starts again",
    "57P03": "the server is starting or stopping; try again",
    "57P04": "the database was dropped",
}
"""Advice by SQLSTATE (PostgreSQL, Appendix A)."""
_BY_CLASS = {"08": _LOST, "58": "the server's disk reports an error", "XX": "the database is damaged; look at its log"}
"""Advice by the first two characters of SQLSTATE."""
_BY_TEXT = (
    ("password authentication failed", "the user's name or password is wrong"),
    ("no password supplied", "the server wants a password: name a file with it in the URL: ?passfile=FILE"),
    ("authentication failed", "the server does not believe the user's name; look at its pg_hba.conf"),
    ("pg_hba.conf", "the server lets nobody in from here under this name; add a line to its pg_hba.conf"),
    ("permission denied for database", "the user may not use the database: GRANT CONNECT ON DATABASE … TO …"),
    ('database "', "there is no such database; make it: createdb --owner USER DATABASE"),
    ('role "', "there is no such user on the server; make it: createuser --pwprompt USER"),
    ("too many", _TOO_MANY),
    ("connection slots", _TOO_MANY),
    ("starting up", "the server is starting; try again"),
    ("shutting down", "the server is stopping"),
    ("recovery mode", "the server failed and starts again; try again"),
    ("read-only", _READ_ONLY),
    ("SSL", "TLS with the server failed; look at sslmode and sslrootcert in the URL"),
    ("certificate", "TLS with the server failed; look at sslmode and sslrootcert in the URL"),
    ("Too many open files", "this process has too many files open"),
)
"""Advice for a connection that was not made, for which libpq has a text only; the first that fits."""
_LOCAL = ("SSL", "certificate", "read-only", "Too many open files", "no password supplied")
"""Words of errors that this side finds, without an answer of the server."""
_UNREACHABLE = "the server cannot be reached; start it, or correct host and port in the URL"


def only_row(rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """The one row of an answer. Raises `psycopg.OperationalError` if there is none, or a value is missing in it."""
    if len(rows) != 1 or None in rows[0]:
        raise psycopg.OperationalError(_INCOMPLETE)
    return rows[0]


def unavailable(name: str, error: psycopg.Error) -> StoreUnavailable:
    """The error for people.

    Args:
        name: the database's name.
        error: the driver's error.
    """
    detail = first_line(error)
    advice = _advice(error, detail)
    return StoreUnavailable(f"{name}: {advice} ({detail})" if advice else f"{name}: {detail}")


def outcome_unknown(name: str, error: psycopg.Error) -> OutcomeUnknown:
    """The error of a commit whose answer did not come."""
    return OutcomeUnknown(f"{name}: the connection was lost at the commit ({first_line(error)})")


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without the place in a statement that follows it."""
    return str(error).strip().partition("\n")[0].rstrip()


def not_connected(name: str, error: psycopg.Error) -> StoreUnavailable:
    """The error of a connection that was not made."""
    detail = first_line(error)
    advice = next((advice for words, advice in _BY_TEXT if words in _of_server(detail)), _UNREACHABLE)
    return StoreUnavailable(f"{name}: {advice} ({detail})")


def _of_server(detail: str) -> str:
    """The server's own words in libpq's text, or one of `_LOCAL`; empty if it said nothing."""
    _, fatal, words = detail.partition("FATAL: ")
    local = next((text for text in _LOCAL if text in detail), "")
    return words if fatal else local


def _advice(error: psycopg.Error, detail: str) -> str:
    state = error.sqlstate or ""
    if not state:
        return "" if detail.startswith((_LOST, _INCOMPLETE)) else _LOST
    return _BY_STATE.get(state, "") or _BY_CLASS.get(state[:2], "")
