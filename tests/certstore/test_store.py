"""Certificates, nodes and parameters in the store."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certstore import (
    CertificateError,
    Conflict,
    Node,
    NotFound,
    Purpose,
    StoreError,
    StoreUnavailable,
    TrustedCertificate,
    name_from_text,
    open_store,
    same_name,
)
from tests.fixtures.certificates import (
    NOT_AFTER,
    PUBLISHER,
    SUBSCRIBER,
    TOKEN_ISSUER,
    TOKEN_SUBJECT,
    certificate,
    pem,
    sign,
    twin,
)

if TYPE_CHECKING:
    from pathlib import Path

    from certstore import CertificateStore

PUB = Node(name="pub", address="192.0.2.1", publisher=True)
SUB = Node(name="sub", address="2001:db8::1", publisher=False)


def _only(store: CertificateStore) -> TrustedCertificate:
    [trusted] = store.trusted()
    return trusted


def _names(store: CertificateStore) -> list[str]:
    return [f"{entry.unit}/{entry.name}" for entry in store.entries()]


# -- trust units -------------------------------------------------------------------------------------------------------


def test_importing_a_trusted_certificate(store: CertificateStore) -> None:
    """It is named after its CN, and has all its fields and its unit's roles."""
    der = certificate(PUBLISHER, 0xAB)
    entry = store.import_certificate(der, Purpose.Phone_SAST_trust, description="old signer", time_to_live=60)
    assert (entry.unit, entry.name, entry.own, entry.node) == (
        *(Purpose.Phone_SAST_trust, "cucm-1051-a-pub.pem", False, None),
    )
    assert (entry.description, entry.time_to_live) == ("old signer", 60)
    assert entry.certificate.der == der
    assert (entry.certificate.subject_name, entry.certificate.serial_number) == (PUBLISHER, b"\xab")
    assert entry.certificate.not_after == NOT_AFTER
    assert store.entry(Purpose.Phone_SAST_trust, "cucm-1051-a-pub") == entry
    assert _only(store) == TrustedCertificate(certificate=entry.certificate, roles=(0, 3), time_to_live=60)


def test_importing_again_changes_nothing(store: CertificateStore) -> None:
    """The same certificate in the same unit stays one entry; what is given anew is taken over."""
    first = store.import_certificate(certificate(), Purpose.Phone_trust, description="a")
    number = store.change_number()
    assert store.import_certificate(certificate(), Purpose.Phone_trust) == first
    assert store.change_number() == number
    again = store.import_certificate(certificate(), Purpose.Phone_trust, description="b", time_to_live=5)
    assert (again.name, again.description, again.time_to_live) == (first.name, "b", 5)
    assert len(store.entries()) == 1


def test_several_units_share_one_certificate(store: CertificateStore) -> None:
    """One row, one mapping a unit, the union of roles; the roles shrink as mappings go, the row goes last."""
    for unit in (Purpose.Phone_SAST_trust, Purpose.CallManager, Purpose.Phone_trust, Purpose.CAPF_trust):
        store.import_certificate(certificate(), unit)
    assert _only(store).roles == (0, 2, 3, 7)
    assert store.select("select count(*) from certificate")[1] == [(1,)]
    store.delete(Purpose.CallManager, "CallManager.pem")
    assert _only(store).roles == (0, 3, 7)
    store.delete(Purpose.Phone_SAST_trust, "cucm-1051-a-pub")
    store.delete(Purpose.Phone_trust, "cucm-1051-a-pub")
    assert _only(store).roles == ()
    store.delete(Purpose.CAPF_trust, "cucm-1051-a-pub")
    assert list(store.trusted()) == []
    for table in ("certificate", "certificatehashmap", "certificatetrustrolemap", "certificateservicecertificatemap"):
        assert store.select(f"select * from {table}")[1] == []  # noqa: S608 - constants


def test_names_that_are_taken(store: CertificateStore) -> None:
    """Another certificate with the same CN gets its serial number, and a number where that is taken too."""
    for serial, issuer in ((1, "CN=one"), (2, "CN=one"), (2, "CN=two"), (2, "CN=three")):
        store.import_certificate(certificate("CN=x", serial, issuer=issuer), Purpose.Phone_trust)
    assert [entry.name for entry in store.entries()] == ["x.pem", "x_02.pem", "x_02_3.pem", "x_02_4.pem"]


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("CN=*.example.com", "_.example.com.pem"),
        ("CN=../../etc/passwd", "_.._etc_passwd.pem"),
        ("CN=..", "07.pem"),
        ("O=no common name", "07.pem"),
        ("CN=-rf", "rf.pem"),
        ("CN=Zoë 1", "Zoë_1.pem"),
        (TOKEN_SUBJECT, "SAST-ADN008580ef.pem"),
    ],
)
def test_names_are_safe_in_file_systems(store: CertificateStore, subject: str, name: str) -> None:
    """What does not belong in a file name is replaced; without a CN the serial number is the name."""
    assert store.import_certificate(certificate(subject, 7), Purpose.Phone_trust).name == name


