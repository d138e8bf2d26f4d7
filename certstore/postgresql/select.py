"""An administrator's SELECT statement (``tvs run sql``) on the PostgreSQL store, with limits."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.adapt import Loader

from certstore.errors import StoreError
from certstore.postgresql.advice import first_line
from certstore.postgresql.statement import check_reading, fields, writes
from certstore.rules import queries

if TYPE_CHECKING:
    from psycopg.abc import Buffer

    from certstore.postgresql.connecting import BoundedConnection

READERS = "tvs_read"
"""A role that may only read. If there is one, and the store's user is a member, statements run with its rights."""
MAX_ROW = 4_000_000
"""Most characters of one row as text; certificates are smaller."""
_TOO_LARGE = "the row is too large"
_BATCH_BYTES = 500_000
"""Bytes of rows that are fetched at a time, by the size of the largest so far."""
_MAX_BATCH = 1000
"""Most rows that are fetched at a time."""
_ANSWER = """
    DECLARE answer NO SCROLL CURSOR FOR SELECT * FROM (
{sql}
    ) AS answer WHERE CASE WHEN octet_length(ROW(answer.*)::text) <= {limit} THEN true
        ELSE ('{too_large}, ' || octet_length(ROW(answer.*)::text))::boolean END
"""
"""Inside parentheses nothing but a SELECT can stand. A row that is too large fails on the server: the driver would take
it in whole."""


_CALLABLE = """
    SELECT proname::text FROM pg_proc WHERE proname = ANY ($1::text[]::name[])
        AND 1 BETWEEN pronargs - pronargdefaults AND pronargs AND oid NOT IN (SELECT castfunc FROM pg_cast) LIMIT 1
"""
"""A function of these names, but for casts (``name``, ``date``), that can be called with one argument."""


def run_select(raw: BoundedConnection, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows. The connection must be for this statement alone: it is restricted.

    Values are int, float, str, bytes and None, as SQLite has them: truth is 1 or 0, other types are text.

    Raises:
        StoreError: not one SELECT, a function that does more than read, an error in it, or more rows, bytes or time
            than `certstore.rules.queries` allows.
    """
    queries.check_statement(sql)
    statement = sql.rstrip().removesuffix(";")
    check_reading(statement)
    deadline = time.monotonic() + queries.TIME_LIMIT
    try:
        _restrict(raw)
        _check_fields(raw, fields(statement))
        query = _ANSWER.format(sql=statement, limit=MAX_ROW, too_large=_TOO_LARGE)
        raw.execute(query.encode(), binary=True)  # by the extended protocol, which takes one statement
        return _rows(raw, deadline)
    except (psycopg.Error, ValueError) as error:
        if raw.broken:
            raise
        raise _refusal(error, statement) from error


def _restrict(raw: BoundedConnection) -> None:
    raw.patience = queries.TIME_LIMIT + 5
    raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    raw.execute("SELECT set_config('statement_timeout', $1, true)", [f"{max(1, round(queries.TIME_LIMIT * 1000))}ms"])
    member = "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = $1"
    if raw.execute(member, [READERS]).fetchone() == (True,):
        raw.execute(f"SET LOCAL ROLE {READERS}".encode())


def _check_fields(raw: BoundedConnection, names: list[str]) -> None:
    """Raises `StoreError` if a name behind a dot is a function of one argument, which the server would call."""
    found = raw.execute(_CALLABLE, [names]).fetchone() if names else None
    if found is not None:
        raise StoreError(
            f"the statement has {found[0]} behind a dot, which is also a function that PostgreSQL would call; give the "
            "column another name, or use psql for it"
        )


def _rows(raw: BoundedConnection, deadline: float) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The rows, in small batches: the result is never larger in memory than its limits by more than a batch."""
    rows: list[tuple[Any, ...]] = []
    size, largest, columns = 0, _BATCH_BYTES, []
    while True:
        batch = min(_MAX_BATCH, max(1, _BATCH_BYTES // largest))
        cursor = raw.cursor()
        _plain_values(cursor)
        cursor.execute(f"FETCH {batch} FROM answer".encode())
        columns = [column.name for column in cursor.description or ()]
        fetched = cursor.fetchall()
        sizes = [sum(map(sys.getsizeof, row)) for row in fetched]
        size += sum(sizes)
        largest = max(100, *sizes) if sizes else largest
        if len(rows) + len(fetched) > queries.MAX_ROWS:
            raise queries.too_many_rows()
        if size > queries.MAX_BYTES:
            raise queries.too_many_bytes()
        if len(fetched) < batch:
            return columns, rows + fetched
        rows += fetched
        if time.monotonic() > deadline:
            raise queries.too_slow()


class _Text(Loader):
    """Text as the server writes the value."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode()


class _Number(Loader):
    """A number of any size: without a fraction it is an int."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        try:
            return int(text)
        except ValueError:
            return float(text)


class _Truth(Loader):
    """1 or 0."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


_PLAIN = ("int2", "int4", "int8", "oid", "float4", "float8", "bytea")
"""Types that the driver loads as SQLite's does."""


def _plain_values(cursor: psycopg.Cursor[Any]) -> None:
    for known in psycopg.adapters.types:
        if known.name not in _PLAIN:
            cursor.adapters.register_loader(known.oid, _Text)
        if known.array_oid:
            cursor.adapters.register_loader(known.array_oid, _Text)
    cursor.adapters.register_loader("numeric", _Number)
    cursor.adapters.register_loader("bool", _Truth)


def _refusal(error: Exception, statement: str) -> StoreError:
    detail = first_line(error)
    if isinstance(error, errors.QueryCanceled):
        return queries.too_slow()
    if isinstance(error, errors.ReadOnlySqlTransaction) or (
        isinstance(error, (errors.SyntaxError, errors.FeatureNotSupported)) and writes(statement)
    ):
        return queries.not_a_select(detail)
    if isinstance(error, errors.InvalidTextRepresentation) and _TOO_LARGE in detail:
        return StoreError(f"a row of the answer has more than {MAX_ROW} characters; name fewer columns")
    return StoreError(f"the statement cannot be run: {detail}")
