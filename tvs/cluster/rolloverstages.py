"""The stages of a rollover, proposed: begun, taken one after the other, and undone.

Make before break: the lists name the next certificate before it is in use, and the one before it until the end. Each
stage is one change, with its lists and the parameter of `tvs.cluster.rollover`: a kill leaves the one or the other.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from certstore.rules.entries import check_identity
from tvs.cluster.certificates import make_successor
from tvs.cluster.change import Change
from tvs.cluster.imports import describe
from tvs.cluster.keys import check_publisher
from tvs.cluster.lists import signed_by_token
from tvs.cluster.rollover import ROLLOVER, Pair, Rollover, Stage, check_alone, check_key, print_of
from tvs.cluster.rolloverlists import unlisted, with_lists
from tvs.errors import StateError
from tvs.units import CTL_NAME, ROLLED_OVER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from certstore.store import CertificateStore, StoreEntry
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory
    from tvs.units import KeyType

    Write = Callable[[CertificateStore], object]


class UnderWay(StateError):  # noqa: N818 - a state
    """A rollover is under way already, and this node takes part in it.

    Attributes:
        facts: `Rollover.facts` of it.
    """

    def __init__(self, rollover: Rollover) -> None:
        super().__init__(f"a rollover of {rollover.unit} is under way already; nothing was changed")
        self.facts = rollover.facts


def propose_rollover(
    state: StateDirectory, situation: Situation, *, unit: Purpose, kind: KeyType | None = None
) -> Change:
    """The next certificate of this node with a new key, announced: in the lists, on the publisher, and vouched for.

    A rollover of TVS that another node has begun, and that is announced, gets the next certificate of this one.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        unit: one of `ROLLED_OVER`.
        kind: of the new key; None for that of the present one.

    Raises `UnderWay` if there is nothing to begin, `StateError`, and `NotPublisher` for a unit of the publisher.
    """
    check_rollable(unit)
    if unit is not Purpose.TVS:
        check_publisher(situation)
    present = situation.require(unit, situation.subscriber)
    rollover = situation.rollover or _new(situation, unit)
    _check_joinable(rollover, unit, present)
    check_alone(situation.entries, unit, present)
    key, made = make_successor(unit, situation, kind)
    check_identity(Certificate.from_der(made), [entry.certificate for entry in situation.entries])
    rollover = _at(situation, rollover, Stage.ANNOUNCED, more=(Pair(print_of(present), print_of(made)),))
    after = replace(situation.with_trusted(rollover.trust, [made]), rolling=rollover.to_text())

    def apply(store: CertificateStore) -> None:
        store.import_certificate(made, rollover.trust, description=_description("Next", unit))
        store.set_parameter(ROLLOVER, rollover.to_text())

    return Change(
        title=f"announce the next {unit} certificate",
        before=situation,
        after=after if situation.subscriber else with_lists(state, after, unit),
        made=(made,),
        keys=((unit, key),),
        apply=apply,
    )


def _new(situation: Situation, unit: Purpose) -> Rollover:
    """One without certificates yet."""
    last = Rollover.from_text(situation.rolling)
    earlier = () if unit is Purpose.TVS or last is None else last.presented
    return Rollover(unit=unit, stage=Stage.ANNOUNCED, since=0, generation=0, pairs=(), earlier=earlier)


def check_rollable(unit: Purpose) -> None:
    """Raises `StateError` for a unit whose certificates cannot be rolled over."""
    if unit not in ROLLED_OVER:
        raise StateError(
            f"{unit} cannot be rolled over, {', '.join(ROLLED_OVER)} can; nothing was changed. A new certificate at "
            f"once: tvs set cert regen {unit}"
        )


def _check_joinable(rollover: Rollover, unit: Purpose, present: bytes) -> None:
    if rollover.unit is not unit:
        raise StateError(
            f"a rollover of {rollover.unit} is under way, and there is one at a time; nothing was changed. See: "
            f"tvs rollover {rollover.unit} --status"
        )
    if rollover.stage is not Stage.ANNOUNCED or rollover.other(present) is not None:
        raise UnderWay(rollover)


def propose_next(state: StateDirectory, situation: Situation, *, unit: Purpose) -> Change:
    """The next stage; on the publisher, which signs lists.

    Announced, with a certificate that the lists lack: lists with all of them. Announced: the next certificates become
    the own ones. In use: the ones before leave lists and trust.

    Raises `StateError` without a rollover of the unit.
    """
    rollover = required(situation, unit)
    check_publisher(situation)
    if rollover.stage is not Stage.ANNOUNCED:
        return _finish(state, situation, rollover)
    if not situation.rolled:
        raise StateError(f"no certificate of the rollover of {unit} is left; go back with: tvs rollover {unit} --abort")
    lacking = unlisted(situation)
    if lacking - {CTL_NAME} or (lacking and not signed_by_token(situation.ctl)):
        rollover = _at(situation, rollover, Stage.ANNOUNCED)
        return _change(state, situation, rollover, f"announce all next {unit} certificates", situation)
    if lacking:
        raise StateError(
            f"{CTL_NAME} does not name the next {unit} certificate, and a hardware token signed it; nothing was "
            "changed. Have the token sign it anew, and restart the phones: tvs utils ctl update CTLFile --token URI"
        )
    needed = frozenset(situation.rolled.values()) if unit is Purpose.TVS else frozenset()
    title = f"present the next {unit} certificate" if unit is Purpose.TVS else f"put the next {unit} certificate in use"
    return replace(_swap(state, situation, rollover, rollover.second, title), needed=needed)


def propose_abort(state: StateDirectory, situation: Situation, *, unit: Purpose) -> Change:
    """One stage back: from the next certificates to those before, from the announcement to nothing.

    A parameter that is damaged is forgotten. Raises `StateError` without a rollover of the unit.
    """
    check_publisher(situation)
    try:
        rollover = required(situation, unit)
    except DamagedRollover:
        after = replace(situation, rolling="")
        after = with_lists(state, after, Purpose.CallManager)
        title = "forget the damaged rollover"
        return Change(title=title, before=situation, after=after, apply=lambda store: store.set_parameter(ROLLOVER, ""))
    if rollover.stage is not Stage.ANNOUNCED:
        back = f"put the {unit} certificate of before in use"
        return _swap(state, situation, rollover, Stage.ANNOUNCED, back)
    return _end(state, situation, rollover, Stage.ABORTED, f"abort the rollover of {unit}")


class DamagedRollover(StateError):  # noqa: N818 - a state
    """The database's parameter cannot be read."""