def test_a_twin_is_refused(store: CertificateStore) -> None:
    """Other bytes under the same serial number and issuer: phones could not tell them apart."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    with pytest.raises(Conflict, match="another certificate with serial number 01 of CN=cucm-1051-a-pub"):
        store.import_certificate(twin(certificate()), Purpose.Phone_SAST_trust)
    assert len(store.entries()) == 1


def test_a_twin_whose_issuer_is_written_otherwise(store: CertificateStore) -> None:
    """The issuers are compared by meaning, as the caches compare them."""
    plain, quoted = name_from_text("CN=CA;O=Cisco Systems"), name_from_text('CN=CA;O="Cisco  Systems"')
    store.import_certificate(sign(plain, 3, plain), Purpose.Phone_trust)
    with pytest.raises(Conflict):
        store.import_certificate(sign(plain, 3, quoted), Purpose.Phone_trust)
    store.import_certificate(sign(plain, 4, quoted), Purpose.Phone_trust)


def test_imports_that_are_refused(store: CertificateStore) -> None:
    """Rubbish, an impossible time to live, and a trusted certificate for one node."""
    with pytest.raises(CertificateError):
        store.import_certificate(b"rubbish", Purpose.Phone_trust)
    with pytest.raises(StoreError, match="0 to 4294967295 seconds, not -1"):
        store.import_certificate(certificate(), Purpose.Phone_trust, time_to_live=-1)
    store.add_node(PUB)
    with pytest.raises(StoreError, match="only own certificates belong to a node"):
        store.import_certificate(certificate(), Purpose.Phone_trust, node="pub")
    assert store.entries() == []


def test_entries_that_are_not_there(store: CertificateStore) -> None:
    """The error names those that are, or the closest of many."""
    with pytest.raises(NotFound, match="the unit is empty"):
        store.entry(Purpose.Phone_trust, "x")
    for serial in range(1, 9):
        store.import_certificate(certificate(f"CN=phone-{serial}", serial), Purpose.Phone_trust)
        if serial == 2:
            with pytest.raises(NotFound, match=r"Phone-trust/x; there is phone-1\.pem, phone-2\.pem"):
                store.delete(Purpose.Phone_trust, "x")
    with pytest.raises(NotFound, match=r"phone-9\.pem; there is phone-\d\.pem, "):
        store.entry(Purpose.Phone_trust, "phone-9.pem")
    with pytest.raises(NotFound, match="show cert list"):
        store.entry(Purpose.Phone_trust, "\udcff")
    with pytest.raises(NotFound, match="the unit is empty"):
        store.entry(Purpose.TVS, "phone-1")


def test_listing(store: CertificateStore) -> None:
    """Own units before trust units, by name; one kind or one unit alone can be asked for."""
    for serial, unit in enumerate((Purpose.tomcat_trust, Purpose.TVS, Purpose.CallManager, Purpose.Phone_trust), 1):
        store.import_certificate(certificate(f"CN=c{serial}", serial), unit)
    assert _names(store) == ["CallManager/CallManager.pem", "TVS/TVS.pem", "Phone-trust/c4.pem", "tomcat-trust/c1.pem"]
    assert [entry.name for entry in store.entries(own=True)] == ["CallManager.pem", "TVS.pem"]
    assert [entry.name for entry in store.entries(own=False)] == ["c4.pem", "c1.pem"]
    assert [entry.name for entry in store.entries(unit=Purpose.TVS)] == ["TVS.pem"]
    assert store.entries(own=False, unit=Purpose.TVS) == []


# -- own certificates and nodes ----------------------------------------------------------------------------------------


def test_own_certificates_of_several_nodes(store: CertificateStore) -> None:
    """The publisher's has the unit's name, a subscriber's its node's too; both may have the same certificate."""
    store.add_node(SUB)
    store.add_node(PUB)
    store.import_certificate(certificate(PUBLISHER, 1), Purpose.CallManager)
    store.import_certificate(certificate(SUBSCRIBER, 2), Purpose.CallManager, node="SUB")
    store.import_certificate(certificate(PUBLISHER, 1), Purpose.tomcat, node="pub")
    store.import_certificate(certificate(PUBLISHER, 1), Purpose.tomcat, node="sub")
    assert [(entry.name, entry.node) for entry in store.entries(own=True)] == [
        ("CallManager.pem", "pub"),
        ("CallManager_sub.pem", "sub"),
        ("tomcat.pem", "pub"),
        ("tomcat_sub.pem", "sub"),
    ]
    with pytest.raises(NotFound, match="there is no node nix; nodes: pub, sub"):
        store.import_certificate(certificate(SUBSCRIBER, 3), Purpose.TVS, node="nix")


def test_replacing_an_own_certificate(store: CertificateStore) -> None:
    """A node has one certificate in a unit; another one takes its place only where that is said."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    with pytest.raises(Conflict, match=r"CallManager/CallManager\.pem is another certificate"):
        store.import_certificate(certificate(serial=2), Purpose.CallManager)
    entry = store.import_certificate(certificate(serial=2), Purpose.CallManager, replace=True)
    assert entry.name == "CallManager.pem"
    assert _only(store).certificate.serial_number == b"\x02"
    replaced = store.import_certificate(twin(certificate(serial=2)), Purpose.CallManager, replace=True)
    assert _only(store).certificate.der == replaced.certificate.der == twin(certificate(serial=2))


