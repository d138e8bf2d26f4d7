"""The recorded phones in a plan: what a change does to each of them, by what it may hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tvs.plan.model import NAMED, NOBODY, Code, Fate, Finding, FleetOutcome, Seen, Severity, addresses, some
from tvs.plan.phones import DEFAULT_KINDS, PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tvs.plan.evidence import Possible
    from tvs.plan.model import TurnedAway
    from tvs.plan.phones import HeldLists

    Refusals = Callable[[HeldLists, PhoneKind], frozenset[str]]
    """Names of the lists that phones of a kind refuse that hold these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Recorded phones of which the same is known.

    Attributes:
        kind: of the phones.
        seen: when.
        possible: the lists that they may hold; None if nothing is known of these.
        names: of the phones, as people know them: ``CP-7960-SEPB000B4BA0AEE``.
    """

    kind: PhoneKind
    seen: Seen
    possible: Possible | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The phones that are recorded.

    Attributes:
        phones: all of them, in groups.
        inventory: whether an inventory was imported: then the cluster has no phones besides.
        turned_away: addresses of phones that could not ask.
        problem: why the record cannot be read; empty if it can.
    """

    phones: tuple[Recorded, ...]
    inventory: bool = False
    turned_away: TurnedAway = NOBODY
    problem: str = ""

    @property
    def number(self) -> int:
        """How many phones there are."""
        return sum(len(group.names) for group in self.phones)

    @property
    def kinds(self) -> frozenset[PhoneKind]:
        """The kinds of phones that the cluster has, as far as that is known.

        Without an inventory there may be phones that were not seen yet: a healthy phone asks after changes only.
        Phones that offer TLS 1.1 at most are seen, whether or not the service lets them ask.
        """
        seen = frozenset(group.kind for group in self.phones)
        if self.turned_away.old:
            seen |= {PhoneKind.TLS10}
        return seen if self.inventory and seen else seen | DEFAULT_KINDS

    def held(self, kind: PhoneKind, others: Sequence[HeldLists]) -> list[HeldLists]:
        """The lists that phones of a kind may hold now.

        Args:
            kind: of the phones.
            others: the lists that phones may hold of which nothing is known.
        """
        groups = [group for group in self.phones if group.kind is kind]
        if not self.inventory or not groups:
            return list(others)
        found: dict[tuple[bytes | None, bytes | None], HeldLists] = {}
        for group in groups:
            if group.possible is not None and group.possible.refuses:
                continue  # they refuse the present lists: no change can lose them again
            known = group.possible is not None and group.possible.whole
            for lists in group.possible.lists if known and group.possible is not None else others:
                found.setdefault((lists.ctl, lists.itl), lists)
        return list(found.values() or others)  # of phones that hold what nobody knows

    def after_fetching(self, present: HeldLists) -> Fleet:
        """The fleet if every phone has fetched the present lists that may have: it holds no others."""
        return replace(
            self, phones=tuple(replace(group, possible=_fetched(group.possible, present)) for group in self.phones)
        )


def _fetched(possible: Possible | None, present: HeldLists) -> Possible | None:
    """The present lists alone, if phones may hold them."""
    if possible is None:
        return None
    has = tuple(lists for lists in possible.lists if (lists.ctl, lists.itl) == (present.ctl, present.itl))
    return replace(possible, lists=has, whole=True, refuses=False) if has else possible


def fleet_outcome(
    fleet: Fleet, others: Sequence[HeldLists], counted: frozenset[PhoneKind], before: Refusals, after: Refusals
) -> FleetOutcome:
    """What a change does to the recorded phones.

    Args:
        fleet: the phones.
        others: the lists that phones may hold of which nothing is known.
        counted: the kinds of phones that count; the others are left out.
        before, after: the lists that phones refuse without and with the change.
    """
    fates: dict[Fate, dict[Seen, list[str]]] = {}
    behind: list[str] = []
    holding: dict[str, None] = {}
    for group in fleet.phones:
        if group.kind not in counted:
            continue
        known = group.possible
        lists = others if known is None else known.lists
        lost = [one for one in lists if after(one, group.kind) - before(one, group.kind)]
        refusing = [one for one in lists if after(one, group.kind)]
        fate = _fate(known, len(lists), len(lost), len(refusing))
        fates.setdefault(fate, {}).setdefault(group.seen, []).extend(group.names)
        if known is not None and lost:
            behind.extend(group.names)
            holding |= dict.fromkeys(one.name for one in lost)
    return FleetOutcome(
        number=sum(len(names) for by_seen in fates.values() for names in by_seen.values()),
        inventory=fleet.inventory,
        fates={fate: {seen: tuple(sorted(names)) for seen, names in found.items()} for fate, found in fates.items()},
        behind=tuple(sorted(behind)),
        holding=tuple(holding),
        turned_away=fleet.turned_away,
        problem=fleet.problem,
        known=any(group.possible is not None for group in fleet.phones),
    )


