"""A connection to the server: made, set up, and given up when the server does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg

from certstore.postgresql.advice import not_connected

if TYPE_CHECKING:
    from collections.abc import Generator

    from certstore.postgresql.target import Target

GRACE = 1.0
"""Seconds beyond the server's own limit of a statement after which a connection without an answer is given up."""
IDLE_LIMIT = 60
"""Seconds that the server keeps a transaction in which nothing happens: a program that hangs must not hold locks."""
_SETTINGS = """
    SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
        set_config('idle_in_transaction_session_timeout', $3, false),
        set_config('standard_conforming_strings', 'on', false),
        set_config('default_transaction_isolation', 'read committed', false),
        set_config('row_security', 'off', false), pg_backend_pid(),
        (SELECT set_config('search_path', quote_ident(n.nspname) || ', pg_temp', false)
         FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relname = 'tvsschema' AND n.nspname = ANY (current_schemas(false))
         ORDER BY array_position(current_schemas(false), n.nspname) LIMIT 1)
"""
"""By statement and not by ``options``, which poolers refuse. The tables are found where the user's own search_path has
them; from then on it has their schema alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds until a wait ends.

    Attributes:
        statement: for one statement.
        lock: for a lock that another program holds.
    """

    statement: float
    lock: float


USUAL = Patience(statement=30.0, lock=5.0)
"""Of commands. Transactions of others take milliseconds, or seconds for a large import."""
LAZY = Patience(statement=3.0, lock=0.5)
"""Of a service, which answers phones meanwhile and tries again by itself."""


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that gives a server up which does not answer: TCP does not notice a server that was stopped.

    Attributes:
        patience: seconds for one answer.
        process: number of the server's process, which notifications name.
        has_tables: whether the database has tables of this service.
    """

    patience: float = USUAL.statement + GRACE
    process: int = 0
    has_tables: bool = False

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Waits as the driver does, but not for ever."""
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        deadline = monotonic() + self.patience
        try:
            wanted = next(generator)
            while True:
                ready = yield wanted
                if not ready and monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server has not answered for {self.patience:g} s")
                wanted = generator.send(ready)
        except StopIteration as done:
            return done.value


def connect(target: Target, patience: Patience) -> BoundedConnection:
    """A new connection in autocommit mode, set up. Raises `StoreUnavailable`, and `psycopg.Error` of the set-up."""
    try:
        raw = BoundedConnection.connect(
            **target.parameters,  # type: ignore[arg-type] # libpq's own
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
        )
    except psycopg.Error as error:
        raise not_connected(target.name, error) from None
    raw.patience = patience.statement + GRACE
    try:
        set_up(raw, patience)
    except BaseException:
        raw.close()
        raise
    return raw


def set_up(raw: BoundedConnection, patience: Patience) -> None:
    """Sets the session's limits and its search_path. Raises `psycopg.Error`."""
    times = (patience.statement, patience.lock, IDLE_LIMIT)
    row = raw.execute(_SETTINGS, [f"{round(seconds * 1000)}ms" for seconds in times]).fetchone()
    if row is not None:
        raw.process, raw.has_tables = row[-2], row[-1] is not None