def test_replacing_that_fails_keeps_the_old_one(store: CertificateStore) -> None:
    """One transaction: a new certificate that is refused leaves the old one in place."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    store.import_certificate(certificate(serial=2), Purpose.Phone_trust)
    with pytest.raises(Conflict, match="serial number 02"):
        store.import_certificate(twin(certificate(serial=2)), Purpose.CallManager, replace=True)
    assert store.entry(Purpose.CallManager, "CallManager").certificate.der == certificate(serial=1)


def test_a_publisher_takes_over(store: CertificateStore) -> None:
    """Own certificates that were there before any node become the publisher's, and are replaced as its."""
    store.import_certificate(certificate(serial=1), Purpose.TVS)
    store.import_certificate(certificate(serial=2), Purpose.Phone_trust)
    assert store.entry(Purpose.TVS, "TVS").node is None
    store.add_node(PUB)
    assert store.entry(Purpose.TVS, "TVS").node == "pub"
    assert store.entries(own=False)[0].node is None
    assert store.import_certificate(certificate(serial=3), Purpose.TVS, node="pub", replace=True).name == "TVS.pem"


def test_nodes(store: CertificateStore) -> None:
    """The publisher comes first; names are unique whatever their case; there is one publisher."""
    for node in (SUB, PUB, Node(name="a.example.com", address="", publisher=False)):
        store.add_node(node)
    assert [node.name for node in store.nodes()] == ["pub", "a.example.com", "sub"]
    assert store.nodes()[0] == PUB
    with pytest.raises(Conflict, match="there is a node sub already"):
        store.add_node(Node(name="SUB", address="", publisher=False))
    with pytest.raises(Conflict, match="pub is the publisher already; add other as a subscriber"):
        store.add_node(Node(name="other", address="", publisher=True))


@pytest.mark.parametrize(("name", "address"), [("", ""), ("a b", ""), ("../x", ""), ("n", "1.2.3"), ("n", "x")])
def test_nodes_that_cannot_be(store: CertificateStore, name: str, address: str) -> None:
    """A name is a host name, an address is an IPv4 or IPv6 address."""
    with pytest.raises(StoreError, match=r"cannot be a node's name|is not an IPv4 or IPv6 address"):
        store.add_node(Node(name=name, address=address, publisher=False))


def test_deleting_a_node(store: CertificateStore) -> None:
    """Its own certificates go with it, trusted ones and those of others stay; the publisher cannot go."""
    store.add_node(PUB)
    store.add_node(SUB)
    store.import_certificate(certificate(serial=1), Purpose.TVS, node="pub")
    store.import_certificate(certificate(serial=1), Purpose.TVS, node="sub")
    store.import_certificate(certificate(serial=2), Purpose.CallManager, node="sub")
    store.import_certificate(certificate(serial=2), Purpose.Phone_SAST_trust)
    store.delete_node("sub")
    assert _names(store) == ["TVS/TVS.pem", "Phone-SAST-trust/cucm-1051-a-pub.pem"]
    assert [trusted.roles for trusted in store.trusted()] == [(21,), (0, 3)]
    with pytest.raises(NotFound, match="there is no node sub; nodes: pub"):
        store.delete_node("sub")
    with pytest.raises(Conflict, match="pub is the publisher"):
        store.delete_node("PUB")
    assert store.nodes() == [PUB]


def test_parameters(store: CertificateStore) -> None:
    """A new cluster is not in mixed mode; parameters can be set and asked for."""
    assert store.parameter("ClusterSecurityMode") == "0"
    store.set_parameter("ClusterSecurityMode", "1")
    assert store.parameter("ClusterSecurityMode") == "1"
    assert store.parameter("nix\udcff") is None


