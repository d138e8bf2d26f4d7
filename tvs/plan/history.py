"""The trust lists that phones found, one pair after the other, as far as the database still has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from certstore.generations import LIST_NAMES, LISTS_KEPT
from certstore.serials import serial_text
from ctlcache.trustlist import parse_trust_list
from proto.errors import RemoteProtocolError
from proto.text import printable
from tvs.fleet.batches import MAX_NAME, MAX_WORD
from tvs.plan.phones import HeldLists
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from certstore.generations import FormerList, StoredList

DAY = 24 * 3600.0
"""Seconds in which a phone that runs is taken to fetch its lists: phones fetch them when they boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The lists that phones found from one change of them to the next.

    Attributes:
        generation: of the cluster, with which they came.
        lists: the lists.
        age: seconds since others took their place; None for the present ones, infinite if that is not known.
        signers: issuer name and serial number, hex, of the lists' signers, as requests and the record have them.
        ctl_signer: that of the CTL file; None without one.
    """

    generation: int
    lists: HeldLists
    age: float | None = None
    signers: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)
    ctl_signer: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def recent(self) -> bool:
        """Whether phones found them within the last day."""
        return self.age is None or self.age <= DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A list that was in its place from a generation on; None for one that was deleted."""

    generation: int
    data: bytes | None
    age: float | None


def epochs(present: Mapping[str, StoredList], former: Sequence[FormerList]) -> tuple[Epoch, ...]:
    """The pairs of lists, the oldest first, the present one last; none if the database has no lists.

    Those of which one list is not kept any more are left out.

    Args:
        present: the database's lists by name.
        former: those that were replaced or deleted, for each name the last one first.
    """
    placed = {name: list(_placed(name, present, former)) for name in LIST_NAMES}
    generations = sorted({one.generation for lists in placed.values() for one in lists})
    oldest = max((lists[0].generation for lists in placed.values() if len(lists) > LISTS_KEPT), default=0)
    kept = [generation for generation in generations if generation >= oldest]
    following = (*kept[1:], None)
    return tuple(_epoch(generation, later, placed) for generation, later in zip(kept, following, strict=False))


def _placed(name: str, present: Mapping[str, StoredList], former: Sequence[FormerList]) -> Iterator[_Placed]:
    """The lists of one name, the oldest first."""
    for one in reversed([one for one in former if one.name == name]):
        yield _Placed(generation=one.generation, data=one.data, age=one.age)
    if name in present:
        yield _Placed(generation=present[name].generation, data=present[name].data, age=None)


def _epoch(generation: int, following: int | None, placed: Mapping[str, Sequence[_Placed]]) -> Epoch:
    ctl, itl = (_at(placed[name], generation) for name in (CTL_NAME, ITL_NAME))
    ctl_signer, itl_signer = (None if one is None else _signer(one.data) for one in (ctl, itl))
    return Epoch(
        generation=generation,
        lists=HeldLists(
            ctl=None if ctl is None else ctl.data,
            itl=None if itl is None else itl.data,
            ctl_name=_name(CTL_NAME, ctl),
            itl_name=_name(ITL_NAME, itl),
        ),
        age=None if following is None else _age(following, placed),
        signers=frozenset(signer for signer in (ctl_signer, itl_signer) if signer is not None),
        ctl_signer=ctl_signer,
    )


def _at(lists: Sequence[_Placed], generation: int) -> _Placed | None:
    """The list that was in its place with a generation."""
    return next((one for one in reversed(lists) if one.generation <= generation), None)


def _name(name: str, placed: _Placed | None) -> str:
    if placed is None or placed.data is None:
        return f"no {name}"
    return name if placed.age is None else f"{name} of generation {placed.generation}"


def _age(following: int, placed: Mapping[str, Sequence[_Placed]]) -> float:
    """Seconds since a generation came: since the lists that it brought took the place of others."""
    ages = [
        before.age
        for lists in placed.values()
        for before, after in pairwise(lists)
        if after.generation == following and before.age is not None
    ]
    return min(ages, default=float("inf"))


def _signer(data: bytes | None) -> tuple[str, str] | None:
    """Issuer name and serial number of a list's signer; None without a list, and of one that cannot be read."""
    if data is None:
        return None
    try:
        header = parse_trust_list(data).header
    except RemoteProtocolError:
        return None
    return printable(header.ca_name[:MAX_NAME])[:MAX_NAME], serial_text(header.serial_number)[:MAX_WORD]
