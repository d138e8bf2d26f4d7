"""What a phone holds, as far as what was seen of it tells. The rules of inference, with their reasons and doubts.

A phone asks who the signer of a trust list is if it fetched that list and does not know the signer. So:

1. A phone that asked for the signer of lists, and was told to trust it, installed them: it holds these or later ones.
   *Doubts*: it may have been switched off between the answer and the write; a name can be claimed by any program on the
   network, unless it presented a certificate.
2. From then on it takes lists whose signer it knows from the ones that it holds, and asks nothing. Whether it did is
   not seen; a day after such lists came it is taken to have done so, as phones fetch lists when they boot.
   *Doubt*: it may be switched off for longer.
3. Lists whose signer it does not know it cannot take without a question. A phone that did not ask for their signer does
   not have them. *Doubts*: the question went to a server that does not record, or the record was off.
4. A phone that asked for the signer of lists, and was not told to trust it, refused them, and keeps what it held, until
   it asks again and is told otherwise. It asks for the CTL file's signer first: not told to trust that, and then told
   to trust the ITL file's, it installed the ITL file only.
5. Of a phone that never asked for a signer nothing is known, be it seen or in an inventory only: it knows the signers
   from lists that it held before, or it is switched off, gone, or has no lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from tvs.plan.holding import Holding
from tvs.plan.phones import HeldLists, kind_of
from tvs.units import CTL_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from certstore.devices import AnyDevice
    from tvs.plan.history import Epoch
    from tvs.plan.phones import PhoneKind

    _Pair = tuple[bytes | None, bytes | None]
    """The bytes of a CTL and of an ITL file."""


_TRACES = attrgetter(
    *("model", "tls", "signer_issuer", "signer_serial", "signer_generation"),
    *("denied_issuer", "denied_serial", "denied_generation"),
)
"""Fields of a phone's record from which follows, with some facts of others, what it holds."""


class Clue(NamedTuple):
    """What was seen of a phone, as far as it tells which lists it holds. Many phones have the same.

    Attributes:
        kind: of the phone.
        trusted: issuer name, serial number and generation of the last signer that it was told to trust.
        denied: the same of the last signer that it was not told to trust, if that was later, or in the same second.
        denied_before: the same, if that was earlier, or in the same second, and another signer.
    """

    kind: PhoneKind
    trusted: tuple[str, str, int] | None
    denied: tuple[str, str, int] | None
    denied_before: tuple[str, str, int] | None = None


