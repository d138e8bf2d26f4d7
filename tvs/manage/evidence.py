"""The recorded phones for a plan, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from certstore.errors import StoreUnavailable
from tvs.config.loading import load_config
from tvs.manage.kinds import said_kinds
from tvs.manage.turnedaway import Unanswered
from tvs.plan.evidence import clue_of
from tvs.plan.model import Seen
from tvs.plan.phones import DEFAULT_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from certstore.devices import AnyDevice, BriefDevice
    from certstore.store import CertificateStore
    from tvs.plan.evidence import Clue, Evidence
    from tvs.plan.fleet import Fleet
    from tvs.plan.phones import PhoneKind
    from tvs.state import StateDirectory

_PHONE = 15
"""Characters of a phone's name, ``SEP`` and the address: only with such a one a model is told from a name."""


def evidence_of(store: CertificateStore) -> Evidence:
    """What phones hold, by the lists that the database has and had. Raises `StoreError`."""
    from tvs.plan.evidence import Evidence  # noqa: PLC0415 - most commands find no record
    from tvs.plan.history import epochs  # noqa: PLC0415 - likewise

    return Evidence(epochs(store.lists(), store.former_lists()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record of phones, as it was read once.

    Attributes:
        generation: of the cluster, from before it was read: what phones hold follows from its lists.
        fleet: the phones; None if there is no record, or if the settings have switched it off.
        fetched: the same, if every phone that knows the signer of the present lists has fetched them.
    """

    generation: int
    fleet: Fleet | None = None
    fetched: Fleet | None = None

    @property
    def kinds(self) -> frozenset[PhoneKind]:
        """The kinds of phones that the cluster has, as far as that is known."""
        return DEFAULT_KINDS if self.fleet is None else self.fleet.kinds


def switched_off(state: StateDirectory) -> str:
    """The setting that has switched the record off, such as ``fleet = false``; empty while it is kept.

    A record that is not kept any more tells nothing of what phones have asked since. Raises `ConfigError`.
    """
    config = load_config({"state": str(state.path)})
    if not config.observe:
        return "observe = false"
    return "" if config.fleet else "fleet = false"


def read_record(state: StateDirectory, store: CertificateStore) -> Record:
    """Reads the record of phones. One that cannot be read stops no change: it is an empty fleet with the problem.

    Args:
        state: the state directory, with the settings.
        store: its database.

    Raises `StoreError`, and `ConfigError` for unusable settings.
    """
    record = Record(generation=store.generation().number)
    if switched_off(state):
        return record
    try:
        with store.devices().reading() as table:
            unanswered = Unanswered(table.unserved())
            traces = _by_trace(unanswered.without(table.brief()))
    except StoreUnavailable as error:
        from tvs.plan.fleet import Fleet  # noqa: PLC0415 - most commands find a record, or none

        unknown = Fleet(phones=(), problem=str(error))
        return replace(record, fleet=unknown, fetched=unknown)
    if not traces and not unanswered:
        return record
    evidence = evidence_of(store)
    fleet = _fleet(traces, evidence, unanswered)
    return replace(
        record, fleet=fleet, fetched=fleet.after_fetching(evidence.epochs[-1].lists) if evidence.epochs else fleet
    )


def phone_kinds(state: StateDirectory, store: CertificateStore) -> frozenset[PhoneKind]:
    """The kinds of phones that plans count: those that the administrator names, else those that are recorded.

    Raises `StateError`, `StoreError`, and `ConfigError` for unusable settings.
    """
    return said_kinds(store) or read_record(state, store).kinds


class _Trace(NamedTuple):
    """What a plan takes from the record of a phone; many phones have the same.

    Attributes:
        clue: to what it holds.
        generation: of the cluster when it was seen last; None if it never was.
        listed: whether it is in an inventory.
    """

    clue: Clue
    generation: int | None
    listed: bool


def _by_trace(devices: Iterable[BriefDevice]) -> dict[_Trace, list[str]]:
    """The names of phones by their traces."""
    found: dict[_Trace, list[str]] = {}
    for device in devices:
        trace = _Trace(clue_of(device), device.generation if device.last else None, device.listed > 0)
        found.setdefault(trace, []).append(phone_name(device))
    return found


def _fleet(traces: Mapping[_Trace, Sequence[str]], evidence: Evidence, unanswered: Unanswered) -> Fleet:
    """The phones, in groups of which the same is known, and the addresses of those that could not ask."""
    from tvs.plan.fleet import Fleet, groups  # noqa: PLC0415 - likewise

    present = evidence.epochs[-1].generation if evidence.epochs else 0
    phones = groups(
        (trace.clue.kind, _seen(trace, present), evidence.possible(trace.clue), names)
        for trace, names in traces.items()
    )
    inventory = any(trace.listed for trace in traces)
    return Fleet(phones=phones, inventory=inventory, turned_away=unanswered.turned_away)


def _seen(trace: _Trace, present: int) -> Seen:
    """When a phone was seen, beside the generation of the present lists."""
    if trace.generation is None:
        return Seen.NEVER
    return Seen.SINCE if trace.generation >= present else Seen.BEFORE


def phone_name(device: AnyDevice) -> str:
    """A phone as people know it, such as ``CP-7960-SEPB000B4BA0AEE``: a name by which commands find it."""
    named_so = device.model and len(device.name) == _PHONE and device.name.startswith("SEP")
    return f"{device.model}-{device.name}" if named_so else device.name
