"""Statements about the cluster's phones. SQLite runs them in a file of its own, PostgreSQL in the database."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from certstore.devices import MAX_DEVICES, BriefDevice, Device, DeviceTable, Standing, Unserved
from certstore.relational.many import ROWS, batches
from certstore.rules.names import storable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from certstore.relational.connection import Connection

_COLUMNS: Final = {"device": Device._fields, "unserved": Unserved._fields}
"""Tables and their columns, the key first. They have the names of the fields."""
_STANDING: Final = f"""
    CASE WHEN last = 0 THEN '{Standing.MISSING}'
        WHEN denied_serial <> '' AND denied_seen >= signer_seen THEN '{Standing.DENIED}'
        WHEN signer_serial <> '' THEN '{Standing.TRUSTING}'
        ELSE '{Standing.ELSEWHERE}' END
"""
"""`Standing.of` as an expression."""
_GROUPS: Final = f"SELECT model, {_STANDING}, count(*) FROM device GROUP BY 1, 2 ORDER BY 1, 2"  # noqa: S608 - constants
_NOTED: Final = f"""
    SELECT {", ".join(Device._fields)} FROM device WHERE {_STANDING} IN ('{Standing.DENIED}', '{Standing.MISSING}')
    ORDER BY last DESC, name LIMIT ?
"""  # noqa: S608 - constants
"""Devices of two standings; those that were never seen are the last."""
_ONCE: Final = "listed = 0 AND requests <= 1"
"""Condition of devices that are the first to go."""
_FREED: Final = 100
"""The part of the most devices that is freed at once, as a divisor: each time costs a sort."""


class RelationalDevices(DeviceTable):
    """The devices in two tables.

    Args:
        connection: in a transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, names: Collection[str]) -> dict[str, Device]:
        """Rows of the table `device`."""
        return {row[0]: Device._make(row) for row in self._rows("device", names)}

    def put(self, devices: Iterable[Device]) -> None:
        """Inserts or replaces rows, `ROWS` with each statement."""
        self._put("device", devices)

    def all(self) -> Iterator[Device]:
        """All rows."""
        return map(Device._make, self._streamed(f"{_select('device')} ORDER BY name"))

    def brief(self) -> Iterator[BriefDevice]:
        """All rows, some columns."""
        columns = ", ".join(BriefDevice._fields)
        return map(BriefDevice._make, self._streamed(f"SELECT {columns} FROM device ORDER BY name"))  # noqa: S608 - constants

    def noted(self, most: int) -> list[Device]:
        """Rows of the table `device`."""
        return [Device._make(row) for row in self._connection.execute(_NOTED, (most,)).fetchall()]

    def unserved(self, addresses: Collection[str] | None = None) -> dict[str, Unserved]:
        """Rows of the table `unserved`."""
        rows = (
            self._connection.execute(f"{_select('unserved')} ORDER BY address")
            if addresses is None
            else self._rows("unserved", addresses)
        )
        return {row[0]: Unserved._make(row) for row in rows}

    def put_unserved(self, unserved: Iterable[Unserved]) -> None:
        """Inserts or replaces rows."""
        self._put("unserved", unserved)

    def forget(self, names: Collection[str], addresses: Collection[str]) -> int:
        """Deletes rows by their keys."""
        return self._delete_keys("device", names) + self._delete_keys("unserved", addresses)

    def forget_before(self, time: int) -> int:
        """Deletes old rows."""
        devices = self._delete("DELETE FROM device WHERE last < ? AND listed < ?", (time, time))
        return devices + self._delete("DELETE FROM unserved WHERE last < ?", (time,))

    def forget_all(self) -> int:
        """Deletes all rows."""
        return self._delete("DELETE FROM device WHERE true") + self._delete("DELETE FROM unserved WHERE true")

    def room(self, most: int = MAX_DEVICES) -> int:
        """Counts, and deletes one in `_FREED` if there are too many."""
        free = most - self.count()[0]
        if free > 0:
            return free
        oldest = f"SELECT name FROM device WHERE {_ONCE} ORDER BY last, name LIMIT ?"  # noqa: S608 - constants
        wanted = max(1, most // _FREED) - free
        return max(0, free + self._delete(f"DELETE FROM device WHERE name IN ({oldest})", (wanted,)))  # noqa: S608

    def trim_unserved(self, most: int = MAX_DEVICES) -> None:
        """Deletes the oldest rows."""
        beyond = self.count()[1] - most
        if beyond > 0:
            oldest = "SELECT address FROM unserved ORDER BY last, address LIMIT ?"
            wanted = beyond + most // _FREED
            self._delete(f"DELETE FROM unserved WHERE address IN ({oldest})", (wanted,))  # noqa: S608 - constants

    def groups(self) -> list[tuple[str, Standing, int]]:
        """Counts the rows of `device` by model and standing."""
        rows = self._connection.execute(_GROUPS).fetchall()
        return [(model, Standing(standing), int(number)) for model, standing, number in rows]

    def count(self) -> tuple[int, int]:
        """Counts the rows of both tables."""
        [(devices, unserved)] = self._connection.execute(
            "SELECT (SELECT count(*) FROM device), (SELECT count(*) FROM unserved)"
        ).fetchall()
        return int(devices), int(unserved)

    # -- statements

    def _streamed(self, statement: str) -> Iterable[tuple[Any, ...]]:
        """The rows of a SELECT that can be many."""
        return self._connection.execute(statement)

    def _rows(self, table: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        for batch in batches(map(storable, keys), ROWS):
            yield from self._connection.execute(f"{_select(table)} WHERE {_within(table, batch)}", batch)

    def _put(self, table: str, values: Iterable[Sequence[Any]]) -> None:
        """In the order of the keys: writers that meet in a row wait, and never in a circle."""
        columns = _COLUMNS[table]
        replaced = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
        row = f"({', '.join('?' * len(columns))})"
        for batch in batches(sorted(values), ROWS):
            self._connection.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * len(batch))} "  # noqa: S608 - constants
                f"ON CONFLICT ({columns[0]}) DO UPDATE SET {replaced}",
                [storable(value) if isinstance(value, str) else value for value in chain.from_iterable(batch)],
            )

    def _delete_keys(self, table: str, keys: Iterable[str]) -> int:
        return sum(
            self._delete(f"DELETE FROM {table} WHERE {_within(table, batch)}", batch)  # noqa: S608 - constants
            for batch in batches(map(storable, keys), ROWS)
        )

    def _delete(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Runs a DELETE; returns the number of rows."""
        return len(self._connection.execute(f"{statement} RETURNING 1", parameters).fetchall())


def _select(table: str) -> str:
    return f"SELECT {', '.join(_COLUMNS[table])} FROM {table}"  # noqa: S608 - constants


def _within(table: str, keys: Sequence[str]) -> str:
    """The condition that the key is one of these."""
    return f"{_COLUMNS[table][0]} IN ({', '.join('?' * len(keys))})"
