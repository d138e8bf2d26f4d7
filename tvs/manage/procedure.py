"""The one road of an administrator's change: lock, propose, plan, stop if phones would be lost, commit."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from certstore.errors import StoreError
from tvs.cluster.publishing import destinations, publish_after
from tvs.cluster.replication import pending_lists
from tvs.cluster.situation import read_situation
from tvs.errors import StateError
from tvs.manage.planning import is_reported, plan_of, surveyed, ways_out, with_record
from tvs.manage.taking import publish_rest, take_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from certstore.store import CertificateStore
    from tvs.cluster.change import Change
    from tvs.cluster.publishing import Published
    from tvs.cluster.replication import Pending, Taken
    from tvs.cluster.situation import Situation
    from tvs.manage.confirmation import Reading
    from tvs.manage.planning import Lists, PlanOptions
    from tvs.plan.model import Plan
    from tvs.state import StateDirectory

    Propose = Callable[[StateDirectory, Situation], Change]


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

    The cluster's TVS servers are asked before the lock, see `tvs.manage.surveyed`.

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
    options = surveyed(state, options)
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
    options = surveyed(state, options)
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
    options = with_record(state, store, options)  # once, also for the ways out
    plan = plan_of(state, store, change, options, pending, lost_reports=is_reported(store, change))
    on_plan(plan)
    safe = plan.safe or plan.helps or (change.keeps_files and plan.harmless)
    if not (safe or force):
        from tvs.manage.refusal import PhonesLost  # noqa: PLC0415 - most changes are made

        none = plan.fleet is None or not plan.fleet.known
        raise PhonesLost(plan, ways_out(state, store, change, options, pending, none=none))


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
    options = surveyed(state, options)
    with state.opened() as store:
        pending = pending_lists(state, store)
        on_pending(pending)
        situation = read_situation(state, store, options.profile).with_files(pending.lists)
        change = propose(state, situation)
        return plan_of(state, store, change, options, pending.lists, lost_reports=is_reported(store, change))
