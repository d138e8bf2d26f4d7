"""The tables of the SQLite store, named as CUCM operators query them, and the change log.

``docs/database.md`` describes tables and columns.
"""

from __future__ import annotations

import sqlite3

from certstore.generations import LISTS_KEPT
from certstore.relational.codes import CHANGES_KEPT, insert_fixed_rows

SCHEMA_VERSION = 3
"""``PRAGMA user_version``. Raised with each change of the tables, with a migration in `certstore.sqlite.migration`."""
APPLICATION_ID = 0x54565331
"""``PRAGMA application_id``, 'TVS1': marks databases of this service among SQLite files."""
_TABLES = """
CREATE TABLE certificate (
    pkid INTEGER PRIMARY KEY AUTOINCREMENT,  -- never reused: a left-over role must not apply to a new row
    subjectname TEXT NOT NULL,               -- see certstore.rules.columns
    issuername TEXT NOT NULL,
    serialnumber TEXT NOT NULL COLLATE NOCASE,  -- lower-case hex, no leading zero bytes
    commonname TEXT NOT NULL,
    notbefore INTEGER NOT NULL,              -- seconds since 1970, UTC
    notafter INTEGER NOT NULL,
    servername TEXT NOT NULL DEFAULT '',     -- the node whose own certificate it is
    ipv4address TEXT NOT NULL DEFAULT '',    -- of that node
    tkcertificatedistribution INTEGER NOT NULL DEFAULT 1 REFERENCES typecertificatedistribution (enum),
    timetolive INTEGER,                      -- seconds, NULL for the server's default
    der BLOB,                                -- the PEM decoded, or NULL: each load decodes it then
    certificate TEXT NOT NULL,               -- PEM
    UNIQUE (serialnumber, issuername)
);
CREATE TABLE typecertificatedistribution (
    enum INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    moniker TEXT NOT NULL UNIQUE
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
CREATE TABLE certificatechosenrole (
    fkcertificateservicecertificatemap INTEGER NOT NULL
        REFERENCES certificateservicecertificatemap (pkid) ON DELETE CASCADE,
    tktrustrole INTEGER NOT NULL REFERENCES typetrustrole (enum),
    PRIMARY KEY (fkcertificateservicecertificatemap, tktrustrole)
) WITHOUT ROWID;
CREATE TABLE processconfig (paramname TEXT PRIMARY KEY, paramvalue TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE certificatechangelog (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    serialnumber TEXT NOT NULL COLLATE NOCASE,
    issuername TEXT NOT NULL
)
"""
_GENERATION_TABLES = """
CREATE TABLE clustergeneration (
    number INTEGER PRIMARY KEY,
    changed INTEGER NOT NULL,                -- seconds since 1970, UTC
    changedby TEXT NOT NULL,                 -- node or host
    description TEXT NOT NULL,
    lists TEXT NOT NULL,                     -- SHA-256 of the trust lists, hex
    head BLOB                                -- a signed head of the record of changes
);
CREATE TABLE trustlist (
    name TEXT PRIMARY KEY,                   -- CTLFile.tlv, ITLFile.tlv
    generation INTEGER NOT NULL,             -- that put it here, or deleted it
    content BLOB                             -- NULL for a deleted one
) WITHOUT ROWID
"""
_TOKENS = (
    "ALTER TABLE certificatechangelog ADD COLUMN token TEXT",
    """
CREATE TRIGGER changetoken AFTER INSERT ON certificatechangelog BEGIN
    UPDATE certificatechangelog SET token = lower(hex(randomblob(16))) WHERE number = NEW.number;
END
""",
)
"""A random text of each change: a restored backup cannot have those of changes that were made after it."""

