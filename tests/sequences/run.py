"""Random changes of a cluster, and what its plans say of each phone beside what the emulated phone does."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from certstore.purposes import Purpose
from tests.fixtures.administrator import PUBLISHER, Administrator
from tests.fixtures.clusterphones import Booted, ClusterPhone, Record, import_phones, reload
from tests.fixtures.running import services
from tests.sequences.changes import CHANGES, commands
from tvs.manage.provision import initialise
from tvs.phone import ListKind, find_model
from tvs.units import ROLLED_OVER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


MODELS = ("8861", "8861", "8861", "7841", "7975", "7975", "7960")


@dataclass
class Comparison:
    """What was compared.

    Attributes:
        seed: of the choices.
        steps: what was done, for people.
        fates: how often a plan said each of a phone.
        refused: how often a phone refused a list in earnest.
        disagreements: a sentence for each; none if all is well.
    """

    seed: str
    steps: list[str] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    disagreements: list[str] = field(default_factory=list)


class Sequence:
    """One cluster with a service and phones, changed at random.

    Args:
        folder: for its files.
        seed: of the choices.
    """

    def __init__(self, folder: Path, seed: str) -> None:
        self._random = random.Random(seed)
        self._folder = folder
        self.found = Comparison(seed)
        self.admin = Administrator(initialise(folder / "state", PUBLISHER))
        self._phones = [
            ClusterPhone(f"00000000000{number}", find_model(model)) for number, model in enumerate(MODELS, start=1)
        ]
        self._behind = False

    async def run(self, steps: int) -> Comparison:
        """Makes so many steps."""
        (self.admin.state.path / "tvs.toml").write_text('tls_profile = "legacy"\n')
        self._must("set", "signer", self._random.choice(("CallManager", "ITLRecovery")), "--force")
        mode = self._random.choice(("mixed-mode", "mixed-mode", "non-secure-mode"))
        self._must("utils", "ctl", "set-cluster", mode, "--yes", "--force")
        with services(self._folder) as start:
            self._service = start(self.admin.state)
            import_phones(self.admin, self._phones)
            self._record = Record(self._service)
            self._record.wait()
            await self._boots(self._phones)
            for _ in range(steps):
                await self._step()
        return self.found

    async def _step(self) -> None:
        match self._random.choices(("change", "boots", "reload", "profile"), weights=(5, 5, 1, 1))[0]:
            case "change":
                await self._change(self._random.choice(self._changes()))
            case "boots":
                await self._boots([phone for phone in self._phones if self._random.random() < 0.6])
            case "reload":
                self._reload()
            case _:
                await self._write_profile()
        await self._compare("nothing", self._plan()[0], [await self._copies()])

    def _changes(self) -> list[tuple[str, ...]]:
        """The changes that can be made now: while a certificate is rolled over, it is not replaced otherwise."""
        rolling = self.admin.situation().rollover
        if rolling is not None:
            steps = [("rollover", rolling.unit.value, step) for step in ("next", "next", "next", "abort")]
            return [*steps, *(change for change in CHANGES if change[:2] == ("set", "digest") or change[0] == "update")]
        begun = [("rollover", unit.value) for unit in ROLLED_OVER if not (unit is Purpose.TVS and self._behind)]
        return [*CHANGES, *begun, *begun]

    async def _change(self, change: tuple[str, ...]) -> None:
        """Makes a change as it was planned: a service that was up to date is reloaded, one that was not stays so."""
        said, steps = self._plan(*change)
        was_behind = self._behind
        first, *more = commands(change, steps)
        self._must(*first)
        self._note("change", *change)
        late = change == ("regen", "TVS") and self._random.random() < 0.4
        if change == ("regen", "TVS"):
            self._behind = True
        if not (was_behind or late):
            self._reload()
        after_first = await self._copies()
        boots = [after_first]
        for words in more:
            self._must(*words)
            boots.append(await self._copies({phone.mac: boot.held for phone, boot in after_first}))
            boots.append(await self._copies())
        if not late:  # else the plan is of a service that is reloaded
            await self._compare(" ".join(change), said, boots)

    def _reload(self) -> None:
        self._note("reload")
        reload(self._service)
        self._behind = False

    async def _write_profile(self) -> None:
        """Another TLS profile in the settings; the service has the old one until it is reloaded."""
        profile = self._random.choice(("legacy", "compatible"))
        self._note("profile", profile)
        (self.admin.state.path / "tvs.toml").write_text(f'tls_profile = "{profile}"\n')
        self._behind = True

    async def _boots(self, phones: Iterable[ClusterPhone]) -> None:
        """Phones boot, when the record knows the generation; then it has what they asked."""
        await self._record.settle()
        for phone in phones:
            self._note("boots", phone.name)
            self.found.refused += (await phone.boot(self._service)).report.refused
        await self._record.settle()

    async def _copies(self, held: dict[str, dict[ListKind, bytes]] | None = None) -> list[tuple[ClusterPhone, Booted]]:
        """What each phone would do if it booted now, with these lists, by its address, or with its own."""
        return [
            (phone, await phone.boot(self._service, copy=True, held=None if held is None else held[phone.mac]))
            for phone in self._phones
        ]

    async def _compare(self, title: str, said: dict[str, str], boots: list[list[tuple[ClusterPhone, Booted]]]) -> None:
        """What a plan says of each phone, beside what it did in one boot or more."""
        for number, phone in enumerate(self._phones):
            refused = any(booted[number][1].report.refused for booted in boots)
            fate = said[phone.name]
            self.found.fates[fate] += 1
            if fate != "unknown" and refused != (fate in ("lost", "already")):
                reports = "; ".join(str(booted[number][1].report) for booted in boots)
                self.found.disagreements.append(
                    f"seed {self.found.seed}, after {len(self.found.steps)} steps, {title}: {phone.name}: plan says "
                    f"{fate}, the phone: {reports}; steps: {' | '.join(self.found.steps)}"
                )

    def _plan(self, *change: str) -> tuple[dict[str, str], int]:
        """What a plan says of each phone: takes, lost, already, unknown; and how many steps the change has."""
        every = "with-tvs,tls1.0,without-tvs"
        done = self.admin("ctl", "plan", *change, "--json", "--phones", every)
        plan: dict[str, Any] = json.loads(done.out)
        said = {phone.name: "takes" for phone in self._phones}
        for fate in ("lost", "already", "unknown"):
            said |= dict.fromkeys(plan["fleet"][fate]["names"], fate)
        return said, len(plan["steps"])

    def _must(self, *words: object) -> None:
        done = self.admin(*words)
        assert done.status == 0, (words, done.err)

    def _note(self, *words: str) -> None:
        self.found.steps.append(" ".join(words))


async def run_sequence(folder: Path, seed: str, steps: int) -> Comparison:
    """One sequence of so many steps, in an empty directory."""
    return await Sequence(folder, seed).run(steps)
