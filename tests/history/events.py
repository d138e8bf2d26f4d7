"""What administrators, phones and observers saw of a cluster, as records with times of one clock (CLOCK_MONOTONIC).

The cluster is seen as registers: one for each certificate, parameter and list. An operation writes one or several.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Values = dict[str, str | None]
"""Values of registers by name; None for what is not there."""


class Outcome(StrEnum):
    """What an administrator was told: a closed set."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """Nothing was changed."""
    UNKNOWN = "unknown"
    """It may have been made or not: the database, or the administrator, went away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change that an administrator tried.

    Attributes:
        node: the node on which it was tried.
        title: the words that the cluster's record of generations has for it.
        attempt: number of the generation that it would make; None if it was refused before.
        effects: the registers that it writes.
        invoked, returned: when the administrator asked, and when the answer was there.
        outcome: the answer.
        confirmed: nodes that confirmed to serve it, by the answer.
        reason: the sentence of a refusal.
    """

    node: str
    title: str
    attempt: int | None
    effects: Values
    invoked: float
    returned: float
    outcome: Outcome
    confirmed: tuple[str, ...] = ()
    reason: str = ""

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Operation:
        """The operation of a line."""
        values = json.loads(line)
        values["outcome"], values["confirmed"] = Outcome(values["outcome"]), tuple(values["confirmed"])
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A generation in the cluster's own record.

    Attributes:
        number, node, title: as recorded.
        lists: SHA-256 over the lists after it.
    """

    number: int
    node: str
    title: str
    lists: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a reader saw of one register.

    Attributes:
        node: the node that it asked.
        source: what it asked there; what one source shows never goes back.
        register, value: what it saw.
        asked, answered: when.
    """

    node: str
    source: str
    register: str
    value: str | None
    asked: float
    answered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All registers at one moment, read from the database in one transaction.

    Attributes:
        generation: the generation that the database had then.
        values: the registers that have a value.
    """

    generation: int
    values: Mapping[str, str | None]


@dataclass(slots=True, kw_only=True)
class History:
    """A run.

    Attributes:
        nodes: names of the nodes.
        start: the state before the first operation.
        operations: in any order.
        record: the generations after the start, from the database at the end.
        observations: of each source in the order in which they were made.
        snapshots: of the database.
        ends: all registers at the end, by the place where they were read.
    """

    nodes: tuple[str, ...]
    start: Snapshot
    operations: list[Operation] = field(default_factory=list)
    record: list[Entry] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    ends: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