def _fate(known: Possible | None, lists: int, lost: int, refusing: int) -> Fate:
    """The fate of phones that may hold so many lists, with so many of which they are lost, or refuse a list."""
    if known is not None and known.refuses and not lost and (refusing or not lists):
        return Fate.ALREADY
    if known is not None and not known.whole:
        return Fate.UNKNOWN
    if not refusing:
        return Fate.TAKES if lists else Fate.UNKNOWN
    if lost == lists:
        return Fate.LOST
    return Fate.ALREADY if refusing == lists and not lost else Fate.UNKNOWN


def fleet_findings(outcome: FleetOutcome, counted: frozenset[PhoneKind]) -> Iterator[Finding]:
    """Phones that are known to be behind, are lost already or cannot ask; a record that cannot be read.

    Args:
        outcome: what the change does to the recorded phones.
        counted: the kinds of phones that count.
    """
    if outcome.problem:
        yield Finding(
            code=Code.RECORD_UNREADABLE,
            severity=Severity.WARNING,
            sentence=f"the plan knows no recorded phones: {outcome.problem}",
            way_out="mend that and plan again; or be sure by other means that the phones have the present lists",
        )
    if outcome.behind:
        yield Finding(
            code=Code.PHONES_BEHIND,
            severity=Severity.ERROR,
            sentence=f"{_phones(outcome.behind)} would be lost, or may be: the record says that they may hold "
            f"{'; '.join(outcome.holding[:NAMED])}",
            way_out="let them fetch the present lists first: restart them, and see who has (tvs ctl rollout); those "
            "that never come back leave the record with: tvs fleet forget NAME",
        )
    if already := outcome.names(Fate.ALREADY):
        yield Finding(
            code=Code.PHONES_LOST,
            severity=Severity.WARNING,
            sentence=f"{_phones(already)} refuse the lists with or without this change",
            way_out="with the certificates of before back (tvs set cert restore UNIT) they accept lists again; or "
            "delete the trust lists of each by hand, and: tvs fleet forget NAME",
        )
    yield from _turned_away(outcome.turned_away, counted)


def _turned_away(found: TurnedAway, counted: frozenset[PhoneKind]) -> Iterator[Finding]:
    forget = "tvs fleet forget --address ADDRESS"
    if found.old:
        yield Finding(
            code=Code.PHONES_TURNED_AWAY,
            severity=Severity.WARNING if PhoneKind.TLS10 in counted else Severity.NOTE,
            sentence=f"{addresses(found.old)} offered TLS 1.1 at most, and TVS turned them away: phones there refuse "
            "lists whose signer they do not know",
            way_out='to let them ask: tls_profile = "legacy" in tvs.toml on every node, a reload, and restart the '
            f"phones; if no phones are there: {forget}, or say which kinds the cluster has: tvs set phones KIND …",
        )
    if found.others:
        yield Finding(
            code=Code.PHONES_TURNED_AWAY,
            severity=Severity.WARNING,
            sentence=f"{addresses(found.others)} failed in the handshake with TVS: phones there refuse lists whose "
            "signer they do not know",
            way_out=f"see why, and mend it: tvs show phones --at-risk; if no phones are there: {forget}",
        )


def _phones(names: Sequence[str]) -> str:
    return f"{len(names):,} recorded phone{'' if len(names) == 1 else 's'} ({some(names)})"


def groups(
    phones: Iterable[tuple[PhoneKind, Seen, Possible | None, Sequence[str]]],
) -> tuple[Recorded, ...]:
    """Phones of which the same is known stand together.

    Args:
        phones: kind, when they were seen, lists that they may hold, and names of some phones.
    """
    found: dict[tuple[PhoneKind, Seen, int], tuple[Possible | None, list[str]]] = {}
    for kind, seen, possible, names in phones:
        found.setdefault((kind, seen, id(possible)), (possible, []))[1].extend(names)
    return tuple(
        Recorded(kind=kind, seen=seen, possible=possible, names=tuple(names))
        for (kind, seen, _), (possible, names) in found.items()
    )
