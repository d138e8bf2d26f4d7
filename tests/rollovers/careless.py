"""Two certificates that are replaced one after the other, while phones that slept are behind: the careless order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tests.fixtures.clusterphones import reload
from tests.rollovers.run import EVERY, ManyPhones

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.fixtures.clusterphones import ClusterPhone, Record
    from tests.fixtures.running import Running


@dataclass
class Careless:
    """What happened.

    Attributes:
        phones: how many there were.
        stopped: the changes that were refused, each with names.
        named: phones of which plans said that they would be lost.
        unknown: phones of which plans could not say it.
        lost: phones that refused a list after they were woken.
    """

    phones: int
    stopped: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)

    @property
    def wrong(self) -> set[str]:
        """Phones that a plan was wrong about."""
        return (self.named ^ self.lost) - self.unknown


class _Order(ManyPhones):
    """An administrator who forces what is refused, and waits for nobody.

    Args:
        folder, phones, seed: see `ManyPhones`.
    """

    def __init__(self, folder: Path, phones: int, seed: str) -> None:
        super().__init__(folder, Purpose.CallManager, phones, seed)
        self.story = Careless(phones)

    async def run(self) -> Careless:
        """CallManager, whose new lists phones fetch only if they are awake; then TVS; then all phones start."""
        with self.served() as (service, record):
            await self._boot(service, record, self.phones)
            self._force(service, Purpose.CallManager)  # all ask for it, so that it is known what they hold
            await self._boot(service, record, self.phones)
            await self._delete_lists(service)
            self.story = Careless(len(self.phones))
            self._force(service, Purpose.CallManager)
            await self._boot(service, record, self.awake)
            self._force(service, Purpose.TVS)
            await self._boot(service, record, self.phones)
        return self.story

    async def _boot(self, service: Running, record: Record, phones: Iterable[ClusterPhone]) -> None:
        """These phones start."""
        for phone in phones:
            refused = (await phone.boot(service)).report.refused
            (self.story.lost.add if refused else self.story.lost.discard)(phone.name)
        await record.settle()

    async def _delete_lists(self, service: Running) -> None:
        """Somebody goes to the phones that were lost, and deletes their lists; they start."""
        for phone in self.phones:
            if phone.name in self.story.lost:
                phone.held = {}
                await phone.boot(service)

    def _force(self, service: Running, unit: Purpose) -> None:
        """Takes a new certificate, which is refused first, and names phones."""
        plan = self.plan("regen", unit)
        self.story.named |= plan["lost"] | plan["already"]
        self.story.unknown = plan["unknown"]
        words = ("set", "cert", "regen", unit, "--phones", EVERY, "--yes")
        refused = self.admin(*words)
        if refused.status == 1 and any(name in refused.err for name in plan["lost"] | plan["unknown"]):
            self.story.stopped.append(unit)
        self.must(*words, "--force")
        self.must("utils", "ctl", "update", "CTLFile", "--yes", "--force")
        reload(service)


async def run_careless(folder: Path, phones: int, seed: str) -> Careless:
    """The careless order, in an empty directory."""
    return await _Order(folder, phones, seed).run()
