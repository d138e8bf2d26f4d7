"""States of the cluster's nodes, from the reports that a reader sees one after the other. Pure.

A node lives while its counter moves by the reader's own clock, and is silent when the others have reported more often
since its last report than they can in that time: no clock of one machine is compared with that of another one. The
second rule needs no look for some seconds, and no node is silent by it because the database was out of reach: nobody
has reported then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tvs.status.cluster import MAX_NODES, NodeState, NodeStatus
from tvs.status.members import shortened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from certstore.generations import NodeReport
    from certstore.store import Node

LIVE: Final = 10.0
"""Seconds for which a node counts as live after its counter has moved: it reports once a second."""
MOST: Final = 100
"""Reports that a node writes in `LIVE` seconds at most: it looks ten times a second. Usually it is a tenth of that."""
GAP: Final = 3.0
"""Seconds between two readings: after more, the reader could not read meanwhile. It reads once a second."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """A node's counter as a reader has seen it.

    Attributes:
        counter: as it was last.
        since: time of the reading that found it so first.
        moved: whether it is known to have moved since the reader looks.
        outdated: whether all nodes together have reported more often since than they can in `LIVE` seconds.
    """

    counter: int
    since: float
    moved: bool = False
    outdated: bool = False


class Counters:
    """The counters of nodes' reports, as one reader sees them. All moments are its monotonic seconds.

    All who watch nodes have this rule. The first reading says nothing of life. Later a counter that is another one than
    before has moved, be it lower, and so has that of a report that was not there.
    """

    def __init__(self) -> None:
        self._pulses: dict[str, Pulse] = {}
        self._looked = False

    def read(self, reports: Collection[NodeReport], now: float) -> None:
        """Takes the reports as they are now. What was known of a report that is gone stays."""
        for report in reports:
            name = report.node.lower()
            pulse = self._pulses.get(name)
            if pulse is None or pulse.counter != report.counter:
                pulse = Pulse(report.counter, now, moved=self._looked or pulse is not None)
            self._pulses[name] = replace(pulse, outdated=report.later > MOST * len(reports))
        self._looked = True

    def of(self, node: str) -> Pulse | None:
        """What was seen of a node; None if it never had a report."""
        return self._pulses.get(node.lower())

    def resume(self, last: float, now: float) -> None:
        """The reader could not read between two moments: what comes next is a first reading.

        Of a node that was not silent before, it cannot be said how it is until its counter moves, or does not for
        `LIVE` seconds.
        """
        for name, before in self._pulses.items():
            silence = last - before.since
            self._pulses[name] = Pulse(before.counter, now - silence if silence > LIVE else now)
        self._looked = False


class Liveness:
    """Which nodes live. All moments are monotonic seconds of the reader."""

    def __init__(self) -> None:
        self._counters = Counters()
        self._reports: dict[str, NodeReport] = {}
        self._last: float | None = None

    def read(self, reports: Iterable[NodeReport], now: float) -> None:
        """Takes the reports as they are now.

        The time since the reading before does not count if it is long: the database was out of reach.
        """
        if self._last is not None and now - self._last > GAP:
            self._counters.resume(self._last, now)
        self._last = now
        self._reports = {report.node.lower(): report for report in reports}
        self._counters.read(self._reports.values(), now)

    def lives(self, node: str, now: float) -> bool | None:
        """Whether a node lives; None if that cannot be said yet. False without a report."""
        pulse = self._counters.of(node)
        if node.lower() not in self._reports or pulse is None or pulse.outdated or now - pulse.since > LIVE:
            return False
        return pulse.moved or None

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
