"""A subscriber becomes the publisher, proposed: the publisher is lost, with its keys or without."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certstore.certificate import public_key
from certstore.purposes import Purpose
from certstore.rules.names import own_names
from ctlcache.signing import KeySigner
from tvs.cluster.change import Change
from tvs.cluster.lists import build_ctl, signed_by_server, signed_by_token, tokenless_source
from tvs.cluster.membership import has_key
from tvs.cluster.proposals import with_itl
from tvs.cluster.rolloverstages import without_lost
from tvs.errors import StateError
from tvs.identity import (
    SELF_SIGNED,
    key_id,
    key_type,
    load_private_key,
    make_key,
    self_signed,
    successor_subject,
    validity_of,
)
from tvs.system.owner import as_caller

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from certstore.store import CertificateStore, StoreEntry
    from ctlcache.keyfile import PrivateKey
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

_OF_THE_CLUSTER = (Purpose.ITLRecovery, Purpose.CAPF)
"""Units whose certificates are the cluster's, not one server's."""


def propose_promotion(state: StateDirectory, situation: Situation, *, keys: Path | None = None) -> Change:
    """This node as the publisher, and the lists that follow.

    With the lost publisher's keys the signer of lists stays. If that is its CallManager certificate, this node gets
    it in place of its own. Without them ITLRecovery and CAPF are new, and this node's CallManager is the publisher's.

    Args:
        state: the state directory.
        situation: the current one.
        keys: a directory with the keys of the lost publisher, named as in its state directory; None for those of this
            node, a publisher of before, if it has all that are needed, else for new ones.

    Raises `StateError` on the publisher, and for keys that are missing or belong to other certificates.
    """
    here, old = situation.this_node, situation.publisher
    if here.publisher:
        raise StateError(f"{here.name} is the publisher already; nothing was changed")
    with_signer = tuple(dict.fromkeys((*_OF_THE_CLUSTER, situation.signer)))
    present = None if keys is not None else _keys_here(state, situation, with_signer)
    moved = _OF_THE_CLUSTER if keys is None and present is None else with_signer
    kept, end_rollover = without_lost(situation)
    after = replace(_with_publisher(kept, here.name, moved), lost=old.name, here=None)
    made: dict[Purpose, bytes] = {}
    if keys is not None:
        found = _restored_keys(keys, {unit: after.require(unit) for unit in moved})
    elif present is not None:
        found = present
    else:
        found = {unit: make_key(key_type(after.require(unit))) for unit in moved}
        made = {unit: _certificate(after, unit, key) for unit, key in found.items()}
    for unit, certificate in made.items():
        after = after.with_own(unit, certificate)

    def apply(store: CertificateStore) -> None:
        end_rollover(store)
        store.set_publisher(here.name, moved)
        for unit, certificate in made.items():
            store.import_certificate(certificate, unit, node=here.name, description=SELF_SIGNED, replace=True)

    return Change(
        title=f"make {here.name} the publisher in place of {old.name}",
        before=situation,
        after=_with_lists(state, after, found),
        made=tuple(made.values()),
        keys=tuple(found.items()),
        apply=apply,
    )


def _with_publisher(situation: Situation, name: str, moved: tuple[Purpose, ...]) -> Situation:
    """The situation as `CertificateStore.set_publisher` leaves it."""
    old = situation.publisher.name
    nodes = {node.name: replace(node, publisher=node.name == name) for node in situation.nodes}
    going = {entry.unit for entry in situation.entries if entry.node == old and entry.unit in moved}

    def entry_of(entry: StoreEntry) -> StoreEntry:
        owner = name if entry.node == old and entry.unit in moved else entry.node
        if not entry.own or owner not in (old, name):
            return entry
        return replace(entry, node=owner, name=next(own_names(entry.unit, nodes[owner])))

    kept = (entry for entry in situation.entries if entry.node != name or entry.unit not in going)
    return replace(
        situation,
        nodes=tuple(sorted(nodes.values(), key=lambda node: not node.publisher)),
        entries=tuple(entry_of(entry) for entry in kept),
    )


def _keys_here(
    state: StateDirectory, situation: Situation, units: tuple[Purpose, ...]
) -> dict[Purpose, PrivateKey] | None:
    """The keys of the publisher's certificates in this state directory; None unless those of all units are there."""
    entries = [entry for unit in units if (entry := situation.own_entry(unit)) is not None and has_key(state, entry)]
    if len(entries) < len(units):
        return None
    return {entry.unit: state.private_key(entry.unit, entry.certificate.der) for entry in entries}


