"""How an administrator's change is made: one at a time, planned first, stopped where phones would be lost."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509

from tvs.cluster import commit, read_situation
from tvs.cluster.certificates import new_key
from tvs.cluster.keys import write_keys
from tvs.errors import StateError
from tvs.identity import signing_request
from tvs.manage.held import held_from_files, held_now, held_recently
from tvs.plan import (
    DEFAULT_KINDS,
    PHONE_KINDS,
    Severity,
    parse_kinds,
    plan_change,
)
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from certstore.purposes import Purpose
    from certstore.store import CertificateStore
    from tvs.cluster import Change, Situation
    from tvs.identity import KeyType
    from tvs.plan import HeldLists, PhoneKind, Plan
    from tvs.state import StateDirectory
    from tvs.tls.profiles import TLSProfile

    Propose = Callable[[StateDirectory, Situation], Change]

CURRENT = "current"
"""In place of files: phones hold the current ones and no others."""


class PhonesLost(StateError):  # noqa: N818 - what it is
    """A change was stopped, because phones would be lost; nothing was changed.

    Attributes:
        plan: what they would do.
    """

    def __init__(self, plan: Plan) -> None:
        errors = [finding for finding in plan.findings if finding.severity is Severity.ERROR]
        lines = [f"{finding.code}: {finding.sentence}. Way out: {finding.way_out}." for finding in errors]
        super().__init__(
            "\n".join(["phones would be lost; nothing was changed", *lines, "to do it all the same, add --force"])
        )
        self.plan = plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What a plan is made from, beside the change.

    Attributes:
        held: files that phones hold; empty: the current ones, and those that were replaced within a day.
        only_current: phones hold the current files and no others.
        phones: kinds that count; None: those that `set_phone_kinds` put into the database.
        profile: the service's TLS profile; None: that of its settings.
    """

    held: tuple[Path, ...] = ()
    only_current: bool = False
    phones: frozenset[PhoneKind] | None = None
    profile: TLSProfile | None = None


def carry_out(
    state: StateDirectory,
    propose: Propose,
    options: PlanOptions,
    *,
    force: bool = False,
    on_plan: Callable[[Plan], None] = lambda _: None,
) -> Change:
    """Proposes a change, plans it, and makes it; nobody else changes anything meanwhile.

    Args:
        state: the state directory.
        propose: makes the change from the situation.
        options: for the plan.
        force: make it even if phones would be lost.
        on_plan: told of the plan before anything is written.

    Raises `PhonesLost`, and what proposing and committing raise; everything is then as it was.
    """
    with state.lock(), closing(state.store()) as store:
        change = propose(state, read_situation(state, store, options.profile))
        plan = _plan(state, store, change, options)
        on_plan(plan)
        if not (plan.safe or force):
            raise PhonesLost(plan)
        commit(state, store, change)
    return change


def plan_only(state: StateDirectory, propose: Propose, options: PlanOptions) -> Plan:
    """What phones will do; nothing is written."""
    with closing(state.store()) as store:
        change = propose(state, read_situation(state, store, options.profile))
        return _plan(state, store, change, options)


def _plan(state: StateDirectory, store: CertificateStore, change: Change, options: PlanOptions) -> Plan:
    return plan_change(
        _held(state, options),
        change.before,
        change.after,
        datetime.now(UTC),
        later=change.later,
        phones=options.phones or phone_kinds(store),
        title=change.title,
    )


def _held(state: StateDirectory, options: PlanOptions) -> tuple[HeldLists, ...]:
    if options.held:
        return held_from_files(options.held)
    return held_now(state) if options.only_current else held_recently(state, time.time())


def phone_kinds(store: CertificateStore) -> frozenset[PhoneKind]:
    """The kinds of phones that the cluster is said to have. Raises `StateError`."""
    text = store.parameter(PHONE_KINDS)
    try:
        return DEFAULT_KINDS if text is None else parse_kinds(text)
    except ValueError as error:
        raise StateError(f"the parameter {PHONE_KINDS}: {error}; set it with: tvs set phones KIND …") from None


def set_phone_kinds(state: StateDirectory, kinds: frozenset[PhoneKind]) -> None:
    """Says which kinds of phones the cluster has; plans take them into account."""
    with state.lock(), closing(state.store()) as store:
        store.set_parameter(PHONE_KINDS, " ".join(sorted(kinds)))


def make_request(state: StateDirectory, unit: Purpose, kind: KeyType | None = None) -> str:
    """A new key of the publisher and a certificate signing request for it, PEM; the last request is forgotten.

    Args:
        state: the state directory.
        unit: one of `tvs.identity.MADE_HERE`.
        kind: of the key; None is that of the present certificate.
    """
    with state.lock(), closing(state.store()) as store:
        situation = read_situation(state, store)
        key = new_key(unit, situation, kind)
        subject = x509.load_der_x509_certificate(situation.require(unit)).subject
        publisher = situation.publisher
        request = signing_request(key, subject, host=publisher.name, address=publisher.address)
        write_keys(state, [(unit, key)])
        write_atomically(state.request_file(unit), request)
    return request.decode("ascii")
