"""Nodes, their own certificates, and parameters of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.errors import Conflict, NotFound, StoreError
from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.certificates import PUBLISHER, SUBSCRIBER, certificate, twin
from tests.fixtures.stores import since

if TYPE_CHECKING:
    from certstore.certificate import TrustedCertificate
    from certstore.store import CertificateStore


PUB = Node(name="pub", address="192.0.2.1", publisher=True)


SUB = Node(name="sub", address="2001:db8::1", publisher=False)


def _only(store: CertificateStore) -> TrustedCertificate:
    [trusted] = store.trusted()
    return trusted


def _names(store: CertificateStore) -> list[str]:
    return [f"{entry.unit}/{entry.name}" for entry in store.entries()]


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
    """A node has one certificate in a unit; another one replaces it only if that is allowed."""
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
    """The publisher comes first; names are unique in any case of letters; there is one publisher."""
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


def test_texts_that_no_database_stores(store: CertificateStore) -> None:
    """Bytes that are not UTF-8, and NUL, become question marks in every database; nothing is refused for them."""
    store.set_parameter("a\0\udcff", "b\0c\udcff")
    assert store.parameter("a\0\udcff") == "b?c?"
    assert store.parameter("a??") == "b?c?"
    entry = store.import_certificate(certificate(), Purpose.TVS, description="d\0e\udcff")
    assert store.entry(Purpose.TVS, "TVS") == entry
    assert entry.description == "d?e?"
    for name in ("TVS\0", "TVS\udcff"):
        with pytest.raises(NotFound, match=r"there is no certificate TVS/TVS\?; there is TVS\.pem"):
            store.entry(Purpose.TVS, name)
    with pytest.raises(NotFound, match=r"there is no node a\?b; nodes: none yet"):
        store.delete_node("a\0b")


def test_a_changed_node(store: CertificateStore) -> None:
    """Name and address change, the publisher stays the publisher; entries are named after the node as it is now."""
    store.add_node(PUB)
    store.add_node(SUB)
    store.import_certificate(certificate(PUBLISHER, 1), Purpose.TVS)
    store.import_certificate(certificate(SUBSCRIBER, 2), Purpose.TVS, node="sub")
    store.import_certificate(certificate(PUBLISHER, 1), Purpose.TVS_trust)
    number = store.change_number()
    store.change_node("SUB", Node(name="other", address="192.0.2.7", publisher=True))
    store.change_node("pub", Node(name="PUB", address="192.0.2.1", publisher=False))
    assert store.nodes() == [
        Node(name="PUB", address="192.0.2.1", publisher=True),
        Node(name="other", address="192.0.2.7", publisher=False),
    ]
    assert [(entry.name, entry.node) for entry in store.entries(own=True)] == [
        ("TVS.pem", "PUB"),
        ("TVS_other.pem", "other"),
    ]
    _, rows = store.select("select servername, ipv4address from certificate order by servername")
    assert rows == [("PUB", "192.0.2.1"), ("other", "192.0.2.7")]
    assert store.change_number() > number
    assert {trusted.roles for trusted in store.trusted()} == {(21,)}


def test_a_changed_node_that_is_refused(store: CertificateStore) -> None:
    """Missing nodes, names and addresses that another node has, and odd ones; nothing changes."""
    store.add_node(PUB)
    store.add_node(SUB)
    for name, changed, error, words in (
        ("nix", SUB, NotFound, "there is no node nix"),
        ("sub", Node(name="Pub", address="", publisher=False), Conflict, "there is a node pub already"),
        ("sub", Node(name="sub", address="192.0.2.1", publisher=False), Conflict, "pub has the address 192.0.2.1"),
        ("pub", Node(name="pub", address="2001:DB8:0::1", publisher=True), Conflict, "sub has the address"),
        ("sub", Node(name="a b", address="", publisher=False), StoreError, "cannot be a node's name"),
        ("sub", Node(name="sub", address="x", publisher=False), StoreError, "is not an IPv4 or IPv6 address"),
    ):
        with pytest.raises(error, match=words):
            store.change_node(name, changed)
    assert store.nodes() == [PUB, SUB]


def test_nodes_with_one_address(store: CertificateStore) -> None:
    """A second node at an address is refused, in whatever notation; nodes without an address may be many."""
    store.add_node(PUB)
    store.add_node(SUB)
    for address in ("192.0.2.1", "2001:db8:0:0::1"):
        with pytest.raises(Conflict, match="already"):
            store.add_node(Node(name="new", address=address, publisher=False))
    for name in ("one", "two"):
        store.add_node(Node(name=name, address="", publisher=False))
    assert len(store.nodes()) == 4


def test_another_publisher(store: CertificateStore) -> None:
    """It takes the units that are moved, in place of its own certificates there; names follow the rule."""
    store.add_node(PUB)
    store.add_node(SUB)
    for serial, unit, node in (
        (1, Purpose.TVS, "pub"),
        (2, Purpose.TVS, "sub"),
        (3, Purpose.CAPF, "pub"),
        (4, Purpose.ITLRecovery, "pub"),
        (5, Purpose.CallManager, "pub"),
        (6, Purpose.CallManager, "sub"),
        (7, Purpose.tomcat, "pub"),
    ):
        store.import_certificate(certificate(serial=serial), unit, node=node)
    number = store.change_number()
    store.set_publisher("SUB", (Purpose.CAPF, Purpose.ITLRecovery, Purpose.CallManager, Purpose.CallManager_ECDSA))
    assert [(node.name, node.publisher) for node in store.nodes()] == [("sub", True), ("pub", False)]
    found = {f"{entry.unit}/{entry.name}": (entry.node, entry.certificate.serial_number) for entry in store.entries()}
    assert found == {
        "TVS/TVS.pem": ("sub", b"\2"),
        "TVS/TVS_pub.pem": ("pub", b"\1"),
        "CAPF/CAPF.pem": ("sub", b"\3"),
        "ITLRecovery/ITLRecovery.pem": ("sub", b"\4"),
        "CallManager/CallManager.pem": ("sub", b"\5"),
        "tomcat/tomcat_pub.pem": ("pub", b"\7"),
    }
    removed, changed = since(store, number)
    assert b"\6" in removed
    assert b"\6" not in changed
    rows = store.select("select servername, ipv4address from certificate where lower(serialnumber) = '04'")[1]
    assert rows == [("sub", "")]


def test_another_publisher_that_is_refused(store: CertificateStore) -> None:
    """The publisher itself, and a node that there is not; nothing changes."""
    store.add_node(PUB)
    store.add_node(SUB)
    with pytest.raises(Conflict, match="pub is the publisher already"):
        store.set_publisher("pub", ())
    with pytest.raises(NotFound, match="there is no node other; nodes: pub, sub"):
        store.set_publisher("other", ())
    assert store.nodes() == [PUB, SUB]
