"""The tables of the SQLite store, named as CUCM operators query them, and the change log.

``docs/database.md`` describes tables and columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from proto.roles import TrustRole, role_name

if TYPE_CHECKING:
    import sqlite3

SCHEMA_VERSION = 2
"""``PRAGMA user_version``. Raised with each change of the tables, with a migration in `certstore.sqlite.migration`."""
APPLICATION_ID = 0x54565331
"""``PRAGMA application_id``, 'TVS1': marks databases of this service among SQLite files."""
CHANGES_KEPT = 10_000
"""Rows of the change log that are kept. A cache that is further behind reads everything, which takes seconds."""
UNIT_CODES = {
    Purpose.Phone_trust: 1,
    Purpose.Phone_VPN_trust: 2,
    Purpose.CallManager: 3,
    Purpose.CallManager_trust: 4,
    Purpose.tomcat: 5,
    Purpose.tomcat_trust: 6,
    Purpose.ipsec: 7,
    Purpose.ipsec_trust: 8,
    Purpose.CAPF: 9,
    Purpose.CAPF_trust: 10,
    Purpose.TVS: 11,
    Purpose.TVS_trust: 12,
    Purpose.directory_trust: 13,
    Purpose.Phone_SAST_trust: 14,
    Purpose.Phone_CTL_trust: 15,
    Purpose.userlicensing_trust: 16,
    Purpose.ITLRecovery: 101,
    Purpose.CallManager_ECDSA: 102,
    Purpose.tomcat_ECDSA: 103,
}
"""``typecertificateservice.enum`` of each unit: 1 to 16 as published (Cisco document 210541), those of later releases
are not published and are our own. Databases contain them: a number is never used for another unit."""
NODE_DISTRIBUTION, CLUSTER_DISTRIBUTION = 0, 1
"""``typecertificatedistribution.enum``, our own numbers: a node's own certificate, one for the whole cluster."""
_DISTRIBUTIONS = ((NODE_DISTRIBUTION, "Node", "NODE"), (CLUSTER_DISTRIBUTION, "Cluster", "CLUSTER"))
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


def create_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables without triggers, and fills those of fixed content; call it in a transaction."""
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.executemany(
        "INSERT INTO typetrustrole VALUES (?, ?)", [(int(role), role_name(role)) for role in TrustRole]
    )
    _insert_units(connection)
    connection.executemany("INSERT INTO typecertificatedistribution VALUES (?, ?, ?)", _DISTRIBUTIONS)
    connection.execute("INSERT INTO processconfig VALUES ('ClusterSecurityMode', '0')")


def add_new_units(connection: sqlite3.Connection) -> None:
    """Adds the units that the program that made the tables did not know."""
    ((units,),) = connection.execute("SELECT count(*) FROM typecertificateservice").fetchall()
    if units < len(UNIT_CODES):
        _insert_units(connection)


def _insert_units(connection: sqlite3.Connection) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO typecertificateservice VALUES (?, ?)",
        [(code, unit.value) for unit, code in UNIT_CODES.items()],
    )


def create_triggers(connection: sqlite3.Connection) -> None:
    """Makes the triggers; rows that were written before are not in the change log."""
    for statement in _TRIGGERS.split("\n\n"):
        connection.execute(statement.replace("CHANGES_KEPT", str(CHANGES_KEPT)))
