"""Statements about generations and trust lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.generations import (
    FIRST_GENERATION,
    GENERATIONS_KEPT,
    LIST_NAMES,
    LISTS_KEPT,
    MAX_WHAT,
    MAX_WHEN,
    MAX_WHO,
    FormerList,
    Generation,
    StoredList,
    bounded,
    lists_digest,
)
from certstore.rules.generations import check_expected, check_head, check_lists

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from certstore.relational.connection import Connection

_COLUMNS = "number, changed, changedby, description, lists, head"
_CURRENT = f"SELECT {_COLUMNS} FROM clustergeneration ORDER BY number DESC LIMIT 1"  # noqa: S608 - constants
_NUMBERED = f"SELECT {_COLUMNS} FROM clustergeneration WHERE number = ?"  # noqa: S608 - likewise
_LISTS = "SELECT name, generation, content FROM trustlist ORDER BY name"
_FORMER = """
    SELECT generation, replaced, content, changed FROM formerlist LEFT JOIN clustergeneration ON number = generation
    WHERE name = ? ORDER BY generation DESC LIMIT ?
"""
_FOLLOWING = """
    SELECT changed FROM trustlist JOIN clustergeneration ON number = generation WHERE name = ? AND content IS NOT NULL
"""
_INSERT = "INSERT INTO clustergeneration VALUES (?, ?, ?, ?, ?, ?)"
_PUT_LIST = """
    INSERT INTO trustlist VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, content = excluded.content
"""


def current_generation(connection: Connection) -> Generation:
    """The current generation; number 0 before the first change."""
    row = connection.execute(_CURRENT).fetchone()
    return FIRST_GENERATION if row is None else _generation(*row)


def has_generation(connection: Connection, generation: Generation) -> bool:
    """Whether the database has exactly this generation."""
    row = connection.execute(_NUMBERED, (generation.number,)).fetchone()
    return row is not None and _generation(*row) == generation


def _generation(number: int, when: object, who: object, what: object, lists: object, head: object) -> Generation:
    return Generation(
        number=number, when=_seconds(when), who=_text(who), what=_text(what), lists=_text(lists), head=_bytes(head)
    )


def stored_lists(connection: Connection) -> dict[str, StoredList]:
    """The trust lists by name."""
    rows = connection.execute(_LISTS).fetchall()
    return {
        name: StoredList(generation=generation, data=_bytes(data))
        for name, generation, data in rows
        if name in LIST_NAMES
    }


def former_lists(connection: Connection, now: int) -> list[FormerList]:
    """The lists that were replaced, for each name the last one first. `now`: by the database's clock."""
    return [one for name in LIST_NAMES for one in _former(connection, name, now)]


def _former(connection: Connection, name: str, now: int) -> Iterator[FormerList]:
    """Those of a name. The table has the time of a deletion; phones keep a deleted list until another one comes."""
    following = connection.execute(_FOLLOWING, (name,)).fetchone()
    came = 0 if following is None else _seconds(following[0])
    for generation, replaced, data, changed in connection.execute(_FORMER, (name, LISTS_KEPT)).fetchall():
        age = float(now - max(_seconds(replaced), came))
        yield FormerList(name=name, generation=generation, data=_bytes(data) or b"", age=age)
        came = _seconds(changed)


# SQLite's columns hold values of any type, and a program that is not ours may have written others.


def _seconds(value: object) -> int:
    return min(max(value, 0), MAX_WHEN) if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bytes(value: object) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def advance(
    connection: Connection,
    expected: int,
    *,
    now: int,
    who: str,
    what: str,
    lists: Mapping[str, bytes | None],
    head: bytes | None,
) -> Generation:
    """Makes the next generation, in a transaction; see `certstore.generations.GenerationStore.advance`.

    `now`: seconds since 1970 by the database's clock.
    """
    check_lists(lists)
    check_head(head)
    check_expected(current_generation(connection), expected)
    number = expected + 1
    connection.executemany(_PUT_LIST, [(name, number, data) for name, data in lists.items()])
    digest = lists_digest({name: one.data for name, one in stored_lists(connection).items()})
    connection.execute(_INSERT, (number, now, bounded(who, MAX_WHO), bounded(what, MAX_WHAT), digest, head))
    connection.execute("DELETE FROM clustergeneration WHERE number <= ?", (number - GENERATIONS_KEPT,))
    return current_generation(connection)
