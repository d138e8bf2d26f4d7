"""The part of a database connection that shared statements use: `sqlite3.Connection` has it as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Cursor(Protocol):
    """The rows of one statement."""

    def __iter__(self) -> Iterator[tuple[Any, ...]]: ...

    def fetchone(self) -> Any:
        """The next row; None after the last."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""


class Connection(Protocol):
    """A connection of one database.

    Values are int, str, bytes and None, in rows too. A statement has a ``?`` for each parameter.
    """

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Runs one statement. Raises the driver's error."""

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Runs one statement for each sequence of parameters."""
