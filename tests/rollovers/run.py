"""A certificate rolled over in a cluster with many phones, some of which sleep, and never come back."""

from __future__ import annotations

import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from certstore.purposes import Purpose
from tests.fixtures.administrator import PUBLISHER, Administrator
from tests.fixtures.clusterphones import ClusterPhone, Record, import_phones
from tests.fixtures.running import services
from tvs.manage.provision import initialise
from tvs.phone import find_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.fixtures.running import Running

OLD = 5
"""Phones that ask no TVS server: 7960."""
_MODELS = ("8861", "8861", "8841", "7841", "7841", "9861", "7975", "7945")
EVERY = "with-tvs,tls1.0,without-tvs"
"""All kinds of phones."""


@dataclass
class Story:
    """What happened.

    Attributes:
        phones: how many there were.
        slept, late, never: how many slept through a stage, through all, and for ever.
        warned: phones that were named before a stage was taken as lost or perhaps lost.
        lost: phones that refused a list at their last boot.
        asked: phones with TVS among the lost ones: these could have been saved.
        refused: stages that were refused at first.
    """

    phones: int
    slept: int = 0
    late: int = 0
    never: int = 0
    warned: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    refused: int = 0

    @property
    def unnamed(self) -> set[str]:
        """Phones that are lost, and that nobody had been warned of."""
        return self.lost - self.warned


class ManyPhones:
    """A cluster with phones, of which some sleep.

    Args:
        folder: for its files.
        signer: signs the trust lists.
        phones: how many.
        seed: of the choices.
    """

    def __init__(self, folder: Path, signer: Purpose, phones: int, seed: str) -> None:
        self._random = random.Random(seed)
        self._folder = folder
        self._signer = signer
        self.admin = Administrator(initialise(folder / "state", PUBLISHER))
        self.phones = [
            ClusterPhone(f"0000{number:08X}", find_model("7960" if number < OLD else self._random.choice(_MODELS)))
            for number in range(phones)
        ]
        self._asleep: dict[str, set[str]] = {"slept": set(), "late": set(), "never": set()}
        for name, part in (("slept", 0.1), ("late", 0.05), ("never", 0.01)):
            awake = [phone for phone in self.phones if not self._sleeps(phone)]
            self._asleep[name] = {phone.name for phone in self._random.sample(awake, max(2, int(part * phones)))}

    def _sleeps(self, phone: ClusterPhone) -> bool:
        return any(phone.name in names for names in self._asleep.values())

    @property
    def awake(self) -> list[ClusterPhone]:
        """The phones that never sleep."""
        return [phone for phone in self.phones if not self._sleeps(phone)]

    def those(self, name: str) -> list[ClusterPhone]:
        """The phones that sleep through a stage (slept), through all (late), or for ever (never)."""
        return [phone for phone in self.phones if phone.name in self._asleep[name]]

    @contextlib.contextmanager
    def served(self) -> Iterator[tuple[Running, Record]]:
        """A secure cluster whose service runs, with an inventory of the phones."""
        self.must("utils", "ctl", "set-cluster", "mixed-mode", "--yes", "--force")
        self.must("set", "signer", self._signer, "--force")
        (self.admin.state.path / "tvs.toml").write_text('tls_profile = "legacy"\n')
        with services(self._folder) as start:
            service = start(self.admin.state, "--log-level", "info")
            record = Record(service)
            record.wait()
            import_phones(self.admin, self.phones)
            yield service, record

    def plan(self, *change: object) -> dict[str, set[str]]:
        """What a plan says of phones: the names of those that are lost, already, unknown."""
        done = self.admin("ctl", "plan", *change, "--json", "--phones", EVERY)
        fleet: dict[str, Any] = json.loads(done.out)["fleet"]
        return {fate: set(fleet[fate]["names"]) for fate in ("lost", "already", "unknown")}

    def must(self, *words: object) -> None:
        """A command that must succeed."""
        done = self.admin(*words)
        assert done.status == 0, (words, done.err)


class _Rollover(ManyPhones):
    """A rollover by an administrator who follows docs/rollover.md.

    Args:
        folder, phones, seed: see `ManyPhones`.
        unit: the certificate that is rolled over.
    """

    def __init__(self, folder: Path, unit: Purpose, phones: int, seed: str) -> None:
        signer = Purpose.CallManager if unit is Purpose.CallManager else Purpose.ITLRecovery
        super().__init__(folder, signer, phones, seed)
        self._unit = unit
        slept, late, never = (len(self.those(name)) for name in ("slept", "late", "never"))
        self.story = Story(phones, slept, late, never)

    async def run(self) -> Story:
        """The whole rollover, then the phones that slept."""
        with self.served() as (service, record):
            await self._boot(service, self.phones)
            self.must("rollover", self._unit)
            await self._boot(service, self.awake)
            await record.settle()
            self._next()
            await self._boot(service, [*self.awake, *self.those("slept")])
            await record.settle()
            self._next()
            await self._boot(service, [*self.awake, *self.those("slept"), *self.those("late")])
        return self.story

    async def _boot(self, service: Running, phones: Iterable[ClusterPhone]) -> None:
        for phone in phones:
            refused = (await phone.boot(service)).report.refused
            for names in (self.story.lost, self.story.asked) if phone.model.tvs else (self.story.lost,):
                (names.add if refused else names.discard)(phone.name)

    def _next(self) -> None:
        """The next stage: what is said first of phones that may be lost, then with the awake phones' word for it."""
        words = ("rollover", self._unit, "--next", "--phones", EVERY)
        self._warn()
        if self.admin(*words).status == 0:
            return
        self.story.refused += 1
        self._warn("--held", "current")
        if self.admin(*words, "--held", "current").status:
            self.must(*words, "--force")

    def _warn(self, *words: str) -> None:
        self.story.warned |= set().union(*self.plan("rollover", self._unit, "next", *words).values())


async def run_rollover(folder: Path, unit: Purpose, phones: int, seed: str) -> Story:
    """One rollover, in an empty directory."""
    return await _Rollover(folder, unit, phones, seed).run()