def required(situation: Situation, unit: Purpose) -> Rollover:
    """The rollover of a unit that is under way. Raises `DamagedRollover`, and `StateError` without one."""
    check_rollable(unit)
    try:
        rollover = situation.rollover
    except StateError as damaged:
        raise DamagedRollover(str(damaged)) from None
    if rollover is None or rollover.unit is not unit:
        other = "" if rollover is None else f", one of {rollover.unit} is"
        raise StateError(
            f"no rollover of {unit} is under way{other}; nothing was changed. Begin with: tvs rollover {unit}"
        )
    return rollover


def without_lost(situation: Situation) -> tuple[Situation, Write]:
    """The situation without a rollover whose keys a lost publisher has, or that is damaged; what the database gets.

    One of TVS goes on: each node has its own key.
    """
    try:
        rollover = situation.rollover
        if rollover is None or (rollover.unit is Purpose.TVS and situation.rolled):
            return situation, lambda _: None
    except StateError:
        rollover = None
    gone = [] if rollover is None else list(rollover.in_trust(situation.entries).values())
    ended = Stage.ABORTED if rollover is None or rollover.stage is Stage.ANNOUNCED else Stage.FINISHED
    rolling = "" if rollover is None else _at(situation, rollover, ended).to_text()

    def apply(store: CertificateStore) -> None:
        for entry in gone:
            store.delete(entry.unit, entry.name)
        store.set_parameter(ROLLOVER, rolling)

    places = {(entry.unit, entry.name) for entry in gone}
    kept = tuple(entry for entry in situation.entries if (entry.unit, entry.name) not in places)
    return replace(situation, entries=kept, rolling=rolling), apply


