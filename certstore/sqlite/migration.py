"""Migration of SQLite databases of schemas 1 and 2, in one transaction.

Schema 2 had no generations and no trust lists: the next change makes generation 1 and puts the lists in. A service of
that version that has the database open goes on with it, because its tables stay as they are.

Schema 1 had names in CTL text form, serial numbers in upper case and unit numbers of its own. Its change log had
another name, so that a service of that version, still running beside the migrated database, opens it again and reports
the newer schema.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from certstore.names import name_text
from certstore.rules.columns import name_column
from certstore.rules.values import der_from_pem
from certstore.sqlite.tables import SCHEMA_VERSION, add_generations, create_tables, create_triggers

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

OLDEST = 1
"""The oldest schema that can be migrated."""
_WITHOUT_GENERATIONS = 2
_TABLES = (
    "certificate",
    "certificatehashmap",
    "certificatetrustrolemap",
    "certificateservicecertificatemap",
    "processnode",
    "processconfig",
    "typetrustrole",
    "typecertificateservice",
)
_INDEXES = ("certificatehash", "publisher", "mapcertificate", "mapnode")
_COPIES = """
INSERT OR IGNORE INTO typetrustrole SELECT enum, name FROM old_typetrustrole;
INSERT INTO processnode SELECT pkid, name, address, tknodeusage FROM old_processnode;
INSERT OR REPLACE INTO processconfig SELECT paramname, paramvalue FROM old_processconfig;

INSERT OR IGNORE INTO certificate  -- of two rows with one identity, the caches have the first
    (pkid, subjectname, issuername, serialnumber, commonname, notbefore, notafter, ipv4address, timetolive, der,
     certificate)
SELECT pkid, subjectname, issuername, lower(serialnumber), commonname, notbefore, notafter, ipv4address, timetolive,
    der, certificate
FROM old_certificate ORDER BY pkid;

INSERT INTO certificatehashmap
SELECT fkcertificate, hash FROM old_certificatehashmap WHERE fkcertificate IN (SELECT pkid FROM certificate);

INSERT INTO certificatetrustrolemap
SELECT fkcertificate, tktrustrole FROM old_certificatetrustrolemap
WHERE fkcertificate IN (SELECT pkid FROM certificate);

INSERT INTO certificateservicecertificatemap
SELECT m.pkid, m.fkcertificate, new.enum, m.name, m.description, m.fkprocessnode
FROM old_certificateservicecertificatemap AS m
JOIN old_typecertificateservice AS old ON old.enum = m.tkcertificateservice
JOIN typecertificateservice AS new ON new.name = old.name
WHERE m.fkcertificate IN (SELECT pkid FROM certificate);

UPDATE certificate SET servername = n.name, tkcertificatedistribution = 0
FROM certificateservicecertificatemap AS m JOIN processnode AS n ON n.pkid = m.fkprocessnode
WHERE m.fkcertificate = certificate.pkid
"""
_SEQUENCES = (
    # pkids of deleted certificates are not used again, and the next change has a number that no cache has seen
    "UPDATE sqlite_sequence SET seq = ? WHERE name = 'certificate'",
    "INSERT INTO sqlite_sequence (name, seq) VALUES ('certificatechangelog', ?)",
)
_PACE = 64
"""Certificates between two pauses: about two milliseconds of work."""
_PAUSE = 0.0001
"""Seconds in which other threads run: a worker that opened a restored backup answers phones meanwhile."""


def migrate(connection: sqlite3.Connection) -> None:
    """Brings a database of an earlier schema to the current one, in one transaction, unless another process did so.

    Readers of the old tables are not kept waiting. Raises `sqlite3.Error`; the database is then as it was.
    """
    connection.execute("PRAGMA foreign_keys = OFF")  # else DROP TABLE would delete the rows that refer to its own
    connection.execute("PRAGMA legacy_alter_table = ON")  # no references between old and new tables
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == OLDEST:
                _replace_tables(connection)
            elif version == _WITHOUT_GENERATIONS:
                add_generations(connection)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    finally:
        connection.execute("PRAGMA legacy_alter_table = OFF")
        connection.execute("PRAGMA foreign_keys = ON")


def _replace_tables(connection: sqlite3.Connection) -> None:
    """Makes the current tables, and moves the rows of schema 1 into them."""
    sequences = dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{trigger}"')
    for index in _INDEXES:
        connection.execute(f"DROP INDEX IF EXISTS {index}")
    for table in _TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    create_tables(connection)
    for statement in _COPIES.split(";"):
        connection.execute(statement)
    _rename(connection)
    for table in (*(f"old_{table}" for table in _TABLES), "certificatechange"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute(_SEQUENCES[0], (sequences.get("certificate", 0),))
    connection.execute(_SEQUENCES[1], (sequences.get("certificatechange", 0) + 1,))
    create_triggers(connection)


def _rename(connection: sqlite3.Connection) -> None:
    """Writes the names in the order of the certificates. A name that is not the certificate's own stays as it is."""
    rows = connection.execute(
        "SELECT pkid, CAST(subjectname AS BLOB), CAST(issuername AS BLOB), der, "
        "CASE WHEN der IS NULL THEN CAST(certificate AS BLOB) END FROM old_certificate"
    )
    connection.executemany(
        "UPDATE OR IGNORE certificate SET subjectname = ?, issuername = ? WHERE pkid = ?", _names(rows)
    )


def _names(rows: sqlite3.Cursor) -> Iterator[tuple[str, str, int]]:
    from cryptography import x509  # noqa: PLC0415 - other versions' databases only

    for number, (pkid, subject, issuer, der, pem) in enumerate(rows):
        if number % _PACE == 0:
            time.sleep(_PAUSE)
        try:
            loaded = x509.load_der_x509_certificate(der_from_pem(pem) if der is None else der)
            names = loaded.subject, loaded.issuer
            if [name_text(name).encode() for name in names] != [subject, issuer]:
                continue
        except Exception:  # noqa: BLE001, S112 - a damaged row stays as it is: each load reports it
            continue
        yield name_column(names[0]), name_column(names[1]), pkid
