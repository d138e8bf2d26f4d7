"""Checks a history: what was acknowledged is there and stays, what was refused is not, nothing is lost or half done.

The cluster's record of generations puts all changes into one order. The checker makes sure that administrators could
see this order, replays it, and compares with it whatever anybody saw. What a phone or a file showed must have been true
at some moment from what the node had confirmed before the question to what was asked for before the answer.
"""

from __future__ import annotations

import bisect
import hashlib
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.history.events import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.history.events import History, Observation, Operation

LIST = "list:"
"""Beginning of the registers of lists, whose value is the SHA-256 of the file in hex."""
_MOST = 20
"""Violations that are told."""


def check(history: History) -> list[str]:
    """The violations as sentences; none for a good history."""
    order = Order(history)
    found = [*order.problems]
    if not found:
        found += _acknowledged(history, order)
        found += _real_time(order)
        replay = Replay(history, order)
        found += _lists(history, replay)
        found += _snapshots(history, replay)
        found += _observations(history, order, replay)
        found += _ends(history, replay)
    return found[:_MOST]


class Order:
    """The operations that were made, in the order of the record.

    Attributes:
        made: the operation of each generation by number.
        problems: generations without an operation, or in a record with gaps.
    """

    def __init__(self, history: History) -> None:
        self.made: dict[int, Operation] = {}
        self.problems: list[str] = []
        tried: dict[tuple[int | None, str, str], list[Operation]] = {}
        for operation in history.operations:
            if operation.outcome is not Outcome.REFUSED:
                tried.setdefault((operation.attempt, operation.node, operation.title), []).append(operation)
        for before, entry in enumerate(history.record, history.start.generation):
            if entry.number != before + 1:
                self.problems.append(f"generation {before + 1} is missing in the record, {entry.number} follows")
                return
            claims = tried.get((entry.number, entry.node, entry.title), [])
            claims.sort(key=lambda operation: operation.outcome is not Outcome.ACKNOWLEDGED)
            if not claims:
                self.problems.append(
                    f"generation {entry.number}, '{entry.title}' by {entry.node}: nobody was told of it"
                )
                return
            self.made[entry.number] = claims[0]


def _acknowledged(history: History, order: Order) -> Iterator[str]:
    """Each acknowledged operation made a generation of its own."""
    made = {id(operation) for operation in order.made.values()}
    for operation in history.operations:
        if operation.outcome is Outcome.ACKNOWLEDGED and id(operation) not in made:
            yield f"lost: '{operation.title}' by {operation.node} was acknowledged as generation {operation.attempt}"
        if unknown := set(operation.confirmed) - set(history.nodes):
            yield f"'{operation.title}' was confirmed by {', '.join(sorted(unknown))}, which is not a node"


def _real_time(order: Order) -> Iterator[str]:
    """A change that was acknowledged before another one was asked for comes before it."""
    earliest, which = float("inf"), 0
    for number in sorted(order.made, reverse=True):
        operation = order.made[number]
        if earliest < operation.invoked:
            yield f"generation {which} was acknowledged before generation {number} was asked for"
        if operation.outcome is Outcome.ACKNOWLEDGED and operation.returned < earliest:
            earliest, which = operation.returned, number


class Replay:
    """The registers after each generation.

    Attributes:
        first, last: numbers of the generations.
    """

    def __init__(self, history: History, order: Order) -> None:
        self.first = self.last = history.start.generation
        self._changes: dict[str, list[tuple[int, str | None]]] = {}
        for register, value in history.start.values.items():
            self._changes[register] = [(self.first, value)]
        for number in sorted(order.made):
            self.last = number
            for register, value in order.made[number].effects.items():
                self._changes.setdefault(register, [(self.first, None)]).append((number, value))

    def state(self, generation: int) -> dict[str, str | None]:
        """All registers that have a value after a generation."""
        values = {register: self.value(register, generation) for register in self._changes}
        return {register: value for register, value in values.items() if value is not None}

    def value(self, register: str, generation: int) -> str | None:
        """The value of a register after a generation."""
        changes = self._changes.get(register, [])
        at = bisect.bisect_right(changes, generation, key=lambda change: change[0])
        return changes[at - 1][1] if at else None

    def moment(self, register: str, value: str | None, low: int, high: int) -> int | None:
        """The first generation from `low` to `high` after which a register has a value; None if there is none."""
        if low > high:
            return None
        if self.value(register, low) == value:
            return low
        changes = self._changes.get(register, [])
        at = bisect.bisect_right(changes, low, key=lambda change: change[0])
        return next((number for number, new in changes[at:] if number <= high and new == value), None)


