"""The ledger: every phone that was seen goes into the store, in batches, beside the process that sums up.

The observer's loop hands over what it reads and waits for nothing; a thread writes once a second. While the store
cannot be written, what was seen waits in memory: of each phone one value, of so many phones that a storm at full speed
fits some seconds. What finds no room is counted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from certstore.devices import Standing
from certstore.errors import StoreError
from tvs.client.defaults import NO_PHONES
from tvs.errors import StateError
from tvs.fleet.batches import OLDEST
from tvs.fleet.sightings import TURNED_AWAY, added, merged, seen, turned_away
from tvs.status.fleet import MAX_AT_RISK, MAX_GROUPS, AtRisk, FleetStatus, Group

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.devices import Device, DeviceTable, Unserved
    from certstore.store import CertificateStore
    from tvs.fleet.batches import Batch

MAX_WAITING: Final = 20_000
"""Most phones, and most addresses, that wait to be written: a core completes some 4,400 connections a second."""
CLEAN: Final = 3600.0
"""Seconds between two deletions of what is too old."""
COUNT: Final = 2.0
"""Seconds between two counts by model, at least."""
SHARE: Final = 100
"""The same as a multiple of the time that the last one took: 200,000 phones take 0.2 s."""
DAY: Final = 86_400
_GENERATIONS: Final = 8
"""Last generations of the cluster whose times are known."""


class Ledger:
    """The phones on their way into the store.

    Args:
        store: the database, which may be out of reach.
        own_name: gives the name of this node; raises `StateError` and `StoreError`.
        days: for which a phone that is not seen any more is kept.
    """

    def __init__(self, store: CertificateStore, own_name: Callable[[], str], days: int) -> None:
        self._store = store
        self._own_name = own_name
        self._days = days
        self._lock = threading.Lock()
        self._devices: dict[str, Device] = {}
        self._unserved: dict[str, Unserved] = {}
        self._dropped = 0
        self._node = ""
        self._generations: deque[tuple[float, int]] = deque([(0.0, 0)], _GENERATIONS)
        self._changed = -OLDEST
        self._clean = self._count = 0.0
        self._written = True
        self._counts = (0, 0)
        self._groups: tuple[Group, ...] = ()
        self._at_risk: tuple[AtRisk, ...] = ()
        self._problem = ""

    @property
    def status(self) -> FleetStatus:
        """How it is."""
        devices, unserved = self._counts
        return FleetStatus(
            kept=True,
            devices=devices,
            unserved=unserved,
            dropped=self._dropped,
            problem=self._problem,
            groups=self._groups,
            at_risk=self._at_risk,
        )

    def take(self, batch: Batch) -> None:
        """Adds what workers have seen. Takes microseconds for each record, and never waits for the store."""
        with self._lock:
            since, generation = self._generations[-1]
            if time.monotonic() - self._changed > OLDEST:  # whatever the clock says
                since = 0.0
            for record in batch.answered:
                if record.device and record.device not in NO_PHONES:
                    known = generation if record.time >= since else self._known_at(record.time)
                    self._add_device(seen(record, self._node, known))
            for failure in batch.failed:
                if failure.reason in TURNED_AWAY:
                    self._add_unserved(turned_away(failure, self._node))

    def _known_at(self, moment: float) -> int:
        """The generation that was known at a time of day; 0 if that is not known."""
        return next((number for since, number in reversed(self._generations) if since <= moment), 0)

    def _add_device(self, device: Device) -> None:
        before = self._devices.get(device.name)
        if before is None and len(self._devices) >= MAX_WAITING:
            self._dropped += 1
        else:
            self._devices[device.name] = merged(before, device)

    def _add_unserved(self, unserved: Unserved) -> None:
        before = self._unserved.get(unserved.address)
        if before is None and len(self._unserved) >= MAX_WAITING:
            self._dropped += 1
        else:
            self._unserved[unserved.address] = added(before, unserved)

    def write(self, monotonic: float, now: float) -> bool:
        """Writes what waits, and deletes what is too old. Blocking. Returns whether that was possible.

        Args:
            monotonic: monotonic seconds.
            now: the time of day, seconds since 1970.
        """
        with self._lock:
            devices, self._devices = self._devices, {}
            unserved, self._unserved = self._unserved, {}
        cleans = monotonic >= self._clean
        try:
            self._look(now)
            if devices or unserved or cleans:
                with self._store.devices().writing() as table:
                    self._write(table, devices, unserved)
                    if cleans:
                        table.forget_before(int(now) - self._days * DAY)
                devices, unserved = {}, {}  # what follows can fail: they are not written once more
                self._written = True
                self._clean = monotonic + CLEAN if cleans else self._clean
            if self._written and monotonic >= self._count:
                self._count_all(monotonic)
        except (StoreError, StateError) as error:
            self._problem = str(error)
            self._take_back(devices, unserved)
            return False
        self._problem = ""
        return True

    def _count_all(self, monotonic: float) -> None:
        began = time.monotonic()
        with self._store.devices().reading() as table:
            counts, groups, noted = table.count(), table.groups(), table.noted(MAX_AT_RISK)
        groups.sort(key=lambda group: -group[2])
        self._counts = counts
        self._groups = tuple(
            Group(model=model, standing=standing, devices=number) for model, standing, number in groups[:MAX_GROUPS]
        )
        self._at_risk = tuple(
            AtRisk(
                name=device.name,
                model=device.model,
                standing=Standing.of(device),
                last=device.last,
                subject=device.subject,
            )
            for device in noted
        )
        self._count = monotonic + max(COUNT, SHARE * (time.monotonic() - began))
        self._written = False

    def _look(self, now: float) -> None:
        """Which node this is, and the cluster's generation: what is seen from now on was seen after it.

        What comes from now on can have been seen before: it waited in the channel.
        """
        began = time.monotonic()
        generation = self._store.generation().number
        ended = time.monotonic()
        changed = generation != self._generations[-1][1]
        if changed or not self._node:
            self._node = self._own_name()
        if changed:
            with self._lock:
                self._generations.append((now + ended - began, generation))
                self._changed = ended

    def _write(self, table: DeviceTable, devices: dict[str, Device], unserved: dict[str, Unserved]) -> None:
        present = table.find(devices)
        new = [name for name in devices if name not in present]
        beyond = new[table.room() :] if new else []
        for name in beyond:
            del devices[name]
        self._dropped += len(beyond)
        table.put(merged(present.get(name), device) for name, device in devices.items())
        failed = table.unserved(unserved)
        table.put_unserved(added(failed.get(address), found) for address, found in unserved.items())
        table.trim_unserved()

    def _take_back(self, devices: dict[str, Device], unserved: dict[str, Unserved]) -> None:
        """What could not be written waits again, before what was seen meanwhile."""
        with self._lock:
            later, self._devices = self._devices, devices
            for device in later.values():
                self._add_device(device)
            failed, self._unserved = self._unserved, unserved
            for address in failed.values():
                self._add_unserved(address)
