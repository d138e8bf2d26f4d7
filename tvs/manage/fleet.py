"""The record of phones, as administrators use it: imported into, looked at, forgotten."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvs.errors import StateError
from tvs.fleet.inventory import InventoryError
from tvs.fleet.sightings import merged

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from certstore.devices import Device
    from certstore.store import CertificateStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an inventory brought.

    Attributes:
        listed: phones in it.
        new: those that were not recorded before.
        unseen: those that no node has seen yet.
        dropped: phones that are no longer in the inventory: those of them that were never seen are forgotten.
    """

    listed: int
    new: int
    unseen: int
    dropped: int


def import_inventory(store: CertificateStore, phones: Sequence[Device], *, whole: bool) -> Imported:
    """Adds an inventory to the record, in one transaction.

    Args:
        store: the database.
        phones: the inventory.
        whole: whether it is the whole inventory: phones that only an earlier one had are not in it any more.

    Raises:
        StoreUnavailable: the record cannot be written.
        InventoryError: it has no room.
    """
    names = {phone.name for phone in phones}
    with store.devices().writing() as table:
        dropped = [phone for phone in table.all() if phone.listed and phone.name not in names] if whole else []
        table.forget([phone.name for phone in dropped if not phone.last], [])
        table.put(phone._replace(listed=0, description="") for phone in dropped if phone.last)
        present = table.find(names)
        new = len(phones) - len(present)
        if new and (room := table.room()) < new:
            raise InventoryError(
                f"{new} new phones find no room in the record, which has room for {room}; nothing was changed; forget "
                "old ones with: tvs fleet forget --unseen-for DAYS"
            )
        table.put(merged(present.get(phone.name), phone) for phone in phones)
    seen = sum(1 for phone in present.values() if phone.last)
    return Imported(listed=len(phones), new=new, unseen=len(phones) - seen, dropped=len(dropped))


def forget(store: CertificateStore, names: Collection[str], addresses: Collection[str]) -> int:
    """Deletes phones and addresses from the record. Raises `StateError` if none was there, and `StoreUnavailable`."""
    with store.devices().writing() as table:
        number = table.forget(names, addresses)
    if not number:
        raise StateError("none of these is recorded; see: tvs show phones")
    return number


def forget_unseen(store: CertificateStore, days: int) -> int:
    """Deletes what was not seen, nor listed, for so many days. Raises `StoreUnavailable`."""
    with store.devices().writing() as table:
        return table.forget_before(int(time.time()) - days * 86_400)


def forget_all(store: CertificateStore) -> int:
    """Deletes the whole record. Raises `StoreUnavailable`."""
    with store.devices().writing() as table:
        return table.forget_all()
