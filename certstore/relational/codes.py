"""Numbers in the tables that stand for units and distributions, and the rows that every new database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from proto.roles import TrustRole, role_name

if TYPE_CHECKING:
    from certstore.relational.connection import Connection

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
UNITS = {code: unit for unit, code in UNIT_CODES.items()}
"""The unit of each ``typecertificateservice.enum``."""
CHANGES_KEPT = 10_000
"""Rows of the change log that are kept. A cache that is further behind reads everything, which takes seconds."""


def insert_fixed_rows(connection: Connection) -> None:
    """Fills the tables of fixed content, and sets the parameters that a new cluster has; call it in a transaction."""
    connection.executemany(
        "INSERT INTO typetrustrole VALUES (?, ?)", [(int(role), role_name(role)) for role in TrustRole]
    )
    _insert_units(connection)
    connection.executemany("INSERT INTO typecertificatedistribution VALUES (?, ?, ?)", _DISTRIBUTIONS)
    connection.execute("INSERT INTO processconfig VALUES ('ClusterSecurityMode', '0')")


def add_new_units(connection: Connection) -> None:
    """Adds the units that the program that made the tables did not know."""
    ((units,),) = connection.execute("SELECT count(*) FROM typecertificateservice").fetchall()
    if units < len(UNIT_CODES):
        _insert_units(connection)


def _insert_units(connection: Connection) -> None:
    connection.executemany(
        "INSERT INTO typecertificateservice VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(code, unit.value) for unit, code in UNIT_CODES.items()],
    )
