"""The node that a state directory is: known by the private keys in it, no setting says so.

Each node makes the key of its own TVS certificate itself, and the key never leaves it: the node whose TVS certificate
in the database has its key here is this one.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.errors import NotInCluster, StateError
from tvs.units import MADE_HERE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from certstore.store import CertificateStore, Node, StoreEntry
    from tvs.state import StateDirectory


class ThisNode:
    """The node that a state directory is, found when it is asked for: many commands need not know it.

    Args:
        state: the state directory.
        nodes: of its cluster, the publisher first.
        entries: certificates of the database.
    """

    def __init__(self, state: StateDirectory, nodes: Sequence[Node], entries: Sequence[StoreEntry]) -> None:
        self._state = state
        self._nodes = nodes
        self._entries = entries

    @cached_property
    def node(self) -> Node:
        """As `own_node`, which says what it raises."""
        return node_of(self._state, self._nodes, self._entries)


def own_node(state: StateDirectory, store: CertificateStore) -> Node:
    """The node whose own TVS certificate in the database has its private key in this state directory.

    If there are several, the publisher comes before others. If there is none, it is the publisher, whose missing key
    is named where it is needed; but only if the database is this directory's own file, or if other keys of the
    publisher are here and no key of a TVS certificate is: a publisher of before, which was replaced and deleted, has
    both.

    Raises `NotInCluster` for a directory with keys of no node: a node that was deleted, or that lost its keys. Raises
    `StateError` for a database without a publisher, and `StoreError`.
    """
    return node_of(state, store.nodes(), store.entries(own=True))


def node_of(state: StateDirectory, nodes: Sequence[Node], entries: Iterable[StoreEntry]) -> Node:
    """`own_node` for nodes and certificates that were read from the database: the publisher first."""
    own = [entry for entry in entries if entry.own]
    here = {entry.node for entry in own if entry.unit is Purpose.TVS and has_key(state, entry)}
    for node in nodes:
        if node.name in here:
            return node
    publisher = next((node for node in nodes if node.publisher), None)
    if publisher is None:
        raise StateError("the database has no publisher; restore a backup, or make a new cluster with: tvs init")
    if state.has_own_database or (
        not _has_tvs_key(state) and any(has_key(state, entry) for entry in own if entry.node == publisher.name)
    ):
        return publisher
    raise NotInCluster(
        f"{state.path} is not a node of the cluster of {publisher.name}: {state.keys} has the key of no node's TVS "
        f"certificate in {state.store_name}. If the node was deleted, let it join anew: tvs init --join URL with "
        "another, empty --state. If its keys were lost, restore them from the backup"
    )


def _has_tvs_key(state: StateDirectory) -> bool:
    """Whether there is a key of a TVS certificate beside those of previous ones, see `tvs.cluster.kept`."""
    kept = {path.name.rpartition("-")[0] for path in state.keys.glob(f"{Purpose.TVS}-*.pem")}
    return any(path.stem not in kept for path in state.keys.glob(f"{Purpose.TVS}-*.key"))


def has_key(state: StateDirectory, entry: StoreEntry) -> bool:
    """Whether the private key of an own certificate is in this state directory. Raises `StateError`."""
    from cryptography import x509  # noqa: PLC0415 - see ThisNode

    from certstore.certificate import CertificateError, public_key  # noqa: PLC0415 - likewise

    if entry.unit not in MADE_HERE:
        return False
    try:
        path = state.key_file(entry.unit, public_key(x509.load_der_x509_certificate(entry.certificate.der)))
        return path.exists()
    except (CertificateError, ValueError):  # of a foreign program; no key here belongs to it
        return False
    except OSError as error:
        raise StateError(f"{state.keys}: {error.strerror}; run this as the directory's owner") from None
