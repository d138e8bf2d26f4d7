"""The tables of the SQLite store, named as CUCM operators query them, and the change log.

``docs/database.md`` describes tables and columns.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from certstore.store import StoreUnavailable
from proto.roles import TrustRole, role_name

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA_VERSION = 1
"""``PRAGMA user_version``. Raised with each change of the tables."""
APPLICATION_ID = 0x54565331
"""``PRAGMA application_id``, 'TVS1': marks databases of this service among SQLite files."""
BUSY_TIMEOUT = 5.0
"""Seconds to wait while another process writes; its transactions take milliseconds."""
BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Error codes of a database that another process holds."""
PAGE_SIZE = 8192
"""Bytes. A row has 2 to 4 KiB: two or three fit a page; of the default 4096 bytes a third would stay empty."""
CHANGES_KEPT = 10_000
"""Rows of the change log that are kept. A cache that is further behind reads everything, which takes seconds."""
FIRST_TRUST_UNIT = 101
"""First code of the trust units; own units have lower ones, so that both kinds are ranges."""


def _unit_codes() -> dict[Purpose, int]:
    own = [purpose for purpose in Purpose if purpose.own]
    trust = [purpose for purpose in Purpose if not purpose.own]
    return dict(zip(own, range(1, FIRST_TRUST_UNIT), strict=False)) | {
        purpose: FIRST_TRUST_UNIT + place for place, purpose in enumerate(trust)
    }


UNIT_CODES = _unit_codes()
"""``typecertificateservice.enum`` of each unit. Databases contain them: a new unit goes to the end of its kind."""
_TABLES = """
CREATE TABLE certificate (
    pkid INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: a left-over role must not apply to a new row
    subjectname TEXT NOT NULL,
    issuername TEXT NOT NULL,
    serialnumber TEXT NOT NULL,              -- upper-case hex, no leading zero bytes
    commonname TEXT NOT NULL,
    notbefore INTEGER NOT NULL,              -- seconds since 1970, UTC
    notafter INTEGER NOT NULL,
    ipv4address TEXT NOT NULL DEFAULT '',    -- of the node whose own certificate it is
    timetolive INTEGER,                      -- seconds, NULL for the server's default
    der BLOB,                                -- the PEM decoded, or NULL: each load decodes it then
    certificate TEXT NOT NULL,               -- PEM
    UNIQUE (serialnumber, issuername)
);
CREATE TABLE certificatehashmap (
    fkcertificate INTEGER PRIMARY KEY REFERENCES certificate (pkid) ON DELETE CASCADE,
    hash TEXT NOT NULL                       -- base64 of the SHA-1 of the DER
);
CREATE INDEX certificatehash ON certificatehashmap (hash);
CREATE TABLE typetrustrole (enum INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE certificatetrustrolemap (
    fkcertificate INTEGER NOT NULL REFERENCES certificate (pkid) ON DELETE CASCADE,
    tktrustrole INTEGER NOT NULL REFERENCES typetrustrole (enum),
    PRIMARY KEY (fkcertificate, tktrustrole)
) WITHOUT ROWID;
CREATE TABLE processnode (
    pkid INTEGER PRIMARY KEY,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    address TEXT NOT NULL DEFAULT '',        -- IPv4 or IPv6
    tknodeusage INTEGER NOT NULL             -- 0 publisher, 1 subscriber
);
CREATE UNIQUE INDEX publisher ON processnode (tknodeusage) WHERE tknodeusage = 0;
CREATE TABLE typecertificateservice (enum INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE certificateservicecertificatemap (
    pkid INTEGER PRIMARY KEY,
    fkcertificate INTEGER NOT NULL REFERENCES certificate (pkid) ON DELETE CASCADE,
    tkcertificateservice INTEGER NOT NULL REFERENCES typecertificateservice (enum),
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    fkprocessnode INTEGER REFERENCES processnode (pkid),
    UNIQUE (tkcertificateservice, name)
);
CREATE INDEX mapcertificate ON certificateservicecertificatemap (fkcertificate);
CREATE INDEX mapnode ON certificateservicecertificatemap (fkprocessnode) WHERE fkprocessnode IS NOT NULL;
CREATE TABLE processconfig (paramname TEXT PRIMARY KEY, paramvalue TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE certificatechange (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    serialnumber TEXT NOT NULL,
    issuername TEXT NOT NULL
)
"""