# -- shared by the stages ---------------------------------------------------------------------------------------------


def _at(situation: Situation, rollover: Rollover, stage: Stage, *, more: tuple[Pair, ...] = ()) -> Rollover:
    """The rollover at a stage that the next generation takes."""
    return rollover.at(stage, since=int(time.time()), generation=situation.generation + 1, more=more)


def _change(
    state: StateDirectory,
    situation: Situation,
    rollover: Rollover,
    title: str,
    after: Situation,
    *writes: Write,
) -> Change:
    """A change to another stage. `writes`: what the database gets beside it, each called with the database."""
    text = rollover.to_text()

    def apply(store: CertificateStore) -> None:
        for write in writes:
            write(store)
        store.set_parameter(ROLLOVER, text)

    after = with_lists(state, replace(after, rolling=text), rollover.unit)
    return Change(title=title, before=situation, after=after, apply=apply)


def _swap(state: StateDirectory, situation: Situation, rollover: Rollover, stage: Stage, title: str) -> Change:
    """The other certificate of each pair becomes the own one, and the own one goes to the trust store.

    Raises `StateError` if this node's key of the other one cannot be read (those of other nodes are there only), or if
    several nodes have the same certificate.
    """
    trusted = rollover.in_trust(situation.entries)
    word = "Next" if stage is Stage.ANNOUNCED else "Previous"
    after = situation
    writes: list[Write] = []
    for own in list(_own_of(situation, rollover)):
        other = trusted[rollover.other(own.certificate.der) or ""]
        new, old = other.certificate.der, own.certificate.der
        check_alone(situation.entries, rollover.unit, old)
        if (own.node or "").lower() == situation.this_node.name.lower():
            check_key(state, rollover, new)
        after = _without(after.with_own(rollover.unit, new, own.node), rollover.trust, [new])
        after = after.with_trusted(rollover.trust, [old])
        writes.append(partial(_exchange, own=own, other=other, word=word))
    return _change(state, situation, _at(situation, rollover, stage), title, after, *writes)


def _own_of(situation: Situation, rollover: Rollover) -> Iterator[StoreEntry]:
    rolled = situation.rolled  # raises, if the other one of a pair is gone
    yield from (one for one in situation.entries if one.unit is rollover.unit and one.certificate.der in rolled)


def _exchange(store: CertificateStore, *, own: StoreEntry, other: StoreEntry, word: str) -> None:
    new = other.certificate.der
    store.import_certificate(new, own.unit, node=own.node, description=describe(new), replace=True)
    store.import_certificate(own.certificate.der, other.unit, description=_description(word, own.unit))
    store.delete(other.unit, other.name)


def _finish(state: StateDirectory, situation: Situation, rollover: Rollover) -> Change:
    needed = frozenset[bytes]()
    if rollover.unit is Purpose.TVS:
        mine = (one.certificate.der for one in situation.entries if one.own and one.unit is rollover.unit)
        needed = frozenset(der for der in mine if rollover.other(der) is not None)
    change = _end(state, situation, rollover, Stage.FINISHED, f"finish the rollover of {rollover.unit}")
    return replace(change, needed=needed)


def _end(state: StateDirectory, situation: Situation, rollover: Rollover, stage: Stage, title: str) -> Change:
    """The certificates that are not the own ones leave lists and trust."""
    gone = list(rollover.in_trust(situation.entries).values())
    after = _without(situation, rollover.trust, [entry.certificate.der for entry in gone])
    writes: list[Write] = [partial(_delete, entry=entry) for entry in gone]
    return _change(state, situation, _at(situation, rollover, stage), title, after, *writes)


def _delete(store: CertificateStore, *, entry: StoreEntry) -> None:
    store.delete(entry.unit, entry.name)


def _without(situation: Situation, unit: Purpose, certificates: Collection[bytes]) -> Situation:
    kept = (one for one in situation.entries if one.unit is not unit or one.certificate.der not in certificates)
    return replace(situation, entries=tuple(kept))


def _description(word: str, unit: Purpose) -> str:
    """The description of a certificate of a rollover in its trust store."""
    return f"{word} {unit} certificate (tvs rollover {unit})"
