"""Nodes as rules: names, addresses, additions, deletions."""

from __future__ import annotations

import pytest

from certstore.errors import Conflict, NotFound, StoreError
from certstore.rules.nodes import check_addition, check_deletion, check_node, ipv4_text, no_such_node
from certstore.store import Node

PUB = Node(name="pub", address="192.0.2.1", publisher=True)
SUB = Node(name="sub", address="2001:db8::1", publisher=False)


def node(name: str = "n", address: str = "", *, publisher: bool = False) -> Node:
    """A node."""
    return Node(name=name, address=address, publisher=publisher)


@pytest.mark.parametrize("name", ["a", "a.example.com", "10.0.0.1", "2001:db8::1", "A_b-c", "x" * 255])
def test_names_of_nodes(name: str) -> None:
    """Host names and addresses are names, up to 255 characters."""
    check_node(node(name))


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "../x", "a/b", "x" * 256, "Zoë", "a\n", "a\0"])
def test_names_that_no_node_has(name: str) -> None:
    """Every other name is refused."""
    with pytest.raises(StoreError, match="cannot be a node's name: use its host name or its address"):
        check_node(node(name))


@pytest.mark.parametrize("address", ["1.2.3", "host", "1.2.3.4.5", "::g", "1.2.3.4/24"])
def test_addresses_that_no_node_has(address: str) -> None:
    """An address is an IPv4 or IPv6 address, or left out."""
    check_node(node(address=""))
    with pytest.raises(StoreError, match=f"'{address}' of node n is not an IPv4 or IPv6 address"):
        check_node(node(address=address))


def test_additions() -> None:
    """A name is taken once, in any case of letters, and one node is the publisher."""
    check_addition(node("other"), [PUB, SUB])
    check_addition(PUB, [SUB])
    with pytest.raises(Conflict, match="there is a node sub already"):
        check_addition(node("SUB"), [PUB, SUB])
    with pytest.raises(Conflict, match="pub is the publisher already; add other as a subscriber"):
        check_addition(node("other", publisher=True), [PUB, SUB])


def test_deletions() -> None:
    """Subscribers may go, the publisher may not."""
    check_deletion(SUB)
    with pytest.raises(Conflict, match="pub is the publisher: it holds the cluster's configuration"):
        check_deletion(PUB)


def test_nodes_that_are_not_there() -> None:
    """The sentence lists the nodes that there are."""
    assert isinstance(no_such_node("x", []), NotFound)
    assert str(no_such_node("x\udcff", [PUB, SUB])) == "there is no node x?; nodes: pub, sub"
    assert str(no_such_node("x", [])) == "there is no node x; nodes: none yet"


def test_the_ipv4_address_of_own_certificates() -> None:
    """Only an IPv4 address stands in the column that is named after it."""
    assert [ipv4_text(owner) for owner in (PUB, SUB, node(), None)] == ["192.0.2.1", "", "", ""]
