"""Nodes of the cluster: their names and addresses, and which may be added and deleted."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING

from certstore.errors import Conflict, NotFound, StoreError
from certstore.generations import MAX_NODE
from certstore.rules.names import storable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from certstore.store import Node

_NODE_NAME = rf"[A-Za-z0-9]([A-Za-z0-9._:-]{{0,{MAX_NODE - 2}}}[A-Za-z0-9])?"


def check_node(node: Node) -> None:
    """Raises `StoreError` for a name or address that a node cannot have."""
    if not re.fullmatch(_NODE_NAME, node.name):
        raise StoreError(f"{node.name!r} cannot be a node's name: use its host name or its address")
    if node.address:
        try:
            ip_address(node.address)
        except ValueError:
            raise StoreError(f"{node.address!r} of node {node.name} is not an IPv4 or IPv6 address") from None


def check_addition(node: Node, nodes: Iterable[Node]) -> None:
    """Raises `Conflict` if one of the cluster's nodes has the new node's name or address, or is a publisher like it.

    Phones find a node by its address: with two nodes at one address, one of them could not be reached.
    """
    for present in nodes:
        if present.name.lower() == node.name.lower():
            raise Conflict(f"there is a node {present.name} already")
        if present.publisher and node.publisher:
            raise Conflict(f"{present.name} is the publisher already; add {node.name} as a subscriber")
        if node.address and same_address(present.address, node.address):
            raise Conflict(f"{present.name} has the address {node.address} already")


def same_address(first: str, second: str) -> bool:
    """Whether two texts are one IPv4 or IPv6 address, in whatever notation."""
    try:
        return ip_address(first) == ip_address(second)
    except ValueError:
        return False


def check_deletion(node: Node) -> None:
    """Raises `Conflict` for the publisher."""
    if node.publisher:
        raise Conflict(f"{node.name} is the publisher: it holds the cluster's configuration and cannot be deleted")


def check_promotion(node: Node) -> None:
    """Raises `Conflict` for the publisher."""
    if node.publisher:
        raise Conflict(f"{node.name} is the publisher already")


def no_such_node(name: str, nodes: Iterable[Node]) -> NotFound:
    """The error for a name that none of the cluster's nodes has; lists those that there are."""
    known = ", ".join(node.name for node in nodes) or "none yet"
    return NotFound(f"there is no node {storable(name)}; nodes: {known}")


def ipv4_text(node: Node | None) -> str:
    """The column ``ipv4address`` of a node's own certificates: empty without a node or an IPv4 address."""
    try:
        return "" if node is None else str(IPv4Address(node.address))
    except ValueError:
        return ""