# The log has the identity of a changed certificate, not its row: caches look certificates up by identity, and it still
# tells what to remove when the row is gone. Triggers fill it, so that changes by any program are in it. A trigger also
# deletes a deleted certificate's roles and units, because programs that do not switch foreign keys on would leave them
# behind; another clears the DER of a changed PEM. One keeps CHANGES_KEPT rows of the log; mapowned and
# nodeupdated keep the columns of nodes' own certificates up to date.
_TRIGGERS = """
CREATE TRIGGER certificatereplaced BEFORE INSERT ON certificate BEGIN
    INSERT INTO certificatechangelog (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid = NEW.pkid;
END

CREATE TRIGGER certificateinserted AFTER INSERT ON certificate BEGIN
    INSERT INTO certificatechangelog (serialnumber, issuername) VALUES (NEW.serialnumber, NEW.issuername);
END

CREATE TRIGGER certificateupdated AFTER UPDATE ON certificate BEGIN
    INSERT INTO certificatechangelog (serialnumber, issuername)
    VALUES (OLD.serialnumber, OLD.issuername), (NEW.serialnumber, NEW.issuername);
END

CREATE TRIGGER pemupdated AFTER UPDATE OF certificate ON certificate
WHEN NEW.certificate <> OLD.certificate AND NEW.der IS OLD.der BEGIN
    UPDATE certificate SET der = NULL WHERE pkid = NEW.pkid;
END

CREATE TRIGGER certificatedeleted AFTER DELETE ON certificate BEGIN
    INSERT INTO certificatechangelog (serialnumber, issuername) VALUES (OLD.serialnumber, OLD.issuername);
    DELETE FROM certificatehashmap WHERE fkcertificate = OLD.pkid;
    DELETE FROM certificatetrustrolemap WHERE fkcertificate = OLD.pkid;
    DELETE FROM certificateservicecertificatemap WHERE fkcertificate = OLD.pkid;
END

CREATE TRIGGER mapdeleted AFTER DELETE ON certificateservicecertificatemap BEGIN
    DELETE FROM certificatechosenrole WHERE fkcertificateservicecertificatemap = OLD.pkid;
END

CREATE TRIGGER mapowned AFTER UPDATE OF fkprocessnode ON certificateservicecertificatemap BEGIN
    UPDATE certificate SET servername = n.name, ipv4address = iif(n.address LIKE '%:%', '', n.address),
        tkcertificatedistribution = 0
    FROM processnode AS n WHERE n.pkid = NEW.fkprocessnode AND certificate.pkid = NEW.fkcertificate;
END

CREATE TRIGGER roleinserted AFTER INSERT ON certificatetrustrolemap BEGIN
    INSERT INTO certificatechangelog (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid = NEW.fkcertificate;
END

CREATE TRIGGER roleupdated AFTER UPDATE ON certificatetrustrolemap BEGIN
    INSERT INTO certificatechangelog (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid IN (OLD.fkcertificate, NEW.fkcertificate);
END

CREATE TRIGGER roledeleted AFTER DELETE ON certificatetrustrolemap BEGIN
    INSERT INTO certificatechangelog (serialnumber, issuername)
    SELECT serialnumber, issuername FROM certificate WHERE pkid = OLD.fkcertificate;
END

CREATE TRIGGER changelimit AFTER INSERT ON certificatechangelog BEGIN
    DELETE FROM certificatechangelog WHERE number <= NEW.number - CHANGES_KEPT;
END

CREATE TRIGGER nodeupdated AFTER UPDATE OF name, address ON processnode BEGIN
    UPDATE certificate SET servername = NEW.name, ipv4address = iif(NEW.address LIKE '%:%', '', NEW.address)
    WHERE pkid IN (SELECT fkcertificate FROM certificateservicecertificatemap WHERE fkprocessnode = NEW.pkid);
END
"""
_FORMER_LISTS = """
CREATE TABLE formerlist (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,             -- that put the list into trustlist
    replaced INTEGER NOT NULL,               -- or deleted: seconds since 1970, UTC
    content BLOB NOT NULL,
    PRIMARY KEY (name, generation)
)
"""
_LIST_REPLACED = f"""
CREATE TRIGGER listreplaced AFTER UPDATE ON trustlist
WHEN OLD.content IS NOT NULL AND NEW.content IS NOT OLD.content BEGIN
    DELETE FROM formerlist WHERE name = OLD.name AND generation = OLD.generation;
    INSERT INTO formerlist VALUES (OLD.name, OLD.generation, CAST(strftime('%s', 'now') AS INTEGER), OLD.content);
    DELETE FROM formerlist WHERE name = OLD.name AND generation <= (
        SELECT generation FROM formerlist WHERE name = OLD.name ORDER BY generation DESC LIMIT 1 OFFSET {LISTS_KEPT}
    );
END
"""  # noqa: S608 - constants
"""The table of former lists came later: older programs do not notice it, and the trigger fills it for them, too."""
_CANNOT_WRITE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
"""Error codes of a database that cannot be written now: the next program that opens it adds the table."""


def create_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables without triggers, and fills those of fixed content; call it in a transaction."""
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    insert_fixed_rows(connection)
    add_generations(connection)


def add_generations(connection: sqlite3.Connection) -> None:
    """Adds what schema 3 has and schema 2 has not; call it in a transaction.

    The tables of generations are empty: generation 0, without lists. Changes of before have no token.
    """
    for statement in (*_GENERATION_TABLES.split(";"), *_TOKENS):
        connection.execute(statement)


def create_triggers(connection: sqlite3.Connection) -> None:
    """Makes the triggers; rows that were written before are not in the change log."""
    for statement in _TRIGGERS.split("\n\n"):
        connection.execute(statement.replace("CHANGES_KEPT", str(CHANGES_KEPT)))


def has_former_lists(connection: sqlite3.Connection) -> bool:
    """Whether the database has the table."""
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'formerlist'").fetchall())


def add_former_lists(connection: sqlite3.Connection) -> None:
    """Makes the table and its trigger, unless they are there or the database cannot be written."""
    if has_former_lists(connection):
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        if not has_former_lists(connection):
            connection.execute(_FORMER_LISTS)
            connection.execute(_LIST_REPLACED)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if error.sqlite_errorcode & 0xFF not in _CANNOT_WRITE:
            raise
