"""The tables that operators know, and programs that change them with SQL of their own."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.certificates import CAPF, PUBLISHER, PUBLISHER_COLUMN, certificate, pem, twin

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database


PUB = Node(name="pub", address="192.0.2.1", publisher=True)


def test_the_tables_that_operators_know(store: CertificateStore, database: Database) -> None:
    """Plain SQL of a foreign program finds names, PEM, hash, roles, units, nodes and parameters."""
    der = certificate(PUBLISHER, 0x0AB1)
    store.add_node(PUB)
    store.import_certificate(der, Purpose.CallManager, description="Self-signed", time_to_live=60)
    rows = database.execute(
        "select subjectname, issuername, serialnumber, certificate, ipv4address, timetolive from certificate"
    )
    assert rows == [(PUBLISHER_COLUMN, PUBLISHER_COLUMN, "0ab1", pem(der).decode(), "192.0.2.1", 60)]
    digest = base64.b64encode(hashlib.sha1(der, usedforsecurity=False).digest()).decode()
    assert database.execute("select hash from certificatehashmap") == [(digest,)]
    roles = database.execute(
        "select c.subjectname, t.name from certificate as c, certificatetrustrolemap as r, typetrustrole as t "
        "where c.pkid=r.fkcertificate and t.enum=r.tktrustrole order by t.enum"
    )
    assert roles == [(PUBLISHER_COLUMN, "SAST"), (PUBLISHER_COLUMN, "CCM+TFTP")]
    units = database.execute(
        "select t.name, m.name, m.description, n.name from certificateservicecertificatemap m, "
        "typecertificateservice t, processnode n where t.enum=m.tkcertificateservice and n.pkid=m.fkprocessnode"
    )
    assert units == [("CallManager", "CallManager.pem", "Self-signed", "pub")]
    assert database.execute("select name, address, tknodeusage from processnode") == [("pub", "192.0.2.1", 0)]
    query = "select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'"
    assert database.execute(query) == [("ClusterSecurityMode", "0")]


LISTING = (
    "select c.servername, tcs.name, dist.moniker, c.ipv4address, c.certificate from certificate as c inner join "
    "certificateservicecertificatemap as cscm on c.pkid = cscm.fkcertificate inner join typecertificateservice as tcs "
    "on cscm.tkcertificateservice = tcs.enum inner join typecertificatedistribution as dist on "
    "c.tkcertificatedistribution = dist.enum"
)
"""The published listing query (Cisco document 210541), as typed."""


def test_the_published_listing_query(store: CertificateStore) -> None:
    """The published query gives each entry with its server, unit, distribution, address and PEM."""
    own, trusted = certificate(PUBLISHER, 1), certificate(CAPF, 2)
    store.import_certificate(own, Purpose.CallManager)
    store.import_certificate(own, Purpose.Phone_SAST_trust)
    store.import_certificate(trusted, Purpose.CAPF_trust)
    store.add_node(PUB)
    columns, rows = store.select(LISTING)
    assert columns == ["servername", "name", "moniker", "ipv4address", "certificate"]
    assert sorted(rows) == [
        ("", "CAPF-trust", "CLUSTER", "", pem(trusted).decode()),
        ("pub", "CallManager", "NODE", "192.0.2.1", pem(own).decode()),
        ("pub", "Phone-SAST-trust", "NODE", "192.0.2.1", pem(own).decode()),
    ]
    store.import_certificate(certificate(PUBLISHER, 3), Purpose.CallManager, replace=True)
    assert [row[:4] for row in store.select(LISTING)[1] if row[1].endswith("-trust")] == [
        ("", "Phone-SAST-trust", "CLUSTER", ""),
        ("", "CAPF-trust", "CLUSTER", ""),
    ], "a certificate that is not a node's own any more"


def test_the_address_of_a_node(database: Database, store: CertificateStore) -> None:
    """A node's name and IPv4 address stand with its own certificates, also after a change of the node."""
    store.add_node(PUB)
    store.import_certificate(certificate(), Purpose.TVS)
    statement = "select servername, ipv4address from certificate"
    assert database.execute(statement) == [("pub", "192.0.2.1")]
    database.execute("update processnode set name = 'pub2', address = '2001:db8::1'")
    assert database.execute(statement) == [("pub2", "")]
    database.execute("update processnode set address = '192.0.2.7'")
    assert database.execute(statement) == [("pub2", "192.0.2.7")]


def test_numbers_of_units(store: CertificateStore) -> None:
    """Units have the published numbers, those without a published one numbers above 100."""
    published = {
        name: number
        for number, name in enumerate(
            (
                *("Phone-trust", "Phone-VPN-trust", "CallManager", "CallManager-trust", "tomcat", "tomcat-trust"),
                *("ipsec", "ipsec-trust", "CAPF", "CAPF-trust", "TVS", "TVS-trust", "directory-trust"),
                *("Phone-SAST-trust", "Phone-CTL-trust", "userlicensing-trust"),
            ),
            1,
        )
    }
    found = dict(store.select("select name, enum from typecertificateservice")[1])
    later = {"ITLRecovery": 101, "CallManager-ECDSA": 102, "tomcat-ECDSA": 103}
    assert found == published | later
    assert set(found) == {unit.value for unit in Purpose}


def test_serial_numbers_in_any_case(store: CertificateStore) -> None:
    """A serial number as traces print it, in upper case, finds the row too."""
    store.import_certificate(certificate(serial=0xABCD), Purpose.TVS)
    assert store.select("select serialnumber from certificate where serialnumber = 'ABCD'")[1] == [("abcd",)]


def test_a_pem_that_another_program_changed(database: Database, store: CertificateStore) -> None:
    """The PEM is what counts: one that a foreign program writes replaces what was decoded from the old one."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    new = twin(certificate())
    database.execute(f"update certificate set certificate = '{pem(new).decode()}'")  # noqa: S608 - base64
    assert [trusted.certificate.der for trusted in store.trusted()] == [new]
    assert store.entries()[0].certificate.der == new


def test_left_over_roles_meet_no_new_certificate(database: Database, store: CertificateStore) -> None:
    """A foreign program that deletes a certificate leaves no role behind that the next one could inherit."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    database.execute("delete from certificate")
    store.import_certificate(certificate(serial=2), Purpose.TVS_trust)
    assert [trusted.roles for trusted in store.trusted()] == [()]
    assert [entry.name for entry in store.entries()] == ["cucm-1051-a-pub.pem"]
