"""The state of a rollover, with what its next stage waits for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tvs.cluster.rollover import Rollover, Stage
from tvs.cluster.rolloverstages import propose_next
from tvs.cluster.situation import read_situation
from tvs.errors import NotPublisher, StateError
from tvs.manage.planning import surveyed, with_record
from tvs.manage.procedure import plan_only
from tvs.plan.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.certificate import Certificate
    from certstore.generations import NodeReport
    from tvs.cluster.situation import Situation
    from tvs.manage.planning import PlanOptions
    from tvs.plan.model import Finding, Plan
    from tvs.state import StateDirectory

HELD_CURRENT = "if all phones have fetched the current lists, add --held current"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledNode:
    """A node in a rollover.

    Attributes:
        node: its name.
        own: its own certificate, which is in use.
        other: the other one of the two: the next one, or the one before; None for a node that takes no part.
        behind: the generation that its service reported last, if that is before the stage's.
    """

    node: str
    own: Certificate
    other: Certificate | None
    behind: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloverStatus:
    """A rollover that is under way, or the last one of its unit.

    Attributes:
        rollover: unit and stage.
        nodes: those with a certificate in the unit, the publisher first; none when it has ended.
        plan: of its next stage; None if it has ended, or cannot be planned here.
        problem: why it cannot be planned here; empty if it can.
        held_current: whether the next stage is safe if all phones have fetched the current lists.
    """

    rollover: Rollover
    nodes: tuple[RolledNode, ...] = ()
    plan: Plan | None = None
    problem: str = ""
    held_current: bool = False

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What the next stage waits for."""
        findings = () if self.plan is None else self.plan.findings
        return tuple(finding for finding in findings if finding.severity is Severity.ERROR)


def rollover_status(state: StateDirectory, unit: Purpose, options: PlanOptions) -> RolloverStatus | None:
    """The state of the rollover of a unit; None if there never was one, or if the last one was of another unit.

    Args:
        state: the state directory.
        unit: the unit.
        options: for the plan of the next stage.

    Raises `StateError` and `StoreError`, and what reading the settings raises.
    """
    with state.opened() as store:
        situation = read_situation(state, store, options.profile)
        reports = store.reports()
    rollover = Rollover.from_text(situation.rolling)
    if rollover is None or rollover.unit is not unit:
        return None
    if not rollover.under_way:
        return RolloverStatus(rollover=rollover)
    status = RolloverStatus(rollover=rollover, nodes=tuple(_nodes(situation, rollover, reports)))
    return _planned(state, status, options)


def _nodes(situation: Situation, rollover: Rollover, reports: list[NodeReport]) -> Iterator[RolledNode]:
    trusted = rollover.in_trust(situation.entries)
    last = {report.node.lower(): report.generation for report in reports}
    for node in situation.nodes:
        own = situation.own_entry(rollover.unit, node.name)
        if own is None:
            continue
        other = trusted.get(rollover.other(own.certificate.der) or "")
        if other is None and rollover.unit is not Purpose.TVS:  # one of the publisher's
            continue
        served = last.get(node.name.lower())
        yield RolledNode(
            node=node.name,
            own=own.certificate,
            other=None if other is None else other.certificate,
            behind=served if served is not None and served < rollover.generation else None,
        )


def _planned(state: StateDirectory, status: RolloverStatus, options: PlanOptions) -> RolloverStatus:
    propose = partial(propose_next, unit=status.rollover.unit)
    try:
        options = surveyed(state, options)
        with state.opened() as store:
            options = with_record(state, store, options)
        status = replace(status, plan=plan_only(state, propose, options))
        if status.errors and not options.held:
            current = replace(options, only_current=True, no_list=False)
            status = replace(status, held_current=plan_only(state, propose, current).safe)
    except NotPublisher as elsewhere:
        return replace(status, problem=f"the publisher {elsewhere.publisher} goes on")
    except StateError as error:
        return replace(status, problem=str(error))
    return status


def stage_words(rollover: Rollover) -> str:
    """A stage in words, for people."""
    return _WORDS[rollover.stage].format(users="the services present" if rollover.unit is Purpose.TVS else "in use is")


_WORDS = {
    Stage.ANNOUNCED: "the lists name the present and the next certificate; {users} the present one",
    Stage.PRESENTED: "{users} the next certificate; the lists still name the one before, too",
    Stage.SIGNING: "{users} the next certificate; the lists still name the one before, too",
    Stage.FINISHED: "the next certificate took the place of the one before",
    Stage.ABORTED: "everything is as it was before",
}
