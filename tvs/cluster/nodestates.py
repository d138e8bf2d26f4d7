"""States of the cluster's nodes, from the reports that a reader sees one after the other. Pure.

A node lives while its counter moves by the reader's own clock: no clock of one machine is compared with that of
another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tvs.status.cluster import MAX_NODES, NodeState, NodeStatus
from tvs.status.members import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from certstore.generations import NodeReport
    from certstore.store import Node

LIVE: Final = 10.0
"""Seconds for which a node counts as live after its counter has moved: it reports once a second."""
GAP: Final = 3.0
"""Seconds between two readings: after more, the reader could not read meanwhile. It reads once a second."""


@dataclass(slots=True)
class _Seen:
    """A counter, and when it was first seen."""

    counter: int
    since: float
    moved: bool = False


class Liveness:
    """Which nodes live. All moments are monotonic seconds of the reader."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._reports: dict[str, NodeReport] = {}
        self._last: float | None = None

    def read(self, reports: Iterable[NodeReport], now: float) -> None:
        """Takes the reports as they are now.

        The time since the reading before does not count if it is long: the database was out of reach. Of a node that
        was not silent before, it cannot be said how it is until its counter moves, or does not for `LIVE` seconds.
        """
        if self._last is not None and now - self._last > GAP:
            for name, before in self._seen.items():
                silence = self._last - before.since
                self._seen[name] = _Seen(before.counter, now - silence if silence > LIVE else now)
        self._last = now
        self._reports = {report.node.lower(): report for report in reports}
        for name, report in self._reports.items():
            seen = self._seen.get(name)
            if seen is None or seen.counter != report.counter:
                self._seen[name] = _Seen(report.counter, now, moved=seen is not None)
        for name in self._seen.keys() - self._reports.keys():
            del self._seen[name]

    def lives(self, node: str, now: float) -> bool | None:
        """Whether a node lives; None if that cannot be said yet. False without a report."""
        seen = self._seen.get(node.lower())
        if seen is None or now - seen.since > LIVE:
            return False
        return seen.moved or None

    def statuses(self, nodes: Sequence[Node], current: int, now: float) -> tuple[NodeStatus, ...]:
        """The nodes' statuses, in their order.

        Args:
            nodes: the nodes of the cluster.
            current: number of the current generation.
            now: the time.
        """
        return tuple(self._status(node, current, now) for node in nodes[:MAX_NODES])

    def _status(self, node: Node, current: int, now: float) -> NodeStatus:
        name, report = shortened(node.name), self._reports.get(node.name.lower())
        if report is None:
            return NodeStatus(name=name, publisher=node.publisher, state=NodeState.ABSENT)
        lives = self.lives(node.name, now)
        if lives is None:
            state = NodeState.UNKNOWN
        elif not lives:
            state = NodeState.SILENT
        else:
            state = NodeState.CURRENT if report.generation >= current else NodeState.BEHIND
        return NodeStatus(
            name=name,
            publisher=node.publisher,
            state=state,
            generation=report.generation,
            staleness=round(report.staleness, 3),
            problem=shortened(report.problem),
        )
