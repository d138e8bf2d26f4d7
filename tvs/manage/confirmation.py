"""Confirmation of a change: waits until every live node reports that it serves the new generation.

Nodes report through the database (`certstore.generations.NodeReport`). A report that was there before the change says
nothing: only one whose counter changed since counts, so that the last report of a node that crashed confirms nothing.
A node was dead before the change, and is not waited for, if others have reported too often since its last report, see
`tvs.cluster.nodestates`. Whether a service of this node runs is known without one, see `tvs.system.presence`: one that
has just started is waited for, and one that was killed is not. Times are by this process's own monotonic clock.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Final

from certstore.errors import StoreError
from tvs.cluster.membership import own_node
from tvs.cluster.nodestates import LIVE, Counters
from tvs.errors import StateError
from tvs.system.presence import is_used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from certstore.generations import NodeReport
    from certstore.store import CertificateStore
    from tvs.cluster.change import Change
    from tvs.state import StateDirectory

PATIENCE: Final = 15.0
"""Seconds after which no node is waited for."""
QUICK_POLL: Final = 0.1
"""Seconds between two readings in the first `QUICK_TIME`: nodes notice a change after 0.25 s at most."""
QUICK_TIME: Final = 1.0
"""Seconds of quick readings; a wait that is longer is said to people at a terminal."""
POLL: Final = 0.25
"""Seconds between two readings afterwards."""
GONE: Final = 2.5
"""Seconds without a new report after which this node's service does not run, if it gives no other sign either."""