# -- transactions ------------------------------------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(store: CertificateStore, database: Path) -> None:
    """Changes inside are seen inside at once, by others at the end, by nobody where an exception ends it."""
    other = open_store(str(database))
    with store.transaction():
        store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
        assert len(store.entries()) == 1
        assert other.entries() == []
    assert len(other.entries()) == 1
    with pytest.raises(Conflict), store.transaction():  # noqa: PT012 - the block is what is tested
        store.import_certificate(certificate(serial=2), Purpose.Phone_trust)
        store.import_certificate(twin(certificate(serial=1)), Purpose.Phone_trust)
    assert len(other.entries()) == len(store.entries()) == 1
    other.close()


def test_a_part_of_a_transaction_can_fail_alone(store: CertificateStore) -> None:
    """An error that is caught inside takes back its own step and nothing else."""
    store.import_certificate(certificate(serial=9), Purpose.TVS)
    with store.transaction():
        store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
        with pytest.raises(Conflict):
            store.import_certificate(twin(certificate(serial=1)), Purpose.TVS, replace=True)
    assert _names(store) == ["TVS/TVS.pem", "Phone-trust/cucm-1051-a-pub.pem"]
    assert store.entry(Purpose.TVS, "TVS").certificate.serial_number == b"\x09"


def test_a_closed_store(store: CertificateStore) -> None:
    """Closing twice is allowed; anything else afterwards says that the store was closed."""
    store.close()
    store.close()
    for use in (store.entries, store.change_number, store.changed, store.nodes, lambda: list(store.trusted())):
        with pytest.raises(StoreUnavailable, match="was closed"):
            use()


# -- what operators see ------------------------------------------------------------------------------------------------


def test_the_tables_that_operators_know(store: CertificateStore, database: Path) -> None:
    """Plain SQL of a foreign program finds names, PEM, hash, roles, units, nodes and parameters."""
    der = certificate(PUBLISHER, 0x0AB1)
    store.add_node(PUB)
    store.import_certificate(der, Purpose.CallManager, description="Self-signed", time_to_live=60)
    connection = sqlite3.connect(database)
    row = connection.execute(
        "select subjectname, issuername, serialnumber, certificate, ipv4address, timetolive from certificate"
    ).fetchone()
    assert row == (PUBLISHER, PUBLISHER, "0AB1", pem(der).decode(), "192.0.2.1", 60)
    digest = base64.b64encode(hashlib.sha1(der, usedforsecurity=False).digest()).decode()
    assert connection.execute("select hash from certificatehashmap").fetchall() == [(digest,)]
    roles = connection.execute(
        "select c.subjectname, t.name from certificate as c, certificatetrustrolemap as r, typetrustrole as t "
        "where c.pkid=r.fkcertificate and t.enum=r.tktrustrole order by t.enum"
    ).fetchall()
    assert roles == [(PUBLISHER, "SAST"), (PUBLISHER, "CCM+TFTP")]
    units = connection.execute(
        "select t.name, m.name, m.description, n.name from certificateservicecertificatemap m, "
        "typecertificateservice t, processnode n where t.enum=m.tkcertificateservice and n.pkid=m.fkprocessnode"
    ).fetchall()
    assert units == [("CallManager", "CallManager.pem", "Self-signed", "pub")]
    assert connection.execute("select name, address, tknodeusage from processnode").fetchall() == [
        ("pub", "192.0.2.1", 0)
    ]
    query = "select paramname,paramvalue from processconfig where paramname='ClusterSecurityMode'"
    assert connection.execute(query).fetchall() == [("ClusterSecurityMode", "0")]
    connection.close()


@given(
    subject=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=16),
    serial=st.integers(1, 2**159),
)
def test_any_name_survives_the_store(tmp_path_factory: pytest.TempPathFactory, subject: str, serial: int) -> None:
    """Whatever stands in a certificate's name comes out as it went in, under a name without a path."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    store = open_store(str(tmp_path_factory.mktemp("any") / "tvs.db"), create=True)
    entry = store.import_certificate(sign(name, serial, name), Purpose.Phone_trust)
    [trusted] = store.trusted()
    assert trusted.certificate == entry.certificate
    assert trusted.certificate.common_name == subject
    assert same_name(trusted.certificate.issuer_name, f"CN={subject}")
    assert "/" not in entry.name
    assert store.delete(Purpose.Phone_trust, entry.name) == entry
    store.close()


def test_issuer_of_tokens(store: CertificateStore) -> None:
    """The key of a token's certificate is found under the text that its trust list has."""
    store.import_certificate(certificate("CN=SAST", 5, issuer=TOKEN_ISSUER), Purpose.Phone_SAST_trust)
    assert same_name(_only(store).certificate.issuer_name, TOKEN_ISSUER)
