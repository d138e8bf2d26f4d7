"""Long reads on a standby: they spare the primary, which takes the changes of all nodes."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import psycopg

from certstore.errors import StoreUnavailable
from certstore.postgresql.connecting import connect
from certstore.postgresql.tables import WHOLE

if TYPE_CHECKING:
    from certstore.postgresql.connecting import BoundedConnection, Patience
    from certstore.postgresql.dialect import PostgresConnection
    from certstore.postgresql.target import Target

REST: Final = 60.0
"""Seconds for which no standby is tried after one could not be used: whoever reads must not wait for it each time."""
_LAST_CHANGE: Final = """
    SELECT s.id, lastchange(), coalesce((SELECT token FROM certificatechangelog WHERE number = lastchange()), '')
    FROM tvsschema AS s
"""
_HAS_CHANGE: Final = f"""
    SELECT s.id = $1 AND lastchange() = $2
        AND coalesce((SELECT token FROM certificatechangelog WHERE number = $2), '') = $3 FROM tvsschema AS s
    WHERE {WHOLE}
""".encode()  # noqa: S608 - constants


class Standby:
    """The standbys of a database, of which libpq takes the first in the URL that answers.

    Args:
        target: the servers, of which a session takes a standby.
        patience: the limits of waiting.
    """

    def __init__(self, target: Target, patience: Patience) -> None:
        self._target = target
        self._patience = patience
        self._resting_until = 0.0

    @staticmethod
    def last_change(primary: PostgresConnection) -> tuple[Any, ...]:
        """The database's identity with number and token of its last change, to be looked for on a standby."""
        found: tuple[Any, ...] = primary.execute(_LAST_CHANGE).fetchone()
        return found

    def connected(self, last: tuple[Any, ...]) -> BoundedConnection | None:
        """A new connection in a transaction that sees one moment, with this change as the last one.

        None if there is no such standby: it is away, lags behind, or has another history. One with later changes may
        be a primary of before, which has some that the cluster lost.

        Args:
            last: as `last_change` gives it.
        """
        if monotonic() < self._resting_until:
            return None
        try:
            raw = connect(self._target, self._patience)
        except (StoreUnavailable, psycopg.Error):
            self.rest()
            return None
        try:
            if raw.has_tables:
                raw.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                if raw.execute(_HAS_CHANGE, last).fetchone() == (True,):
                    return raw
        except psycopg.Error:
            self.rest()
        raw.close()
        return None

    def rest(self) -> None:
        """No standby is tried for a while: one went away, or ended a read that kept its replay waiting."""
        self._resting_until = monotonic() + REST
