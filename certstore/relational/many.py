"""Statements for many rows at once: a statement costs more than a row, on PostgreSQL many times as much."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from certstore.relational.connection import Connection

ROWS = 100
"""Rows of one INSERT, and values of one list. More gain nothing: of 8 columns they are 800 parameters."""


def batches(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The values in lists of at most `size`, in their order."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def insert_rows(
    connection: Connection, into: str, rows: Iterable[Sequence[Any]], returning: str = ""
) -> list[tuple[Any, ...]]:
    """Inserts rows, `ROWS` with each statement.

    Args:
        connection: the connection.
        into: the table, with its columns in parentheses.
        rows: a sequence of values each.
        returning: columns of the new rows that are given back.

    Returns:
        These columns, in any order.
    """
    returned: list[tuple[Any, ...]] = []
    for batch in batches(rows, ROWS):
        row = f"({', '.join('?' * len(batch[0]))})"
        statement = f"INSERT INTO {into} VALUES {', '.join([row] * len(batch))}"  # noqa: S608 - constants
        parameters = [value for values in batch for value in values]
        if returning:
            returned += connection.execute(f"{statement} RETURNING {returning}", parameters).fetchall()
        else:
            connection.execute(statement, parameters)
    return returned


def those_with(
    connection: Connection, subquery: str, values: Iterable[Any], parameters: Sequence[Any] = ()
) -> set[Any]:
    """The values for which a subquery gives one.

    Each value has a subquery: for a list of values PostgreSQL reads a whole table that has no statistics yet.

    Args:
        connection: the connection.
        subquery: a SELECT of one row at most, in which ``v.column1`` is the value.
        values: each once.
        parameters: of the subquery.
    """
    found: set[Any] = set()
    for batch in batches(values, ROWS):
        marks = ", ".join(["(?)"] * len(batch))
        statement = f"SELECT v.column1 FROM (VALUES {marks}) AS v WHERE ({subquery}) IS NOT NULL"  # noqa: S608 - constants
        found.update(value for (value,) in connection.execute(statement, [*batch, *parameters]))
    return found
