"""A certificate rolled over in a cluster with many phones, some of which sleep, and never come back."""

from __future__ import annotations

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
    from collections.abc import Iterable
    from pathlib import Path

    from tests.fixtures.running import Running

OLD = 5
"""Phones that ask no TVS server: 7960."""
_MODELS = ("8861", "8861", "8841", "7841", "7841", "9861", "7975", "7945")
_EVERY = "with-tvs,tls1.0,without-tvs"


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


class _Cluster:
    """A cluster with phones, and an administrator who follows docs/rollover.md.

    Args:
        folder: for its files.
        unit: the certificate that is rolled over.
        phones: how many.
        seed: of the choices.
    """

    def __init__(self, folder: Path, unit: Purpose, phones: int, seed: str) -> None:
        self._random = random.Random(seed)
        self._unit = unit
        self._folder = folder
        self.admin = Administrator(initialise(folder / "state", PUBLISHER))
        self._phones = [
            ClusterPhone(f"0000{number:08X}", find_model("7960" if number < OLD else self._random.choice(_MODELS)))
            for number in range(phones)
        ]
        self.story = Story(phones)
        self._asleep: dict[str, set[str]] = {"slept": set(), "late": set(), "never": set()}
        for name, part in (("slept", 0.1), ("late", 0.05), ("never", 0.01)):
            awake = [phone for phone in self._phones if not self._sleeps(phone)]
            chosen = self._random.sample(awake, max(2, int(part * phones)))
            self._asleep[name] = {phone.name for phone in chosen}
            setattr(self.story, name, len(chosen))

    def _sleeps(self, phone: ClusterPhone) -> bool:
        return any(phone.name in names for names in self._asleep.values())

    async def run(self) -> Story:
        """The whole rollover, then the phones that slept."""
        self.must("utils", "ctl", "set-cluster", "mixed-mode", "--yes", "--force")
        signer = Purpose.CallManager if self._unit is Purpose.CallManager else Purpose.ITLRecovery
        self.must("set", "signer", signer, "--force")
        (self.admin.state.path / "tvs.toml").write_text('tls_profile = "legacy"\n')
        with services(self._folder) as start:
            service = start(self.admin.state, "--log-level", "info")
            record = Record(service)
            record.wait()
            import_phones(self.admin, self._phones)
            awake = [phone for phone in self._phones if not self._sleeps(phone)]
            await self._boot(service, self._phones)
            self.must("rollover", self._unit)
            await self._boot(service, awake)
            await record.settle()
            self._next()
            await self._boot(service, [*awake, *self._those("slept")])
            await record.settle()
            self._next()
            await self._boot(service, [*awake, *self._those("slept"), *self._those("late")])
        return self.story

    def _those(self, name: str) -> list[ClusterPhone]:
        return [phone for phone in self._phones if phone.name in self._asleep[name]]

    async def _boot(self, service: Running, phones: Iterable[ClusterPhone]) -> None:
        for phone in phones:
            refused = (await phone.boot(service)).report.refused
            for names in (self.story.lost, self.story.asked) if phone.model.tvs else (self.story.lost,):
                (names.add if refused else names.discard)(phone.name)

    def _next(self) -> None:
        """The next stage: what is said first of phones that may be lost, then with the awake phones' word for it."""
        words = ("rollover", self._unit, "--next", "--phones", _EVERY)
        self._warn()
        if self.admin(*words).status == 0:
            return
        self.story.refused += 1
        self._warn("--held", "current")
        if self.admin(*words, "--held", "current").status:
            self.must(*words, "--force")

    def _warn(self, *words: str) -> None:
        done = self.admin("ctl", "plan", "rollover", self._unit, "next", "--json", "--phones", _EVERY, *words)
        plan: dict[str, Any] = json.loads(done.out)
        for fate in ("lost", "unknown", "already"):
            self.story.warned |= set(plan["fleet"][fate]["names"])

    def must(self, *words: object) -> None:
        """A command that must succeed."""
        done = self.admin(*words)
        assert done.status == 0, (words, done.err)


async def run_rollover(folder: Path, unit: Purpose, phones: int, seed: str) -> Story:
    """One rollover, in an empty directory."""
    return await _Cluster(folder, unit, phones, seed).run()
