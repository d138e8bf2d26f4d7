"""Changes of the cluster's nodes, proposed: a subscriber more, or one less, another address of the publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.certificate import Certificate
from certstore.errors import Conflict
from certstore.rules.entries import check_identity
from certstore.rules.nodes import check_addition, check_node, no_such_node
from tvs.cluster.change import Change
from tvs.cluster.imports import check_own
from tvs.cluster.keys import list_signer
from tvs.cluster.lists import signed_by_token
from tvs.cluster.proposals import with_itl
from tvs.cluster.renaming import own_description, propose_rename
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
    """A subscriber more, with the certificates of its services (X.509 DER by unit), and the ITL file that it needs.

    The publisher's own name changes the publisher's address.

    Raises `StateError`, `CertificateError` and `Conflict`: what the database would refuse is refused here, before a
    plan.
    """
    publisher = situation.publisher
    if node.name.lower() == publisher.name.lower():
        if certificates:
            raise StateError(
                f"{publisher.name} is the publisher, whose certificates have their keys here: make or import them with "
                "tvs set cert regen UNIT, or tvs set cert import own UNIT FILE"
            )
        return propose_rename(state, situation, publisher.name, publisher.name, address=node.address)
    _check_new(situation, node)
    after = situation.with_node(node)
    for unit, der in certificates.items():
        check_own(unit, der, signs=False)
        check_identity(Certificate.from_der(der), [entry.certificate for entry in after.entries])
        after = after.with_own(unit, der, node.name)

    def apply(store: CertificateStore) -> None:
        store.add_node(node)
        for unit, der in certificates.items():
            store.import_certificate(der, unit, node=node.name, description=own_description(unit, node))

    return Change(
        title=f"add node {node.name}",
        before=situation,
        after=with_itl(after, list_signer(state, situation)),
        apply=apply,
    )


def _check_new(situation: Situation, node: Node) -> None:
    check_node(node)
    for present in situation.nodes:
        if present.name.lower() == node.name.lower():
            raise Conflict(
                f"there is a node {present.name} already; another address: "
                f"tvs set node rename {present.name} {present.name} --address {node.address}"
            )
    check_addition(node, situation.nodes)


def propose_no_node(state: StateDirectory, situation: Situation, name: str) -> Change:
    """A subscriber less, and the ITL file without it. Raises `StateError` for the publisher, `NotFound`."""
    if name.lower() == situation.publisher.name.lower():
        raise StateError(f"{name} is the publisher: its keys sign the trust lists, it cannot be deleted")
    if name.lower() not in {node.name.lower() for node in situation.nodes}:
        raise no_such_node(name, situation.nodes)
    return Change(
        title=f"delete node {name}",
        before=situation,
        after=with_itl(situation.without_node(name), list_signer(state, situation)),
        apply=lambda store: store.delete_node(name),
    )


def steps_without(before: Situation, after: Situation) -> list[str]:
    """The steps after a node was deleted, in their order, for people.

    Args:
        before: the situation before `propose_no_node`.
        after: the one that it proposes.
    """
    (gone,) = (node for node in before.cluster_nodes if node.name not in {other.name for other in after.nodes})
    steps = []
    listed = [der for der in (gone.call_manager, gone.call_manager_ec, gone.tvs) if der is not None]
    if after.ctl is not None and any(der in after.ctl for der in listed):
        token = signed_by_token(after.ctl)
        update = "tvs utils ctl update CTLFile --token URI" if token else "tvs utils itl update"
        steps.append(f"the CTL file has the certificates of {gone.name} until: {update}")
    named = gone.name if gone.address is None else f"{gone.name} or {gone.address}"
    steps.append(f"phones' configuration files (SEP<MAC>.cnf.xml) that name {named}; then restart the phones")
    if gone.tvs is not None:
        steps.append(
            f"on {gone.name}, if its service still runs, which answers phones with what it has: "
            "systemctl disable --now tvs"
        )
    return steps
