"""Changes of the cluster's own certificates, proposed: regeneration, request, and what an import has in common."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from certstore.rules.entries import check_identity
from ctlcache.signing import KeySigner
from tvs.cluster.change import Change
from tvs.cluster.keys import check_publisher, list_signer
from tvs.cluster.lists import build_ctl, signed_by_server, tokenless_source
from tvs.cluster.proposals import with_itl
from tvs.errors import StateError
from tvs.identity import (
    CA_SIGNED,
    SELF_SIGNED,
    ec_subject,
    key_type,
    make_key,
    self_signed,
    signing_request,
    subject_for,
    successor_subject,
    validity_of,
)
from tvs.units import LIST_SIGNERS, MADE_HERE, NEEDED, OF_NODES, KeyType, first_key_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from certstore.store import CertificateStore, StoreEntry
    from ctlcache.keyfile import PrivateKey
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory


def propose_regeneration(
    state: StateDirectory, situation: Situation, unit: Purpose, kind: KeyType | None = None
) -> Change:
    """A new self-signed certificate of this node with a new key, and, on the publisher, the ITL file that it needs.

    Only the publisher has the key that signs lists: those of a subscriber's change stay as they are, and
    `propose_lists` on the publisher comes next.

    A unit that the cluster can be without may get its first one.

    The old certificate leaves the database: its key, which may be in wrong hands, must not sign lists any more. As
    long as the CTL file has it, TVS vouches for it from there.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        unit: one of `MADE_HERE`.
        kind: of the new key; None for that of the old one, or of a first one.
    """
    key, certificate = make_successor(unit, situation, kind)
    new = NewCertificate(
        unit=unit, certificate=certificate, key=key, node=situation.subscriber, description=SELF_SIGNED
    )
    return replace(own_change(state, situation, new, f"regenerate {unit}"), made=(certificate,))


def make_successor(unit: Purpose, situation: Situation, kind: KeyType | None = None) -> tuple[PrivateKey, bytes]:
    """A new key and a self-signed certificate (X.509 DER) of this node, after its present one."""
    key = new_key(unit, situation, kind)
    node = situation.this_node
    subject = _subject(unit, situation, partial(successor_subject, unit))
    made = self_signed(key, subject, host=node.name, address=node.address, validity=validity_of(unit))
    return key, made.public_bytes(Encoding.DER)


def propose_request(_: StateDirectory, situation: Situation, *, unit: Purpose, kind: KeyType | None = None) -> Change:
    """A new key of this node and a certificate signing request for it; the unit's last request is replaced.

    Args:
        situation: the current one.
        unit: one of `MADE_HERE`.
        kind: of the key; None for that of the present certificate, or of a first one.
    """
    key = new_key(unit, situation, kind)
    subject = _subject(unit, situation, subject_for)
    node = situation.this_node
    request = signing_request(key, subject, host=node.name, address=node.address)
    return Change(
        title=f"request a {unit} certificate",
        before=situation,
        after=situation,
        keys=((unit, key),),
        requests=((unit, request),),
    )


def check_unit(unit: Purpose) -> None:
    """Raises `StateError` for a unit whose certificates are not made here."""
    if unit not in MADE_HERE:
        raise StateError(f"{unit} certificates are not made here; those of {', '.join(MADE_HERE)} are")


def check_here(situation: Situation, unit: Purpose) -> None:
    """Raises `StateError` for a unit whose certificates are not made here, `NotPublisher` if the publisher makes it."""
    check_unit(unit)
    if unit not in OF_NODES:
        check_publisher(situation)


def check_not_rolled(situation: Situation, entry: StoreEntry | None) -> None:
    """Raises `StateError` if the rollover that is under way needs this entry; None for one that does not exist."""
    rollover = situation.rollover
    if rollover is None or entry is None or entry.unit not in (rollover.unit, rollover.trust):
        return
    if rollover.other(entry.certificate.der) is not None:
        raise StateError(
            f"{entry.unit}/{entry.name} is of the rollover of {rollover.unit} that is under way; nothing was changed. "
            f"Go on with it: tvs rollover {rollover.unit} --next; or back: tvs rollover {rollover.unit} --abort"
        )


def new_key(unit: Purpose, situation: Situation, kind: KeyType | None = None) -> PrivateKey:
    """A new key for a certificate of this node; None for the kind of the present one. Raises `StateError`."""
    check_here(situation, unit)
    wanted = kind or _present_kind(unit, situation)
    if unit in LIST_SIGNERS and wanted is KeyType.P256:
        raise StateError(f"{unit} signs trust lists, which only RSA keys can; choose rsa2048 or rsa4096{_beside(unit)}")
    if unit is Purpose.CallManager_ECDSA and wanted is not KeyType.P256:
        raise StateError(f"{unit} is for EC certificates; choose p256 (the RSA certificate is {Purpose.CallManager})")
    return make_key(wanted)


def _present_kind(unit: Purpose, situation: Situation) -> KeyType:
    if unit not in NEEDED and situation.own(unit, situation.subscriber) is None:
        return first_key_type(unit)
    return key_type(situation.require(unit, situation.subscriber))


def _beside(unit: Purpose) -> str:
    ec = Purpose.CallManager_ECDSA
    return f"; for an EC certificate beside it: tvs set cert regen {ec}" if unit is Purpose.CallManager else ""


def _subject(unit: Purpose, situation: Situation, after: Callable[[bytes, str], x509.Name]) -> x509.Name:
    """The subject of a new certificate, made from that of the present one; of a first one, from CallManager's."""
    here = situation.subscriber
    if unit not in NEEDED and situation.own(unit, here) is None:
        return ec_subject(situation.require(Purpose.CallManager, here))
    return after(situation.require(unit, here), situation.this_node.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCertificate:
    """An own certificate that takes the place of another one.

    Attributes:
        unit: its unit.
        certificate: X.509 DER.
        description: a line for people.
        key: its private key, if it is this node's.
        node: the name of its node; None for the publisher.
        chain: X.509 DER of the authorities above it.
    """

    unit: Purpose
    certificate: bytes
    description: str
    key: PrivateKey | None = None
    node: str | None = None
    chain: tuple[bytes, ...] = ()


def own_change(state: StateDirectory, situation: Situation, new: NewCertificate, title: str) -> Change:
    """A new own certificate in the database, its key on the disk, and, on the publisher, the ITL file that it needs.

    Raises `Conflict` if another certificate has its serial number and issuer.
    """
    replaced = situation.own_entry(new.unit, new.node)
    check_not_rolled(situation, replaced)
    others = [entry.certificate for entry in situation.entries if entry is not replaced]
    check_identity(Certificate.from_der(new.certificate), others)
    trust = trust_unit(new.unit)
    after = situation.with_own(new.unit, new.certificate, new.node).with_trusted(trust, new.chain)
    later = None
    if situation.subscriber is None:
        signer = _signer(state, after, new)
        after = with_itl(after, signer)
        later = after_update(after, new.unit, signer)

    def apply(store: CertificateStore) -> None:
        store.import_certificate(new.certificate, new.unit, node=new.node, description=new.description, replace=True)
        for authority in new.chain:
            store.import_certificate(authority, trust, description=CA_SIGNED)

    keys = () if new.key is None else ((new.unit, new.key),)
    return Change(title=title, before=situation, after=after, later=later, keys=keys, apply=apply)


def _signer(state: StateDirectory, after: Situation, new: NewCertificate) -> KeySigner:
    """The cluster's signer; if that one changes itself, its key is not on the disk yet."""
    if new.unit is after.signer and new.key is not None and new.node is None:
        return KeySigner(new.certificate, new.key, f"the {new.unit} certificate")
    return list_signer(state, after)


def propose_no_own(state: StateDirectory, situation: Situation, *, unit: Purpose, name: str) -> Change:
    """A unit without a certificate of one node, and, on the publisher, the ITL file that it needs.

    Args:
        state: the state directory, whose database knows the name.
        situation: the current one.
        unit: a unit that the cluster can be without.
        name: its name there, with or without ``.pem``.

    Raises `NotFound` for a name that is not in the unit, `NotPublisher` for that of another node.
    """
    with state.opened() as store:
        found = store.entry(unit, name)
    after = replace(situation, entries=tuple(entry for entry in situation.entries if entry != found))
    later = None
    if situation.subscriber is None or found.node != situation.subscriber:
        signer = list_signer(state, after)
        after = with_itl(after, signer)
        later = after_update(after, unit, signer)
    return Change(
        title=f"delete {unit}/{found.name}",
        before=situation,
        after=after,
        later=later,
        apply=lambda store: store.delete(unit, found.name),
    )


def after_update(after: Situation, unit: Purpose, signer: KeySigner) -> Situation | None:
    """The situation after ``utils ctl update CTLFile``; None if a change of the unit does not make that necessary."""
    listed = {Purpose.CallManager, Purpose.CallManager_ECDSA, Purpose.CAPF, after.signer}
    if unit not in listed or not after.mixed_mode or not signed_by_server(after.ctl):
        return None
    return replace(after, ctl=build_ctl(after, tokenless_source(after, signer)))


def trust_unit(unit: Purpose) -> Purpose:
    """The trust store of the authorities that issue a unit's certificates."""
    if unit in (Purpose.ITLRecovery, Purpose.CallManager_ECDSA):
        return Purpose.CallManager_trust
    return Purpose(f"{unit}-trust")
