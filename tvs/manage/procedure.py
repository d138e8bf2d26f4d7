"""The one road of an administrator's change: lock, propose, plan, stop if phones would be lost, commit."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certstore.errors import StoreError
from proto.text import printable
from tvs.cluster.publishing import destinations, publish_after
from tvs.cluster.replication import pending_lists
from tvs.cluster.situation import read_situation
from tvs.errors import StateError
from tvs.manage.held import held_none, held_now, held_recently
from tvs.manage.kinds import phone_kinds
from tvs.manage.taking import publish_rest, take_lists
from tvs.plan.engine import plan_change
from tvs.plan.model import Severity
from tvs.plan.text import findings_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from certstore.store import CertificateStore
    from tvs.cluster.change import Change
    from tvs.cluster.publishing import Published
    from tvs.cluster.replication import Pending, Taken
    from tvs.cluster.situation import Situation
    from tvs.manage.confirmation import Reading
    from tvs.plan.model import Plan
    from tvs.plan.phones import HeldLists, PhoneKind
    from tvs.state import StateDirectory
    from tvs.tls.profiles import TLSProfile

    Propose = Callable[[StateDirectory, Situation], Change]
    Lists = Mapping[str, bytes | None]

CURRENT = "current"
"""The word in place of files for phones that hold the current ones and no others."""
NONE = "none"
"""The word in place of files for phones that have not fetched any list yet."""
_ASSUMPTIONS = {
    CURRENT: "if all phones have fetched the current lists, add --held current",
    NONE: "if no phone has fetched a list of this cluster yet, add --held none",
}
"""Sentences for assumptions that make a change safe."""


class PhonesLost(StateError):  # noqa: N818 - a verdict
    """A change is stopped because phones would be lost; nothing was changed.

    Attributes:
        plan: of the change.
        ways_out: sentences with options under which the plan is safe.
    """

    def __init__(self, plan: Plan, ways_out: Sequence[str] = ()) -> None:
        errors = [finding for finding in plan.findings if finding.severity is Severity.ERROR]
        lines = [printable(f"{finding.code}: {finding.sentence}. Way out: {finding.way_out}.") for finding in errors]
        super().__init__(
            "\n".join(
                ["phones would be lost; nothing was changed", *lines, *ways_out, "to do it all the same, add --force"]
            )
        )
        self.plan = plan
        self.ways_out = tuple(ways_out)

    @property
    def findings(self) -> list[dict[str, object]]:
        """All findings of the plan, for machines."""
        return findings_json(self.plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """Assumptions of a plan beside the change.

    Attributes:
        held: lists that phones hold, see `held_from_files`; empty for the current ones, and those that were replaced
            within a day.
        only_current: phones hold the current files and no others.
        no_list: phones hold no list, and fetch none before the change's second step, if it has one.
        phones: kinds that count; None for those that `set_phone_kinds` put into the database.
        profile: the service's TLS profile; None for that of its settings.
    """

    held: tuple[HeldLists, ...] = ()
    only_current: bool = False
    no_list: bool = False
    phones: frozenset[PhoneKind] | None = None
    profile: TLSProfile | None = None


def carry_out(
    state: StateDirectory,
    propose: Propose,
    options: PlanOptions,
    *,
    force: bool = False,
    on_plan: Callable[[Plan], None] = lambda _: None,
    on_published: Callable[[Sequence[Published]], None] = lambda _: None,
    on_taken: Callable[[Taken], None] = lambda _: None,
    on_reports: Callable[[Reading], None] | None = None,
    on_unpublished: Callable[[StateError], None] = lambda _: None,
) -> Change:
    """Proposes a change, plans it, commits it and publishes its lists, with the lock of the state directory held.

    Lists of the database that are not in place yet come first: of a command that was killed, or of another node.

    A hardware token is logged in to by the commit: its PIN is not used for a change that is refused.

    A change that keeps the files that phones find is stopped only for phones that it would lose itself: with phones
    that are lost already, such a change is often their way out. So is one after which phones refuse fewer lists than
    without it, and none besides.

    Args:
        state: the state directory.
        propose: makes the change from the situation.
        options: for the plan.
        force: commit it even if phones would be lost.
        on_plan: called with the plan before anything is written.
        on_published: called with the files in the directories of the setting ``publish``, if it names any.
        on_taken: called with the lists that came from the database, before anything else.
        on_reports: called with the nodes' reports from before the commit, for `tvs.manage.confirmation`; None if nobody
            waits for nodes.
        on_unpublished: called if a change that keeps the files is made, and a directory of the setting could not get
            lists of an earlier one.

    Raises `PhonesLost`, and what proposing and committing raise; everything is then as it was. `GenerationConflict`
    if another node changed the cluster meanwhile. Raises `NotPublished` if
    the change was made and a directory of the setting could not get its lists.
    """
    with state.lock(), state.opened() as store:
        take_lists(state, store, on_taken, on_published)
        change = propose(state, read_situation(state, store, options.profile))
        _allow(state, store, change, options, force=force, on_plan=on_plan)
        to = destinations(state)
        if on_reports is not None:
            on_reports(_reports(store))
        change = _commit(state, store, change)
        _forget_gone(store, change)
        if to.directories and not change.keeps_files:
            on_published(publish_after(state, to))
        else:
            try:
                publish_rest(state, to, on_published)
            except StateError as error:
                on_unpublished(error)
        return change


def check_beforehand(
    state: StateDirectory,
    propose: Propose,
    options: PlanOptions,
    *,
    force: bool = False,
    on_plan: Callable[[Plan], None] = lambda _: None,
) -> None:
    """Raises what `carry_out` would raise before its commit, for a command that asks a question first.

    Nothing is written, and the lock is not held any more when the question waits for its answer: `carry_out`, whose
    arguments these are, looks at everything again.
    """
    with state.lock(), state.opened() as store:
        pending = pending_lists(state, store).lists
        change = propose(state, read_situation(state, store, options.profile).with_files(pending))
        _ = change.before.this_node  # raises NotInCluster, as the commit does
        _allow(state, store, change, options, pending, force=force, on_plan=on_plan)


def _allow(
    state: StateDirectory,
    store: CertificateStore,
    change: Change,
    options: PlanOptions,
    pending: Lists | None = None,
    *,
    force: bool,
    on_plan: Callable[[Plan], None],
) -> None:
    """Plans a change. Raises `PhonesLost` for one that is not allowed."""
    plan = _plan(state, store, change, options, pending, lost_reports=_lost_reports(store, change))
    on_plan(plan)
    safe = plan.safe or plan.helps or (change.keeps_files and plan.harmless)
    if not (safe or force):
        raise PhonesLost(plan, _ways_out(state, store, change, options, pending))


def _commit(state: StateDirectory, store: CertificateStore, change: Change) -> Change:
    """Commits a change; every change of an existing state directory comes through here, after its plan.

    The record of the change for an audit belongs into this function: nothing else commits.
    """
    from tvs.cluster.commit import commit  # noqa: PLC0415 - plans commit nothing

    return commit(state, store, change)


def _reports(store: CertificateStore) -> Reading:
    from tvs.manage.confirmation import Reading  # noqa: PLC0415 - plans and some changes wait for no node

    return Reading.of(store)


def _forget_gone(store: CertificateStore, change: Change) -> None:
    """Deletes the reports of nodes that are gone, or have another name: nobody waits for these names any more."""
    kept = {node.name.lower() for node in change.after.nodes}
    with suppress(StoreError):  # the change is made
        for node in change.before.nodes:
            if node.name.lower() not in kept:
                store.forget(node.name)


def plan_only(
    state: StateDirectory,
    propose: Propose,
    options: PlanOptions,
    on_pending: Callable[[Pending], None] = lambda _: None,
) -> Plan:
    """The plan of a change that is not made; nothing is written and no lock is taken.

    The command for the change would put lists of the database in place first, if they are not yet: the plan begins with
    these. `on_pending` is called with them.
    """
    with state.opened() as store:
        pending = pending_lists(state, store)
        on_pending(pending)
        situation = read_situation(state, store, options.profile).with_files(pending.lists)
        change = propose(state, situation)
        return _plan(state, store, change, options, pending.lists, lost_reports=_lost_reports(store, change))


def _plan(
    state: StateDirectory,
    store: CertificateStore,
    change: Change,
    options: PlanOptions,
    pending: Lists | None = None,
    *,
    lost_reports: bool = False,
) -> Plan:
    after, later = change.after, change.later
    if options.no_list and later is not None:
        after, later = later, None
    return plan_change(
        _held(state, store, options, pending or {}),
        change.before,
        after,
        datetime.now(UTC),
        later=later,
        phones=options.phones or phone_kinds(store),
        title=change.title,
        made=frozenset(change.made),
        needed=change.needed,
        lost_reports=lost_reports,
    )


def _lost_reports(store: CertificateStore, change: Change) -> bool:
    """Whether the publisher that a change calls lost reports that its service runs."""
    if change.after.lost is None:
        return False
    from tvs.manage.lost import reports_on  # noqa: PLC0415 - promotions only

    return reports_on(store, change.after.lost)


def _ways_out(
    state: StateDirectory, store: CertificateStore, change: Change, options: PlanOptions, pending: Lists | None
) -> list[str]:
    """The sentences of assumptions about held lists under which a change is safe; none if files were named."""
    if options.held:
        return []
    others = {
        CURRENT: replace(options, only_current=True, no_list=False),
        NONE: replace(options, only_current=False, no_list=True),
    }
    return [
        _ASSUMPTIONS[word]
        for word, other in others.items()
        if other != options and _plan(state, store, change, other, pending).safe
    ]


def _held(
    state: StateDirectory, store: CertificateStore, options: PlanOptions, pending: Lists
) -> tuple[HeldLists, ...]:
    if options.no_list:
        return held_none()
    if options.held:
        return options.held
    if options.only_current:
        return held_now(state, pending)
    return held_recently(state, time.time(), pending, store.former_lists())