# The log has the identity of a changed certificate, not its row: caches look certificates up by identity, and it still
# tells what to remove when the row is gone. Triggers fill it, so that changes by any program are in it. A trigger also
# deletes a deleted certificate's roles and units, because programs that do not switch foreign keys on would leave them
# behind; another clears the DER of a changed PEM. The last one keeps CHANGES_KEPT rows.
_TRIGGERS = """
CREATE TRIGGER certificatereplaced BEFORE INSERT ON certificate BEGIN
    INSERT INTO certificatechange (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid = NEW.pkid;
END

CREATE TRIGGER certificateinserted AFTER INSERT ON certificate BEGIN
    INSERT INTO certificatechange (serialnumber, issuername) VALUES (NEW.serialnumber, NEW.issuername);
END

CREATE TRIGGER certificateupdated AFTER UPDATE ON certificate BEGIN
    INSERT INTO certificatechange (serialnumber, issuername)
    VALUES (OLD.serialnumber, OLD.issuername), (NEW.serialnumber, NEW.issuername);
END

CREATE TRIGGER pemupdated AFTER UPDATE OF certificate ON certificate
WHEN NEW.certificate <> OLD.certificate AND NEW.der IS OLD.der BEGIN
    UPDATE certificate SET der = NULL WHERE pkid = NEW.pkid;
END

CREATE TRIGGER certificatedeleted AFTER DELETE ON certificate BEGIN
    INSERT INTO certificatechange (serialnumber, issuername) VALUES (OLD.serialnumber, OLD.issuername);
    DELETE FROM certificatehashmap WHERE fkcertificate = OLD.pkid;
    DELETE FROM certificatetrustrolemap WHERE fkcertificate = OLD.pkid;
    DELETE FROM certificateservicecertificatemap WHERE fkcertificate = OLD.pkid;
END

CREATE TRIGGER roleinserted AFTER INSERT ON certificatetrustrolemap BEGIN
    INSERT INTO certificatechange (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid = NEW.fkcertificate;
END

CREATE TRIGGER roleupdated AFTER UPDATE ON certificatetrustrolemap BEGIN
    INSERT INTO certificatechange (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid IN (OLD.fkcertificate, NEW.fkcertificate);
END

CREATE TRIGGER roledeleted AFTER DELETE ON certificatetrustrolemap BEGIN
    INSERT INTO certificatechange (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid = OLD.fkcertificate;
END

CREATE TRIGGER changelimit AFTER INSERT ON certificatechange BEGIN
    DELETE FROM certificatechange WHERE number <= NEW.number - CHANGES_KEPT;
END
"""


def prepare_schema(connection: sqlite3.Connection, path: Path, *, create: bool) -> None:
    """Checks that the database has the tables of this version; with `create`, makes them in an empty one.

    Raises:
        StoreUnavailable: the database is empty, or was made by another program or a newer version of this one.
    """
    if create and _is_empty(connection):
        _create_tables(connection)
    if _is_empty(connection):
        raise StoreUnavailable(f"{path}: the database is empty; make it with: tvs init")
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreUnavailable(f"{path}: an SQLite database, but not one of this service; name another file")
    version = _pragma(connection, "user_version")
    if version != SCHEMA_VERSION:
        raise StoreUnavailable(
            f"{path}: the database has schema {version} and this program knows {SCHEMA_VERSION}: "
            "it was made by a newer version; update the program, or restore a database of this version"
        )
    _add_new_units(connection)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database has no table at all. One transaction makes all of ours, so there is nothing in between."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _create_tables(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    _switch_to_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):  # another process may have made them meanwhile
            for statement in (*_TABLES.split(";"), *_TRIGGERS.split("\n\n")):
                connection.execute(statement.replace("CHANGES_KEPT", str(CHANGES_KEPT)))
            _fill_tables(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _fill_tables(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.executemany(
        "INSERT INTO typetrustrole VALUES (?, ?)", [(int(role), role_name(role)) for role in TrustRole]
    )
    _insert_units(connection)
    connection.execute("INSERT INTO processconfig VALUES ('ClusterSecurityMode', '0')")


def _insert_units(connection: sqlite3.Connection) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO typecertificateservice VALUES (?, ?)",
        [(code, unit.value) for unit, code in UNIT_CODES.items()],
    )


def _add_new_units(connection: sqlite3.Connection) -> None:
    """Adds the units that an earlier version of this program did not know."""
    ((units,),) = connection.execute("SELECT count(*) FROM typecertificateservice").fetchall()
    if units < len(UNIT_CODES):
        _insert_units(connection)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Sets WAL mode, in which readers do not wait for writers. Retries, because the statement does not wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in BUSY_CODES or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
