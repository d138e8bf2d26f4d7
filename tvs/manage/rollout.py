"""Who has moved to the present trust lists, and whether the next change is safe as far as that goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvs.errors import StateError
from tvs.manage.evidence import evidence_of, phone_name, switched_off
from tvs.manage.turnedaway import Unanswered
from tvs.plan.history import DAY
from tvs.plan.holding import Holding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from certstore.store import CertificateStore
    from tvs.state import StateDirectory

STUCK = (Holding.EARLIER, Holding.REFUSED)
"""What phones hold that have not moved, for certain: the next change can lose them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How far the present lists have come.

    Attributes:
        generation: of the cluster, with which they came.
        age: seconds since then; None for the first lists, and if the lists before are not kept any more.
        phones: names of the recorded phones by what they hold.
        inventory: whether an inventory was imported: then the cluster has no phones besides.
        turned_away: addresses of phones that could not ask.
    """

    generation: int
    age: float | None
    phones: Mapping[Holding, tuple[str, ...]]
    inventory: bool
    turned_away: tuple[str, ...]

    @property
    def number(self) -> int:
        """How many phones are recorded."""
        return sum(map(len, self.phones.values()))

    @property
    def moved(self) -> int:
        """How many of them have moved."""
        return len(self.phones.get(Holding.PRESENT, ()))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the next change is not safe yet; none if it is, as far as phones must have moved before it."""
        stuck = {held: len(self.phones[held]) for held in STUCK if self.phones.get(held)}
        found = []
        if number := stuck.get(Holding.EARLIER):
            found.append(f"{_phones(number)} would have to ask for the signer of these lists, and did not yet")
        if number := stuck.get(Holding.REFUSED):
            found.append(f"{_phones(number)} refused these lists")
        if self.age is not None and self.age < DAY and not self._all_moved:
            found.append(
                "the lists before were replaced less than a day ago, and not every phone is known to have fetched the "
                "present ones; if you know it: --held current"
            )
        return tuple(found)

    @property
    def _all_moved(self) -> bool:
        return self.inventory and 0 < self.moved == self.number

    @property
    def safe(self) -> bool:
        """Whether the next change is safe, as far as phones must have moved before it."""
        return not self.reasons


def _phones(number: int) -> str:
    return f"{number:,} phone{'' if number == 1 else 's'}"


def read_rollout(state: StateDirectory, store: CertificateStore) -> Rollout:
    """How far the present lists have come. Raises `StateError` without lists or a record, and `StoreError`."""
    if setting := switched_off(state):
        raise StateError(f"the record of phones is switched off: {setting} in {state.path / 'tvs.toml'}")
    evidence = evidence_of(store)
    if not evidence.epochs:
        raise StateError("the database has no trust lists yet; make them with: tvs utils itl update")
    found: dict[Holding, list[str]] = {}
    inventory = False
    with store.devices().reading() as table:
        unanswered = Unanswered(table.unserved())
        for device in unanswered.without(table.brief()):
            found.setdefault(evidence.holding(device), []).append(phone_name(device))
            inventory = inventory or device.listed > 0
    before = evidence.epochs[-2].age if len(evidence.epochs) > 1 else None
    return Rollout(
        generation=evidence.epochs[-1].generation,
        age=None if before is None or before == float("inf") else before,
        phones={held: tuple(found[held]) for held in Holding if held in found},
        inventory=inventory,
        turned_away=unanswered.turned_away.all,
    )
