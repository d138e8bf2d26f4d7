"""Changes of the cluster's nodes, proposed: a subscriber more, or one less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.cluster.change import Change
from tvs.cluster.imports import check_own
from tvs.cluster.keys import list_signer
from tvs.cluster.proposals import with_itl
from tvs.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore, Node
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory


def propose_node(
    state: StateDirectory, situation: Situation, node: Node, certificates: Mapping[Purpose, bytes]
) -> Change:
    """A subscriber more, with the certificates of its services (X.509 DER by unit), and the ITL file that it needs."""
    after = situation.with_node(node)
    for unit, der in certificates.items():
        check_own(unit, der, signs=False)
        after = after.with_own(unit, der, node.name)

    def apply(store: CertificateStore) -> None:
        store.add_node(node)
        for unit, der in certificates.items():
            store.import_certificate(der, unit, node=node.name, description=f"{unit} of {node.name}")

    return Change(
        title=f"add node {node.name}",
        before=situation,
        after=with_itl(after, list_signer(state, situation)),
        apply=apply,
    )


def propose_no_node(state: StateDirectory, situation: Situation, name: str) -> Change:
    """A subscriber less, and the ITL file without it."""
    if name.lower() == situation.publisher.name.lower():
        raise StateError(f"{name} is the publisher: its keys sign the trust lists, it cannot be deleted")
    return Change(
        title=f"delete node {name}",
        before=situation,
        after=with_itl(situation.without_node(name), list_signer(state, situation)),
        apply=lambda store: store.delete_node(name),
    )
