"""The generation that a node serves, found by what its workers have and by the files that phones fetch. Pure.

A change number belongs to a generation as of one moment (`certstore.generations.Position`): a worker whose index has
reached it has all certificates of that generation. Its lists are in place if ``cluster.json`` says so, and the CTL file
counts when all workers have read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from certstore.generations import Generation, Position, StoredList
    from tvs.cluster.applied import Applied
    from tvs.status.model import WorkerStatus

MOMENTS_KEPT: Final = 100
"""Generations that are remembered with their change numbers, at most: workers are seldom one behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The database when a generation was seen first.

    Attributes:
        position: generation and change number.
        lists: generation and SHA-256 in hex of each trust list by name; the digest is None for a deleted one.
        made: the generation as the database has it; None if it was not read.
    """

    position: Position
    lists: Mapping[str, tuple[int, str | None]]
    made: Generation | None = None

    @classmethod
    def of(cls, position: Position, lists: Mapping[str, StoredList], made: Generation | None = None) -> Moment:
        """The moment of a position. The rest is of this generation, or of a later one that need not be seen yet."""
        return cls(
            position=position,
            lists={name: (one.generation, one.digest) for name, one in lists.items()},
            made=made if made is not None and made.number == position.generation else None,
        )

    def in_place(self, applied: Applied, later: Sequence[Moment] = ()) -> bool:
        """Whether these lists, or those of later moments, are the files that phones fetch.

        A higher number alone says nothing: it can be of a change that the database has lost.
        """
        moments = (self, *later)
        return all(applied.lists.get(name) in {moment.lists.get(name) for moment in moments} for name in self.lists)


class Serving:
    """What a node serves, and since when it is not known to be current.

    All moments are monotonic seconds of this machine.

    Args:
        last: the generation that the node's last report has; 0 without one.
        known_at: when that was known to be the current one.
        has: whether the database, as it is now, has a generation that was read before.

    Attributes:
        generation: number of the generation that all running workers serve.
        known_at: when this was last known to be the current generation.
    """

    def __init__(self, last: int, known_at: float, has: Callable[[Generation], bool] = lambda _: False) -> None:
        self.generation = last
        self.known_at = known_at
        self._has = has
        self._moments: list[Moment] = []
        self._made: list[Generation] = []  # of the database's history, in their order
        self._common = 0  # the last served generation that the database has, too, which took the place of another
        self._since = 0.0  # an index that was looked at earlier can be of another database

    @property
    def current(self) -> Moment | None:
        """The database as it was last seen; None before."""
        return self._moments[-1] if self._moments else None

    def is_new(self, position: Position) -> bool:
        """Whether the lists must be read, because the generation has not been seen yet."""
        current = self.current
        return current is None or position.generation != current.position.generation or self._went_back(position)

    def _went_back(self, position: Position) -> bool:
        known = None if self.current is None else self.current.position
        return known is not None and (
            position.generation < known.generation or position.change_number < known.change_number
        )

    def add(self, moment: Moment, now: float) -> None:
        """The database has come to another generation, or to an earlier position: another one has taken its place.

        Args:
            moment: the database as it is.
            now: the time. After an earlier position, what workers knew before does not count.
        """
        if self._went_back(moment.position):
            self.replaced(now)
        if not self._moments and not self._common:
            self.generation = min(self.generation, max(0, moment.position.generation - 1))
        self._moments = [*self._moments, moment][-MOMENTS_KEPT:]
        if moment.made is not None:
            self._made = [*self._made, moment.made][-MOMENTS_KEPT:]

    def replaced(self, now: float) -> None:
        """The database is another one than before: what workers knew of that one does not count.

        But it may have the same history up to some generation, as after a failover: what the node served of that it
        serves still, unless its lists are of changes that are lost. Raises what `has` raises; then nothing has changed.
        """
        served = [made for made in self._made if made.number <= self.generation]
        while served and not self._has(served[-1]):
            served.pop()
        self._made, self._common = served, served[-1].number if served else 0
        if served:
            self.generation = self._common
        self._moments.clear()
        self._since = now

    def look(
        self, workers: Sequence[WorkerStatus], applied: Applied, ctl: str | None, *, published: bool = True
    ) -> None:
        """Finds out what the workers serve.

        One that has not read the database itself answers from what the supervisor has read, which can be older.

        Args:
            workers: the running ones, as they reported last.
            applied: which lists are in place, read before `ctl`.
            ctl: what workers report of the CTL file in its place (`tvs.status.sources.CTLStatus.content`); None if they
                watch another file.
            published: whether other servers hand out the lists that are in place, as far as that is this node's work.
        """
        if self._common and self._has_lost(applied):
            self.generation = 0
        if not workers or not self._moments:
            return
        if self._since and any(worker.db.known_at <= self._since for worker in workers):
            return
        self._common = 0
        number = min(worker.db.change_number for worker in workers)
        reached = [moment for moment in self._moments if moment.position.change_number <= number]
        if not reached:
            self.generation = min(self.generation, max(0, self._moments[0].position.generation - 1))
            return
        self.generation = min(self.generation, reached[-1].position.generation)
        if not all(worker.db.known_at for worker in workers):  # it can serve less, but more is not known of it
            return
        if not published or (ctl is not None and any(worker.ctl.content != ctl for worker in workers)):
            return
        for number in range(len(reached), 0, -1):
            if reached[number - 1].in_place(applied, self._moments[number:]):
                self.generation = max(self.generation, reached[number - 1].position.generation)
                return

    def _has_lost(self, applied: Applied) -> bool:
        """Whether a list in place is of a change that the database has lost, by what is known of both."""
        for name in () if self.current is None else self.current.lists:
            found = applied.lists.get(name)
            known = (moment.lists.get(name) for moment in self._moments)
            if found is not None and found[0] > self._common and found not in known:
                return True
        return False

    def know(self, known_at: float) -> None:
        """The follower and all workers have seen every commit up to a moment; it counts for the current generation."""
        if self.current is not None and self.generation == self.current.position.generation:
            self.known_at = max(self.known_at, known_at)