class NodeStep(StrEnum):
    """What is known about a node and a change."""

    CONFIRMED = "confirmed"
    """It serves the change."""
    BEHIND = "not_confirmed"
    """It reports, but does not serve the change yet."""
    LOST = "not_reached"
    """It has not written another report for `LIVE` seconds, by the clock or by others' reports; or none, this node."""
    ELSEWHERE = "other_database"
    """Likewise, because its service uses another database, see `tvs.manage.elsewhere`: only this node."""
    ABSENT = "no_service"
    """It has no report: no service runs there, or one that was started after an order to stop, while it could not reach
    the database, and answers from its last copy. This node also if its service was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfirmation:
    """A node and a change.

    Attributes:
        node: name of the node.
        step: what is known.
        generation: number of the generation that it reported last; None without a report.
        seconds: from the change to its confirmation; None if it did not confirm.
        problem: its last report's line for people; empty if it has none.
    """

    node: str
    step: NodeStep
    generation: int | None = None
    seconds: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The end of a wait for nodes.

    Attributes:
        generation: number of the change.
        nodes: each node of the cluster, the publisher first.
        seconds: that the wait took.
        problem: why reports could not be read to the end; empty if they could.
        interrupted: whether the wait was ended with Ctrl-C.
    """

    generation: int
    nodes: tuple[NodeConfirmation, ...]
    seconds: float
    problem: str = ""
    interrupted: bool = False

    def at(self, step: NodeStep) -> list[NodeConfirmation]:
        """The nodes of which this is known."""
        return [node for node in self.nodes if node.step is step]

    @property
    def running(self) -> int:
        """Number of nodes with a service, be it in reach or not; without those that have none by all that is known."""
        return len(self.nodes) - len(self.at(NodeStep.ABSENT))

    @property
    def complete(self) -> bool:
        """Whether every node with a service serves the change."""
        seen = not self.problem and not self.interrupted
        return seen and self.running == len(self.at(NodeStep.CONFIRMED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Reports of nodes that were there before a change.

    Attributes:
        at: time of the reading, `time.monotonic`.
        reports: the reports; None if they could not be read.
    """

    at: float
    reports: tuple[NodeReport, ...] | None

    @classmethod
    def of(cls, store: CertificateStore) -> Reading:
        """The current reports. A database that cannot give them does not keep anybody from the change."""
        try:
            reports = tuple(store.reports())
        except StoreError:
            return cls(at=time.monotonic(), reports=None)
        return cls(at=time.monotonic(), reports=reports)


@dataclass(slots=True)
class _Node:
    """What was seen of a node: `at` is the time since which its counter is the same; `runs` is known of this node."""

    name: str
    at: float
    report: NodeReport | None = None
    present: bool = False
    outdated: bool = False
    awaited: bool = False
    confirmed: float | None = None
    runs: bool | None = None

    def step(self, now: float) -> NodeStep:
        if self.confirmed is not None:
            return NodeStep.CONFIRMED
        silent = inf if self.outdated and not self.runs else now - self.at
        if not self.runs and (self.report is None or not (self.present or self.awaited)):
            return NodeStep.ABSENT
        if self.runs is False and silent >= GONE:
            return NodeStep.ABSENT
        return NodeStep.LOST if silent >= LIVE else NodeStep.BEHIND


class Watch:
    """The nodes of a cluster while a change waits for them: fed with readings, it knows no clock and no database.

    Args:
        generation: number of the change.
        nodes: names of the nodes after the change.
        before: the reports before the change.
        former: former names of nodes that the change renames, by their new ones.
    """

    def __init__(
        self, generation: int, nodes: Iterable[str], before: Reading, former: dict[str, str] | None = None
    ) -> None:
        self._generation = generation
        self._counters = Counters()
        known = _by_name(before.reports or ())
        former = former or {}
        self._nodes = [
            _Node(name, before.at, known.get(former.get(name, name).lower()), awaited=name in former) for name in nodes
        ]
        if before.reports is not None:  # else the first one after the change is the one that says nothing
            self._counters.read([replace(one.report, node=one.name) for one in self._nodes if one.report], before.at)

    def running_here(self, name: str, *, runs: bool | None) -> None:
        """Takes in whether a service of the node of that name, this one, runs; None if that cannot be said."""
        for node in self._nodes:
            if node.name.lower() == name.lower():
                node.runs = runs

    def see(self, reports: Sequence[NodeReport], now: float) -> None:
        """Takes a reading in."""
        self._counters.read(reports, now)
        found = _by_name(reports)
        for node in self._nodes:
            report, pulse = found.get(node.name.lower()), self._counters.of(node.name)
            node.report, node.present = report or node.report, report is not None
            if pulse is None:
                continue
            node.at, node.outdated = pulse.since, pulse.outdated
            if pulse.moved and node.report is not None and node.report.generation >= self._generation:
                node.confirmed = now if node.confirmed is None else node.confirmed

    def lose(self) -> None:
        """Notes that the database was lost: reports that are gone afterwards went with it, and nodes are waited for."""
        for node in self._nodes:
            node.awaited = True

    def waiting(self, now: float) -> list[str]:
        """Names of the nodes that are still waited for."""
        return [node.name for node in self._nodes if node.step(now) is NodeStep.BEHIND]

    def result(self, began: float, now: float, problem: str = "", *, interrupted: bool = False) -> Confirmation:
        """What is known at `now` of a wait that began at `began`."""
        nodes = tuple(
            NodeConfirmation(
                node=node.name,
                step=node.step(now),
                generation=None if node.report is None else node.report.generation,
                seconds=None if node.confirmed is None else node.confirmed - began,
                problem="" if node.report is None else node.report.problem,
            )
            for node in self._nodes
        )
        return Confirmation(
            generation=self._generation, nodes=nodes, seconds=now - began, problem=problem, interrupted=interrupted
        )


def _by_name(reports: Iterable[NodeReport]) -> dict[str, NodeReport]:
    return {report.node.lower(): report for report in reports}


def wait_for_nodes(
    state: StateDirectory,
    change: Change,
    before: Reading,
    on_wait: Callable[[Sequence[str]], None] = lambda _: None,
) -> Confirmation:
    """Waits until every live node serves a change, at most `PATIENCE` seconds and what one reading takes.

    Call it without the lock of the state directory: other commands need not wait for nodes.

    Args:
        state: the state directory.
        change: the committed change.
        before: the reports before its commit.
        on_wait: called with the names of the nodes that are waited for after `QUICK_TIME`, and when these are others.

    A database that is lost meanwhile, and Ctrl-C, are part of the result: the change is made. Raises `StateError` if
    this process may not use the state directory.
    """
    if change.generation is None:
        raise ValueError(f"the change {change.title!r} was not committed")
    began = time.monotonic()
    watch = Watch(
        change.generation, [node.name for node in change.after.nodes], replace(before, at=began), _renamed(change)
    )
    if change.unsure:
        watch.lose()
    problem, told = "", list[str]()
    try:
        with state.rights(), closing(state.lazy_store()) as store:
            here = _own_name(state, store)
            while True:
                watch.running_here(here, runs=is_used(state.path))
                problem = _look(store, watch)
                now = time.monotonic()
                waiting = watch.waiting(now)
                if now - began >= PATIENCE or not (waiting or problem):
                    return watch.result(began, now, problem)
                if now - began >= QUICK_TIME and waiting != told:
                    on_wait(told := waiting)
                time.sleep(QUICK_POLL if now - began < QUICK_TIME else POLL)
    except KeyboardInterrupt:
        return watch.result(began, time.monotonic(), problem, interrupted=True)


def _own_name(state: StateDirectory, store: CertificateStore) -> str:
    """The name of this node; empty if it cannot be said: its reports tell all then."""
    try:
        return own_node(state, store).name
    except (StateError, StoreError):
        return ""


def _look(store: CertificateStore, watch: Watch) -> str:
    """Reads the reports; returns why that was not possible, or an empty text."""
    try:
        watch.see(store.reports(), time.monotonic())
    except StoreError as error:
        watch.lose()
        return str(error)
    return ""


def _renamed(change: Change) -> dict[str, str]:
    """The former name of a node that the change renames, by its new one; its service reports under that one soon."""
    before, after = ({node.name.lower(): node.name for node in side.nodes} for side in (change.before, change.after))
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    return {after[new.pop()]: before[gone.pop()]} if len(gone) == len(new) == 1 else {}
