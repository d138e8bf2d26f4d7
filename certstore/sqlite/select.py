"""An administrator's SELECT statement (``tvs run sql``) on the SQLite store, with limits."""

from __future__ import annotations

import sqlite3
import sys
import time
from typing import Any

from certstore.errors import StoreError
from certstore.rules import queries

MAX_VALUE = 1_000_000
"""Most bytes of one value and of the statement; certificates are smaller."""
_STEPS_BETWEEN_CHECKS = 10_000
"""Virtual machine instructions between two checks of the clock: about a tenth of a millisecond."""
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})


def run_select(connection: sqlite3.Connection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows. The connection must be for this statement alone: it is restricted.

    Raises:
        StoreError: not one SELECT, an error in it, or more rows, bytes or time than `certstore.rules.queries` allows.
    """
    queries.check_statement(sql)
    _restrict(connection)
    try:
        cursor = connection.execute(sql)
        rows = _rows(cursor)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise _refusal(error) from error
    return [column[0] for column in cursor.description], rows


def _rows(cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """The rows, one by one: the result is never larger in memory than its limits by more than a row."""
    rows: list[tuple[Any, ...]] = []
    size = 0
    for row in cursor:
        size += sum(map(sys.getsizeof, row))
        if len(rows) == queries.MAX_ROWS:
            raise queries.too_many_rows()
        if size > queries.MAX_BYTES:
            raise queries.too_many_bytes()
        rows.append(row)
    return rows


def _restrict(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    deadline = time.monotonic() + queries.TIME_LIMIT
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_CHECKS)
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)


def _refusal(error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_INTERRUPT:
        return queries.too_slow()
    if code == sqlite3.SQLITE_AUTH:
        return queries.not_a_select(str(error))
    if code == sqlite3.SQLITE_TOOBIG:
        return StoreError(f"a value in the statement or its answer has more than {MAX_VALUE} bytes")
    return StoreError(f"the statement cannot be run: {error}")
