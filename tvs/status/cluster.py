"""Status of the cluster as one node sees it, as typed values, and their JSON form for the board.

The follower publishes it. As in `tvs.status.model`, `from_json` takes nothing for granted: it bounds texts and numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, Self

from certstore.generations import MAX_REPORTS
from tvs.status.members import StatusError, choice, member, text

STALENESS_BOUND: Final = 10.0
"""Seconds after which a node that does not know that it serves the current generation counts as behind. A change is
followed within a second; a lost notification costs 2 s, a dead server or link 5 s, its return up to 5 s of back-off."""
MAX_NODES: Final = MAX_REPORTS
"""Nodes of a status, at most."""


class NodeState(StrEnum):
    """States of a node: the label values of ``tvs_cluster_nodes``."""

    CURRENT = "current"
    """It serves the current generation."""
    BEHIND = "behind"
    """It lives, and serves an earlier one."""
    SILENT = "silent"
    """Its reports have stopped: the machine, the service or its way to the database is down."""
    UNKNOWN = "unknown"
    """It cannot be said yet whether its reports go on."""
    ABSENT = "absent"
    """It has no report: its service does not run, or was started while it could not reach the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Status of one node of the cluster.

    Attributes:
        name: its name.
        publisher: whether it is the publisher.
        state: its state.
        generation: number of the generation that it serves, as it reported last; None without a report.
        staleness: seconds since it last knew that this is the current one, as it reported last; None likewise.
        problem: what it reported to be wrong; empty if nothing is.
    """

    name: str
    publisher: bool
    state: NodeState
    generation: int | None = None
    staleness: float | None = None
    problem: str = ""

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {**{field.name: getattr(self, field.name) for field in fields(self)}, "state": str(self.state)}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError`."""
        staleness = member(document, "staleness", float, int, type(None))
        return cls(
            name=text(member(document, "name", str)),
            publisher=member(document, "publisher", bool),
            state=choice(NodeState, member(document, "state", str)),
            generation=member(document, "generation", int, type(None)),
            staleness=None if staleness is None else _seconds(staleness),
            problem=text(member(document, "problem", str)),
        )

    @property
    def is_behind(self) -> bool:
        """Whether it is silent, or has not known for too long that it serves the current generation."""
        stale = self.staleness is not None and self.staleness > STALENESS_BOUND
        return self.state is NodeState.SILENT or (stale and self.state in (NodeState.CURRENT, NodeState.BEHIND))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """What this node serves, and what it knows of the others. Without arguments: before the first publication.

    Attributes:
        time: when it was published, monotonic seconds of this machine.
        node: name of this node; empty before it could be read.
        generation: number of the generation that this node serves.
        current: number of the current generation, as last known; None before it could be read.
        known_at: when the generation that this node serves was last known to be the current one, monotonic seconds.
        problem: what is wrong here; empty if nothing is.
        certificate: SHA-256 of the TVS certificate that the database has for this node, if the service presents another
            one until it is reloaded; else empty.
        profile: the TLS profile of the settings on the disk, if another one is in use until a reload; else empty.
        nodes: the nodes of the cluster, the publisher first.
    """

    time: float = 0.0
    node: str = ""
    generation: int = 0
    current: int | None = None
    known_at: float = 0.0
    problem: str = ""
    certificate: str = ""
    profile: str = ""
    nodes: tuple[NodeStatus, ...] = ()

    @property
    def service_behind(self) -> list[str]:
        """What the service has to be reloaded for, in the words of ``/readyz``."""
        profile = [f"tls_profile {self.profile}"] if self.profile else []
        return ["TVS certificate", *profile] if self.certificate else profile

    def staleness(self, now: float) -> float | None:
        """Seconds since this node last knew that it serves the current generation; None before the first publication.

        `now`: monotonic seconds. It grows also while the follower stands still.
        """
        return max(0.0, now - self.known_at) if self.time else None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "nodes": [node.to_json() for node in self.nodes]}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form; an empty object is a follower that has not published yet. Raises `StatusError`."""
        if document == {}:
            return cls()
        nodes = member(document, "nodes", list)
        if len(nodes) > MAX_NODES:
            raise StatusError(f"{len(nodes)} nodes are more than {MAX_NODES}")
        return cls(
            time=_seconds(member(document, "time", float, int)),
            node=text(member(document, "node", str)),
            generation=member(document, "generation", int),
            current=member(document, "current", int, type(None)),
            known_at=_seconds(member(document, "known_at", float, int)),
            problem=text(member(document, "problem", str)),
            certificate=text(member(document, "certificate", str)),
            profile=text(member(document, "profile", str)),
            nodes=tuple(map(NodeStatus.from_json, nodes)),
        )


def _seconds(value: float) -> float:
    """A number of seconds: not negative, and finite. Raises `StatusError`."""
    if not 0 <= value < float("inf"):
        raise StatusError(f"{value} is not a number of seconds")
    return value
