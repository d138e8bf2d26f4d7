"""Another name or address of a node, proposed, and the steps that an administrator takes after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from certstore.purposes import Purpose
from certstore.rules.names import own_names
from certstore.rules.nodes import check_addition, check_node, no_such_node, same_address
from tvs.cluster.certificates import after_update
from tvs.cluster.change import Change
from tvs.cluster.following import UPDATE_LISTS, reload_service, update_ctl
from tvs.cluster.imports import is_self_issued
from tvs.cluster.keys import list_signer
from tvs.cluster.proposals import with_itl
from tvs.errors import StateError
from tvs.identity import dns_names, ip_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.store import CertificateStore, Node, StoreEntry
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

_ORDER = (Purpose.CallManager, Purpose.CallManager_ECDSA, Purpose.CAPF, Purpose.TVS)
"""Units in the order in which their certificates are replaced: TVS, which vouches for the others, comes last.

ITLRecovery is left out: phones do not look at its name, and know it as the way back.
"""


def propose_rename(
    state: StateDirectory, situation: Situation, old: str, new: str, *, address: str | None = None
) -> Change:
    """A node with another name or address, and the ITL file with them; its certificates stay its own.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        old: the node's present name, whatever its case.
        new: its name afterwards; may be the same.
        address: its IPv4 or IPv6 address afterwards; None for the present one.

    Raises `NotFound`, `Conflict`, `StoreError` and `StateError`: what the database would refuse is refused here.
    """
    present = find_node(situation, old)
    node = replace(present, name=new, address=present.address if address is None else address)
    check_node(node)
    check_addition(node, [other for other in situation.nodes if other != present])
    if node == present:
        raise StateError(f"{present.name} has this name and address already; nothing was changed")
    after = _renamed(situation, present, node)
    signer = list_signer(state, after)
    after = with_itl(after, signer)

    def apply(store: CertificateStore) -> None:
        store.change_node(present.name, node)
        for entry in situation.entries:
            if entry.own and entry.node == present.name and entry.description == own_description(entry.unit, present):
                der, description = entry.certificate.der, own_description(entry.unit, node)
                store.import_certificate(der, entry.unit, node=node.name, description=description)

    return Change(
        title=_title(present, node),
        before=situation,
        after=after,
        later=after_update(after, Purpose.CallManager, signer),
        apply=apply,
    )


def own_description(unit: Purpose, node: Node) -> str:
    """The description of a subscriber's own certificate."""
    return f"{unit} of {node.name}"


def find_node(situation: Situation, name: str) -> Node:
    """The node of that name, whatever its case. Raises `NotFound`."""
    for node in situation.nodes:
        if node.name.lower() == name.lower():
            return node
    raise no_such_node(name, situation.nodes)


def _title(present: Node, node: Node) -> str:
    address = "" if node.address == present.address else f" with address {node.address}"
    return f"rename node {present.name} to {node.name}{address}"


def _renamed(situation: Situation, present: Node, node: Node) -> Situation:
    def entry_of(entry: StoreEntry) -> StoreEntry:
        if (entry.node or "").lower() != present.name.lower():
            return entry
        return replace(entry, node=node.name, name=next(own_names(entry.unit, node)))

    return replace(
        situation,
        nodes=tuple(node if other == present else other for other in situation.nodes),
        entries=tuple(entry_of(entry) for entry in situation.entries),
    )


# -- afterwards ----------------------------------------------------------------------------------------------


def next_steps(before: Situation, after: Situation) -> list[str]:
    """The steps after a node was renamed, in their order, for people; empty if the nodes are the same.

    Args:
        before: the situation before `propose_rename`.
        after: the one that it proposes.
    """
    changed = zip(before.nodes, after.nodes, strict=True)
    return [step for present, node in changed if present != node for step in _steps(after, present, node)]


def _steps(after: Situation, present: Node, node: Node) -> Iterator[str]:
    if after.ctl is not None:
        yield f"the CTL file has the old name or address until: {update_ctl(after.ctl)}"
    if not node.publisher:
        yield f"on {node.name} itself, if it has a database of its own: tvs set node rename, as here"
    yield from _configuration(present, node)
    yield from _certificates(after, present, node)


def _configuration(present: Node, node: Node) -> Iterator[str]:
    """Places outside of the cluster that name the node."""
    if node.address != present.address:
        old = present.address or "the old address"
        members = "phones' configuration files (SEP<MAC>.cnf.xml), members of TVS and of CallManager"
        yield f"{members}: {old} becomes {node.address}; then restart the phones"
    if node.address != present.address and node.publisher:
        yield "the setting listen (tvs.toml), if it has the old address; then restart the service"
    if node.name.lower() != present.name.lower():
        yield f"DNS, and phones' configuration files that name {present.name}: {node.name}; then restart the phones"


def _certificates(after: Situation, present: Node, node: Node) -> Iterator[str]:
    """Own certificates without the node's name or address, one at a time and in their order."""
    for unit in _ORDER:
        der = after.own(unit, node.name)
        if der is not None and _is_outdated(der, present, node):
            then = "; ".join((*_after(unit, after, node), "let all phones register"))
            yield f"the {unit} certificate does not name {_now(node)}: {_replacement(unit, der, node)}; {then}"


def _now(node: Node) -> str:
    return f"{node.name} with {node.address}" if node.address else node.name


def _after(unit: Purpose, after: Situation, node: Node) -> Iterator[str]:
    if unit is Purpose.TVS:
        yield reload_service(None if node.publisher else node.name)
    elif after.ctl is not None:
        yield update_ctl(after.ctl)


def _is_outdated(der: bytes, present: Node, node: Node) -> bool:
    """Whether a certificate has names or addresses, and not the node's; a CN counts if it is the old name."""
    certificate = x509.load_der_x509_certificate(der)
    common = [str(part.value).lower() for part in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    names = [name.lower() for name in dns_names(certificate)]
    addresses = ip_addresses(certificate)
    old, new = present.name.lower(), node.name.lower()
    return (
        (old != new and old in common)
        or (bool(names) and new not in names)
        or (bool(addresses) and not any(same_address(found, node.address) for found in addresses))
    )


def _replacement(unit: Purpose, der: bytes, node: Node) -> str:
    if not node.publisher:
        joined = f"on {node.name}: tvs set cert regen {unit}, then here: {UPDATE_LISTS}"
        return f"{joined} (if it has a database of its own: tvs set cert import own {unit} FILE --node {node.name})"
    if is_self_issued(der):
        return f"tvs set cert regen {unit}"
    return f"tvs set csr gen {unit}, have it signed, tvs set cert import own {unit} FILE"
