"""The plan of an administrator's change: assumptions, the lists that phones hold, and the phones that are recorded."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tvs.manage.evidence import read_record
from tvs.manage.held import held_none, held_now, held_recently
from tvs.manage.kinds import said_kinds
from tvs.manage.surveyed import seen_servers
from tvs.plan.engine import plan_change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from certstore.store import CertificateStore
    from tvs.cluster.change import Change
    from tvs.manage.evidence import Record
    from tvs.plan.model import Plan
    from tvs.plan.phones import HeldLists, PhoneKind
    from tvs.plan.servers import SeenServer
    from tvs.state import StateDirectory
    from tvs.tls.profiles import TLSProfile

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """Assumptions of a plan beside the change.

    Attributes:
        held: lists that phones hold, see `held_from_files`; empty for the current ones, and those that were replaced
            within a day.
        only_current: phones hold the current files and no others.
        no_list: phones hold no list, and fetch none before the change's second step, if it has one.
        phones: kinds that count; None for those that the database says, or else the record of phones.
        profile: the service's TLS profile; None for that of its settings.
        offline: no TVS server is asked, see `tvs.manage.surveyed`.
        servers: what was met at the TVS servers; None if they are still to be asked.
        record: of phones, as it was read for this command; None if it is still to be read.
    """

    held: tuple[HeldLists, ...] = ()
    only_current: bool = False
    no_list: bool = False
    phones: frozenset[PhoneKind] | None = None
    profile: TLSProfile | None = None
    offline: bool = False
    servers: tuple[SeenServer, ...] | None = None
    record: Record | None = None

    def after_question(self) -> PlanOptions:
        """The options for the plan after a question: the record is read again.

        While the administrator thinks, for minutes or hours, phones go on asking, and inventories are imported: the
        plan that decides must not say 'safe' of a phone that has meanwhile turned out to be behind. Within one step of
        a command there are seconds between the reading and the plan, as there are from a phone's question until it is
        recorded.
        """
        return replace(self, record=None)


def surveyed(state: StateDirectory, options: PlanOptions) -> PlanOptions:
    """The options with what is met at the TVS servers; as they are if they have that, or are to do without.

    If the record of phones had to be read for that, they have it too. Who plans twice does this first, so that the
    servers are asked once. Raises what `seen_servers` raises.
    """
    if options.offline or options.servers is not None:
        return options
    servers, record = seen_servers(state, options.phones, options.profile)
    return replace(options, servers=servers, record=record or options.record)


def with_record(state: StateDirectory, store: CertificateStore, options: PlanOptions) -> PlanOptions:
    """The options with the record of phones, which is not read again if they have it as of the present generation.

    Who makes several plans for one question does this first, so that the record, which can have 200,000 phones, is read
    once. It follows from the lists of a generation what phones hold: with another one it is read again. Raises what
    `read_record` raises.
    """
    return replace(options, record=_record(state, store, options))


def _record(state: StateDirectory, store: CertificateStore, options: PlanOptions) -> Record:
    known = options.record
    return known if known and known.generation == store.generation().number else read_record(state, store)


def plan_of(
    state: StateDirectory,
    store: CertificateStore,
    change: Change,
    options: PlanOptions,
    pending: Lists | None = None,
    *,
    lost_reports: bool = False,
) -> Plan:
    """The plan of a change under these assumptions.

    Args:
        state: the state directory.
        store: its database.
        change: the change.
        options: the assumptions.
        pending: lists of the database that are not in place yet, by name.
        lost_reports: whether the publisher that is lost after the change reports that its service runs.
    """
    after, later = change.after, change.later
    if options.no_list and later is not None:
        after, later = later, None
    record = _record(state, store, options)
    recorded = record.fetched if options.only_current else record.fleet
    fleet = None if options.no_list or options.held else recorded  # else phones are said to hold other lists
    return plan_change(
        _held(state, store, options, pending or {}),
        change.before,
        after,
        datetime.now(UTC),
        later=later,
        phones=options.phones or said_kinds(store) or record.kinds,
        title=change.title,
        made=frozenset(change.made),
        needed=change.needed,
        lost_reports=lost_reports,
        fleet=fleet,
        servers=options.servers or (),
    )


def is_reported(store: CertificateStore, change: Change) -> bool:
    """Whether the publisher that a change calls lost reports that its service runs."""
    if change.after.lost is None:
        return False
    from tvs.manage.lost import reports_on  # noqa: PLC0415 - promotions only

    return reports_on(store, change.after.lost)


def ways_out(
    state: StateDirectory,
    store: CertificateStore,
    change: Change,
    options: PlanOptions,
    pending: Lists | None,
    *,
    none: bool = True,
) -> list[str]:
    """The sentences of assumptions about held lists under which a change is safe; none if files were named.

    Args:
        state, store, change, options, pending: as of `plan_of`.
        none: whether no phone may have fetched a list yet.
    """
    if options.held:
        return []
    others = {CURRENT: replace(options, only_current=True, no_list=False)}
    if none:
        others[NONE] = replace(options, only_current=False, no_list=True)
    return [
        _ASSUMPTIONS[word]
        for word, other in others.items()
        if other != options and plan_of(state, store, change, other, pending).safe
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