def clue_of(device: AnyDevice) -> Clue:
    """What a phone's record tells."""
    trusted = denied = None
    if device.signer_serial:
        trusted = (device.signer_issuer, device.signer_serial, device.signer_generation)
    if device.denied_serial:
        denied = (device.denied_issuer, device.denied_serial, device.denied_generation)
    later = device.denied_seen >= device.signer_seen
    earlier = device.denied_seen <= device.signer_seen and denied is not None and denied[:2] != (trusted or ())[:2]
    return Clue(kind_of(device), trusted, denied if later else None, denied if earlier else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """Lists that a phone may hold.

    Attributes:
        lists: one of these, if `whole`.
        whole: whether it can hold no others; lists that the database does not keep any more may be among these.
        refuses: whether it asked for the signer of the present lists and was not told to trust it.
    """

    lists: tuple[HeldLists, ...]
    whole: bool = True
    refuses: bool = False


class Evidence:
    """What phones hold, worked out once for all phones of which the same was seen.

    Args:
        epochs: the lists that phones found, the present ones last; none if the database has no lists.
    """

    def __init__(self, epochs: Sequence[Epoch]) -> None:
        self.epochs = tuple(epochs)
        self._known: dict[Clue, Possible | None] = {}
        self._holdings: dict[tuple[Any, ...], Holding] = {}
        self._boots: dict[tuple[PhoneKind, _Pair, int], tuple[_Pair, bool]] = {}
        self._names = {
            data: name
            for epoch in self.epochs
            for data, name in ((epoch.lists.ctl, epoch.lists.ctl_name), (epoch.lists.itl, epoch.lists.itl_name))
            if data is not None
        }

    def possible(self, clue: Clue) -> Possible | None:
        """The lists that such a phone may hold; None if nothing is known of it."""
        if clue not in self._known:
            self._known[clue] = self._work_out(clue)
        return self._known[clue]

    def holding(self, device: AnyDevice) -> Holding:
        """What a phone holds, by the rules above."""
        seen = (
            *_TRACES(device),
            device.name[:3],
            device.last > 0,
            device.requests > 0,
            device.denied_seen > device.signer_seen,
            device.denied_seen == device.signer_seen,
        )
        known = self._holdings.get(seen)
        if known is None:  # to make the clue of each of 200,000 phones takes longer
            known = self._holdings[seen] = self._holding(device)
        return known

    def _holding(self, device: AnyDevice) -> Holding:
        if not device.last:
            return Holding.NEVER_SEEN
        clue = clue_of(device)
        possible = self.possible(clue)
        if possible is None:
            return Holding.UNKNOWN
        if possible.refuses:
            return Holding.REFUSED
        last = len(self.epochs) - 1  # a phone that keeps a list which was deleted has all that there is
        has = [self._boot(clue.kind, pair, last) == (pair, False) for pair in map(_pair, possible.lists)]
        if any(has):
            return Holding.PRESENT if all(has) and possible.whole else Holding.KNOWN
        return Holding.EARLIER if has else Holding.UNKNOWN

    def _work_out(self, clue: Clue) -> Possible | None:
        if clue.denied_before and any(self._without_ctl(clue, place) for place in self._places(clue.trusted)):
            clue = clue._replace(denied=None)  # in the same second: phones ask for the CTL file's signer first
        denied = self._places(clue.denied)
        starts = [place for place in self._places(clue.trusted) if not denied or place < denied[0]]
        if not self.epochs or not (starts or denied):
            return None
        found: set[_Pair] = set()
        for start in starts:
            found |= self._followed(clue.kind, start, self._installed(clue, start), denied)
        if not starts:
            before = {_pair(self._held(place, clue.kind)) for place in range(denied[0])}
            refusing = {pair for pair in before if self._boot(clue.kind, pair, denied[0])[1]}
            found = self._followed(clue.kind, denied[0], refusing, denied) if refusing else set()
        return Possible(
            lists=tuple(self._named(pair) for pair in sorted(found, key=self._order)),
            whole=bool(starts),
            refuses=self._refuses(clue, found),
        )

    def _installed(self, clue: Clue, start: int) -> set[_Pair]:
        """What a phone held that was told to trust a signer of an epoch's lists.

        If it was not told to trust the CTL file's, which it asks for first, it took the ITL file only.
        """
        ctl, itl = _pair(self._held(start, clue.kind))
        if not self._without_ctl(clue, start):
            return {(ctl, itl)}
        kept = {self._held(place, clue.kind).ctl for place in range(start)} or {None}
        held = {(one, itl) for one in kept}
        return held | {self._boot(clue.kind, pair, start)[0] for pair in held}

    def _without_ctl(self, clue: Clue, place: int) -> bool:
        """Whether a phone was not told to trust the signer of an epoch's CTL file, and then that of its ITL file."""
        refused = clue.denied_before
        return refused is not None and refused[:2] == self.epochs[place].ctl_signer and place in self._places(refused)

    def _refuses(self, clue: Clue, found: set[_Pair]) -> bool:
        """Whether a phone that may hold these lists was not told to trust the signer of a present one."""
        if clue.denied is not None:
            return clue.denied[:2] in self.epochs[-1].signers
        last = len(self.epochs) - 1
        return self._without_ctl(clue, last) and all(self._boot(clue.kind, pair, last)[1] for pair in found)

    def _places(self, asked: tuple[str, str, int] | None) -> list[int]:
        """The epochs with lists of that signer at which a phone asked for it; more than one if it is not known when."""
        if asked is None:
            return []
        *signer, generation = asked
        matching = [place for place, epoch in enumerate(self.epochs) if tuple(signer) in epoch.signers]
        if not generation:
            return matching
        begin = max((place for place, epoch in enumerate(self.epochs) if epoch.generation <= generation), default=-1)
        return [place for place in matching if place >= begin][:1] if begin >= 0 else []

    def _followed(self, kind: PhoneKind, start: int, states: set[_Pair], denied: Sequence[int]) -> set[_Pair]:
        """What a phone may hold now that held one of `states` at an epoch, and was denied a signer at a later one."""
        reached = set(states)
        last = reached if self.epochs[start].recent else set()
        for place in range(start + 1, len(self.epochs)):
            boots = {pair: self._boot(kind, pair, place) for pair in reached}
            booted = {after for after, _ in boots.values()}
            if place in denied and (refused := {after for after, refuses in boots.values() if refuses}):
                reached, last, booted = set(), set(), refused
            reached = reached | booted
            if self.epochs[place].recent:
                last = last | booted
        return last

    def _boot(self, kind: PhoneKind, held: _Pair, place: int) -> tuple[_Pair, bool]:
        """What a phone holds that fetched an epoch's lists and asked nothing, and whether it could not take one."""
        key = (kind, held, place)
        if key not in self._boots:
            from tvs.cluster.situation import Situation  # noqa: PLC0415 - without phones that asked, not needed
            from tvs.plan.boot import boot  # noqa: PLC0415 - likewise

            lists = self.epochs[place].lists
            silent = Situation(nodes=(), entries=(), mixed_mode=False, ctl=lists.ctl, itl=lists.itl, watches_other=True)
            booted = boot(HeldLists(ctl=held[0], itl=held[1]), silent, kind)
            self._boots[key] = _pair(booted.held), booted.refused
        return self._boots[key]

    def _held(self, place: int, kind: PhoneKind) -> HeldLists:
        from tvs.plan.boot import installable  # noqa: PLC0415 - likewise

        return installable(self.epochs[place].lists, kind)

    def _named(self, pair: _Pair) -> HeldLists:
        ctl, itl = pair
        ctl_name = f"no {CTL_NAME}" if ctl is None else self._names.get(ctl, "")
        return HeldLists(ctl=ctl, itl=itl, ctl_name=ctl_name, itl_name="" if itl is None else self._names.get(itl, ""))

    def _order(self, pair: _Pair) -> tuple[int, ...]:
        """The latest lists first."""
        ctls, itls = [epoch.lists.ctl for epoch in self.epochs], [epoch.lists.itl for epoch in self.epochs]
        return tuple(
            -places.index(data) if data in places else 1 for data, places in ((pair[0], ctls), (pair[1], itls))
        )


def _pair(lists: HeldLists) -> _Pair:
    return lists.ctl, lists.itl