def _restored_keys(keys: Path, certificates: Mapping[Purpose, bytes]) -> dict[Purpose, PrivateKey]:
    """The keys of certificates (X.509 DER) from a backup, read with the caller's rights. Raises `StateError`."""
    wanted = {unit: public_key(x509.load_der_x509_certificate(der)) for unit, der in certificates.items()}
    with as_caller():
        aside = keys / "unused"
        listed = [*(_listed(aside) if aside.is_dir() else ()), *_listed(keys)]
        files = {path.stem.rpartition("-")[2]: path for path in listed if path.suffix == ".key"}
        missing = [f"{unit} ({unit}-{key_id(key)}.key)" for unit, key in wanted.items() if key_id(key) not in files]
        if missing:
            raise StateError(
                f"{keys} does not have the keys of these certificates in the database: {', '.join(missing)}; nothing "
                "was changed. Give the directory keys of the newest backup of the publisher's state directory. What "
                "phones do without: tvs ctl plan promote"
            )
        found = {unit: load_private_key(files[key_id(key)]) for unit, key in wanted.items()}
    for unit, key in found.items():
        if key.public_key() != wanted[unit]:
            raise StateError(
                f"{files[key_id(wanted[unit])]} has another key than its name says, not that of the {unit} "
                "certificate; nothing was changed; restore it from another backup"
            )
    return found


def _listed(directory: Path) -> list[Path]:
    """What is in a directory, sorted. Raises `StateError`."""
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        raise StateError(f"{directory}: there is no such directory; nothing was changed") from None
    except OSError as error:
        raise StateError(
            f"{directory}: cannot be listed: {error.strerror}; nothing was changed. Run this as a user who may read "
            "the keys there, or copy them to another directory"
        ) from None


def _certificate(after: Situation, unit: Purpose, key: PrivateKey) -> bytes:
    """A new certificate in a unit of the cluster, X.509 DER."""
    node = after.publisher
    subject = successor_subject(unit, after.require(unit), node.name)
    made = self_signed(key, subject, host=node.name, address=node.address, validity=validity_of(unit))
    return made.public_bytes(Encoding.DER)


def _with_lists(state: StateDirectory, after: Situation, keys: Mapping[Purpose, PrivateKey]) -> Situation:
    """The situation with new lists that the cluster's signer signs; a CTL file that a token signed stays."""
    certificate = after.require(after.signer)
    key = keys[after.signer] if after.signer in keys else state.private_key(after.signer, certificate)
    signer = KeySigner(certificate, key, f"the {after.signer} certificate")
    if signed_by_server(after.ctl):
        after = replace(after, ctl=build_ctl(after, tokenless_source(after, signer)))
    return with_itl(after, signer)


def next_steps(change: Change) -> list[str]:
    """The steps after a node became the publisher, in their order, for people."""
    before, after = change.before, change.after
    name = after.publisher.name
    steps = []
    if before.own(Purpose.CallManager, name) != after.own(Purpose.CallManager, name):
        steps.append(
            f"CallManager on {name} takes the certificate of the lost publisher, which signs the trust lists: "
            "tvs show cert own CallManager"
        )
    if signed_by_token(after.ctl):
        steps.append("the CTL file stays as the token signed it until: tvs utils ctl update CTLFile --token URI")
    if change.made:
        steps.append("restart the phones: each asks TVS about the new signer when it fetches the lists")
    steps.append(f"when it is certain that {after.lost} does not come back: tvs set node delete {after.lost}")
    return steps
