"""Statements in SQLite's spelling on a PostgreSQL connection, with rows of int, str, bytes and None."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from certstore.postgresql.connecting import BoundedConnection

BATCH = 500
"""Rows of a streamed result that are fetched at a time: some 2 MB."""


@lru_cache(maxsize=256)
def translated(statement: str) -> bytes:
    """A statement of `certstore.relational` as PostgreSQL writes it: its texts have no ``?``."""
    statement = re.sub(r"group_concat\(([\w.]+)\)", r"string_agg(\1::text, ',')", statement)
    statement = re.sub(r"CAST\((.+?) AS BLOB\)", r"convert_to(\1, 'UTF8')", statement)
    numbers = count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", statement).encode()


class PostgresConnection:
    """A connection for statements that both databases share.

    Attributes:
        raw: the driver's connection.
    """

    def __init__(self, raw: BoundedConnection) -> None:
        self.raw = raw

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Runs one statement. Raises `psycopg.Error`."""
        return Rows(self.raw.execute(translated(statement), parameters, binary=True))

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Runs one statement for each sequence of parameters. Raises `psycopg.Error`."""
        for values in parameters:
            self.execute(statement, values)


class StreamedConnection(PostgresConnection):
    """A connection in a transaction of its own, on which one SELECT is read in batches."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Runs one SELECT; its rows are fetched `BATCH` at a time."""
        self.raw.execute(b"DECLARE stream NO SCROLL CURSOR FOR " + translated(statement), parameters)
        return Rows(self._fetched())

    def _fetched(self) -> Iterator[tuple[Any, ...]]:
        while rows := self.raw.execute(f"FETCH {BATCH} FROM stream".encode(), binary=True).fetchall():
            yield from rows


class Rows:
    """The rows of one statement."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def fetchone(self) -> Any:
        """The next row; None after the last."""
        return next(iter(self._rows), None)

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        return list(self._rows)
