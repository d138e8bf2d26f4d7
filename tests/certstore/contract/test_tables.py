"""The tables that operators know, and programs that change them with SQL of their own."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from certstore import Node, Purpose
from tests.fixtures.certificates import PUBLISHER, certificate, pem, twin

if TYPE_CHECKING:
    from certstore import CertificateStore
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
    assert rows == [(PUBLISHER, PUBLISHER, "0AB1", pem(der).decode(), "192.0.2.1", 60)]
    digest = base64.b64encode(hashlib.sha1(der, usedforsecurity=False).digest()).decode()
    assert database.execute("select hash from certificatehashmap") == [(digest,)]
    roles = database.execute(
        "select c.subjectname, t.name from certificate as c, certificatetrustrolemap as r, typetrustrole as t "
        "where c.pkid=r.fkcertificate and t.enum=r.tktrustrole order by t.enum"
    )
    assert roles == [(PUBLISHER, "SAST"), (PUBLISHER, "CCM+TFTP")]
    units = database.execute(
        "select t.name, m.name, m.description, n.name from certificateservicecertificatemap m, "
        "typecertificateservice t, processnode n where t.enum=m.tkcertificateservice and n.pkid=m.fkprocessnode"
    )
    assert units == [("CallManager", "CallManager.pem", "Self-signed", "pub")]
    assert database.execute("select name, address, tknodeusage from processnode") == [("pub", "192.0.2.1", 0)]
    query = "select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'"
    assert database.execute(query) == [("ClusterSecurityMode", "0")]


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
