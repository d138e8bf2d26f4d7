"""The schema of a PostgreSQL database: made, checked, brought up to this version while older programs serve.

The table `tvsschema` has the version of the tables, and the oldest program that can use them. A new version of the
tables comes in two releases. The first expands: it adds what its own program needs in a way that older programs do not
notice (columns with a default, new tables, triggers that fill both), and leaves `usablefrom` as it is; nodes of both
versions serve. A later one contracts: it removes what no program uses any more, and raises `usablefrom` to the first
that does not. A service that is too old then and still runs notices it within a second, before it reads a change, and
answers from memory (`certstore.postgresql.database.PostgresDatabase.changed`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from psycopg import errors

from certstore.errors import StoreUnavailable
from certstore.postgresql import devicetables
from certstore.postgresql.advice import only_row
from certstore.postgresql.dialect import PostgresConnection
from certstore.postgresql.formerlists import FORMER_LISTS
from certstore.postgresql.tables import PREPARING, WHOLE, creation
from certstore.relational.codes import add_new_units, insert_fixed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.postgresql.connecting import BoundedConnection

FIRST_VERSION = 1
"""The version of the tables that `certstore.postgresql.tables` makes."""
MIGRATION_PATIENCE = 60.0
"""Seconds in which a migration tries to get its locks: a worker's comparison reads for up to half a minute."""
MIGRATION_LOCK = 0.25
"""Seconds of one such try. While it waits, readers behind it wait too, those of a service for half a second at most."""
_FIND = f"SELECT version, usablefrom FROM tvsschema WHERE {WHOLE}"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The way from the version before to this one.

    Attributes:
        version: the version afterwards.
        usable_from: the oldest program, by its own schema's version, that can use the tables afterwards.
        statements: SQL, separated by semicolons, run in one transaction.
    """

    version: int
    usable_from: int
    statements: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The schema that a program knows.

    Attributes:
        steps: from the first version on, ascending, without gaps.
    """

    steps: tuple[Step, ...] = ()

    @property
    def version(self) -> int:
        """The version that this program makes."""
        return self.steps[-1].version if self.steps else FIRST_VERSION


SCHEMA = Schema(
    steps=(
        Step(version=2, usable_from=FIRST_VERSION, statements=devicetables.TABLES),
        Step(version=3, usable_from=FIRST_VERSION, statements=FORMER_LISTS),
        Step(version=4, usable_from=FIRST_VERSION, statements=devicetables.SUITES),
    )
)
"""The schema of this program."""


@dataclass(frozen=True, slots=True)
class Found:
    """The row of `tvsschema`.

    Attributes:
        version: of the tables.
        usable_from: the oldest program, by its own schema's version, that can use them.
    """

    version: int
    usable_from: int


def prepare_schema(
    raw: BoundedConnection, name: str, schema: Schema, *, create: bool, lazy: bool, renew: Callable[[], None]
) -> None:
    """Checks that the database has tables that this program can use, and brings older ones up to its version.

    Args:
        raw: the connection.
        name: the database's name, for sentences.
        schema: the program's.
        create: whether the tables are made in an empty database.
        lazy: try a migration once only; its owner has read the database before, so that an empty one was damaged.
        renew: sets the session's search_path after the tables were made.

    Raises:
        StoreUnavailable: the database is empty, has other tables, or tables that only newer programs can use.
        psycopg.Error: the server refuses.
    """
    if create and not raw.has_tables:
        _create(raw, name, schema)
        renew()
    if not raw.has_tables:
        raise _no_tables(raw, name, lazy=lazy)
    found = find_version(raw)
    check_usable(found, name, schema)
    if found.version < schema.version:
        _migrate(raw, schema, patience=0.0 if lazy else MIGRATION_PATIENCE)
    elif raw.execute("SHOW transaction_read_only").fetchone() == ("off",):
        add_new_units(PostgresConnection(raw))


def check_usable(found: Found, name: str, schema: Schema) -> None:
    """Raises `StoreUnavailable` for tables that this program is too old for.

    Args:
        found: the tables' version.
        name: the database's name, for sentences.
        schema: the program's.
    """
    if found.usable_from > schema.version:
        raise StoreUnavailable(
            f"{name}: the database has schema {found.version}, which programs with schema {found.usable_from} or newer "
            f"can use, and this one knows {schema.version}: update the program"
        )