def _lists(history: History, replay: Replay) -> Iterator[str]:
    """The record has the digest of the lists that each generation left."""
    for entry in history.record:
        state = replay.state(entry.number)
        if entry.lists != lists_digest(state):
            yield f"generation {entry.number}, '{entry.title}': its lists are not those of its operation"


def lists_digest(state: Mapping[str, str | None]) -> str:
    """SHA-256 over names and digests of the lists, as the record has it (docs/database.md)."""
    whole = hashlib.sha256()
    for register, digest in sorted(state.items()):
        if register.startswith(LIST) and digest is not None:
            whole.update(register.removeprefix(LIST).encode() + b"\0" + bytes.fromhex(digest))
    return whole.hexdigest()


def _snapshots(history: History, replay: Replay) -> Iterator[str]:
    """The database never showed a change that was half done, nor an earlier generation after a later one."""
    for snapshot in history.snapshots:
        where = f"the database at generation {snapshot.generation}"
        yield from _differences(where, snapshot.values, replay.state(snapshot.generation))
    for before, after in pairwise(history.snapshots):
        if after.generation < before.generation:
            yield f"the database went back from generation {before.generation} to {after.generation}"


def _observations(history: History, order: Order, replay: Replay) -> Iterator[str]:
    """What nodes showed was true not before what they had confirmed, and not before it was asked for."""
    confirmed = {node: _Floor(node, order) for node in history.nodes}
    asked_for = _Ceiling(order, replay)
    reached: Counter[tuple[str, str]] = Counter()
    for seen in history.observations:
        source = (seen.node, seen.source)
        low = max(replay.first, confirmed[seen.node].at(seen.asked), reached[source])
        high = asked_for.at(seen.answered)
        moment = replay.moment(seen.register, seen.value, low, high)
        if moment is None:
            yield _wrong(seen, replay, low, high)
        else:
            reached[source] = moment


def _wrong(seen: Observation, replay: Replay, low: int, high: int) -> str:
    return (
        f"{seen.node}, {seen.source}, at {seen.asked:.3f}: {seen.register} is {seen.value}, and from generation {low} "
        f"({replay.value(seen.register, low)}) to {high} ({replay.value(seen.register, high)}) it never was"
    )


class _Floor:
    """The latest generation that a node had confirmed at a time."""

    def __init__(self, node: str, order: Order) -> None:
        acknowledged = (
            (operation.returned, number)
            for number, operation in order.made.items()
            if operation.outcome is Outcome.ACKNOWLEDGED and node in operation.confirmed
        )
        self._times: list[float] = []
        self._numbers: list[int] = []
        highest = 0
        for returned, number in sorted(acknowledged):
            highest = max(highest, number)
            self._times.append(returned)
            self._numbers.append(highest)

    def at(self, time: float) -> int:
        """The generation; 0 for none."""
        index = bisect.bisect_left(self._times, time)
        return self._numbers[index - 1] if index else 0


class _Ceiling:
    """The last generation that can have been made at a time: all up to it had been asked for."""

    def __init__(self, order: Order, replay: Replay) -> None:
        self._first = replay.first
        self._numbers = sorted(order.made)
        self._times: list[float] = []
        latest = 0.0
        for number in self._numbers:
            latest = max(latest, order.made[number].invoked)
            self._times.append(latest)

    def at(self, time: float) -> int:
        """The generation."""
        index = bisect.bisect_right(self._times, time)
        return self._numbers[index - 1] if index else self._first


def _ends(history: History, replay: Replay) -> Iterator[str]:
    """At the end all places have what the last generation left, as far as they show it."""
    final = replay.state(replay.last)
    for place, values in history.ends.items():
        shown = {register: final.get(register) for register in values}
        yield from _differences(f"{place} at the end", values, shown)


def _differences(where: str, found: Mapping[str, str | None], wanted: Mapping[str, str | None]) -> Iterator[str]:
    for register in sorted(found.keys() | wanted.keys()):
        if found.get(register) != wanted.get(register):
            yield f"{where}: {register} is {found.get(register)} and should be {wanted.get(register)}"