def find_version(raw: BoundedConnection) -> Found:
    """The tables' version. Raises `psycopg.OperationalError` for tables that are not whole."""
    return Found(*only_row(raw.execute(_FIND.encode()).fetchall()))


def _tables(raw: BoundedConnection) -> list[tuple[Any, ...]]:
    """One of the tables in the schema where ours would be made, if there is any."""
    return raw.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace "
        "AND relkind IN ('r', 'p', 'v') LIMIT 1"
    ).fetchall()


def _no_tables(raw: BoundedConnection, name: str, *, lazy: bool = False) -> StoreUnavailable:
    """The error of a database without our tables; a lazy store's owner has seen them."""
    if _tables(raw):
        return StoreUnavailable(f"{name}: a PostgreSQL database, but not one of this service; name another one")
    advice = "" if lazy else ", or, if it is new, make its tables with: tvs init"
    return StoreUnavailable(f"{name}: the database is empty; restore it from the backup{advice}")


_OURS = """
    SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = 'tvsschema' AND n.nspname = current_schema()
"""
"""One row if the tables are there. By query: the server may have cached that `to_regclass` found nothing."""


def _create(raw: BoundedConnection, name: str, schema: Schema) -> None:
    """Makes the tables in one transaction; programs that do so at once wait for each other."""
    raw.execute("BEGIN")
    try:
        raw.execute("SELECT pg_advisory_xact_lock($1)", [PREPARING])
        if not raw.execute(_OURS).fetchall():
            _check_place(raw, name)
            raw.execute("SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)")
            raw.execute(creation())
            raw.execute("INSERT INTO tvsschema VALUES ($1, $1, $2)", [FIRST_VERSION, str(uuid4())])
            insert_fixed_rows(PostgresConnection(raw))
            _run(raw, schema)
    except BaseException:
        _roll_back(raw)
        raise
    raw.execute("COMMIT")


def _check_place(raw: BoundedConnection, name: str) -> None:
    """Raises `StoreUnavailable` for a database in which our tables cannot be made."""
    if raw.execute("SELECT current_schema() IS NULL").fetchone() == (True,):
        raise StoreUnavailable(f"{name}: the user has no schema for tables; run: CREATE SCHEMA AUTHORIZATION user")
    if _tables(raw):
        raise _no_tables(raw, name)
    encoding = raw.execute("SHOW server_encoding").fetchone()
    if encoding != ("UTF8",):
        raise StoreUnavailable(
            f"{name}: its encoding is not UTF8; make another: createdb -T template0 -E UTF8 DATABASE"
        )
    if raw.execute("SELECT has_schema_privilege(current_schema(), 'CREATE')").fetchone() != (True,):
        raise StoreUnavailable(
            f"{name}: the user may not make tables there; make it the database's owner, or a schema for it: "
            "CREATE SCHEMA AUTHORIZATION user"
        )


def _migrate(raw: BoundedConnection, schema: Schema, *, patience: float) -> None:
    """Runs the steps that the database lacks, in one transaction; one program at a time.

    Others keep locks for as long as they read. While the migration waits for one, they wait behind it: it waits in
    short tries with pauses between them.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            _try_migration(raw, schema)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            if time.monotonic() >= deadline:
                raise
            time.sleep(2 * MIGRATION_LOCK)
        else:
            return


def _try_migration(raw: BoundedConnection, schema: Schema) -> None:
    usual, raw.patience = raw.patience, MIGRATION_PATIENCE * 10
    raw.execute("BEGIN")
    try:
        raw.execute("SELECT set_config('lock_timeout', $1, true)", [f"{MIGRATION_LOCK * 1000:.0f}ms"])
        raw.execute("SET LOCAL statement_timeout = 0")
        raw.execute("SELECT pg_advisory_xact_lock($1)", [PREPARING])
        _run(raw, schema)
        add_new_units(PostgresConnection(raw))
    except BaseException:
        _roll_back(raw)
        raise
    finally:
        raw.patience = usual
    raw.execute("COMMIT")


def _run(raw: BoundedConnection, schema: Schema) -> None:
    version = find_version(raw).version
    for step in schema.steps:
        if step.version > version:
            raw.execute(step.statements)
            raw.execute("UPDATE tvsschema SET version = $1, usablefrom = $2", [step.version, step.usable_from])


def _roll_back(raw: BoundedConnection) -> None:
    if not raw.broken:
        raw.execute("ROLLBACK")
