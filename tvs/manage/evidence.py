"""The recorded phones for a plan, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.errors import StoreUnavailable
from tvs.config.loading import load_config
from tvs.manage.kinds import said_kinds
from tvs.plan.model import Seen
from tvs.plan.phones import DEFAULT_KINDS, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.devices import Device
    from certstore.store import CertificateStore
    from tvs.plan.evidence import Evidence, Possible
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


def recorded_fleet(state: StateDirectory, store: CertificateStore, *, only_current: bool = False) -> Fleet | None:
    """The recorded phones; None if there is no record, or if the settings have switched it off.

    A record that is not kept any more tells nothing of what phones have asked since. One that cannot be read stops no
    change: its place is an empty fleet with the problem.

    Args:
        state: the state directory, with the settings.
        store: its database.
        only_current: every phone that knows the signer of the present lists is said to have fetched them.

    Raises `StoreError`, and `ConfigError` for unusable settings.
    """
    config = load_config({"state": str(state.path)})
    if not (config.fleet and config.observe):
        return None
    try:
        with store.devices().reading() as table:
            devices = list(table.all(brief=True))
    except StoreUnavailable as error:
        from tvs.plan.fleet import Fleet  # noqa: PLC0415 - likewise

        return Fleet(phones=(), problem=str(error))
    if not devices:
        return None
    from tvs.plan.fleet import Fleet, groups  # noqa: PLC0415 - likewise

    found = groups(_phones(devices, evidence_of(store), only_current=only_current))
    return Fleet(phones=found, inventory=any(device.listed for device in devices))


def phone_kinds(state: StateDirectory, store: CertificateStore) -> frozenset[PhoneKind]:
    """The kinds of phones that plans count: those that the administrator names, else those that are recorded.

    Raises `StateError`, `StoreError`, and `ConfigError` for unusable settings.
    """
    said = said_kinds(store)
    fleet = None if said is not None else recorded_fleet(state, store)
    return said or (DEFAULT_KINDS if fleet is None else fleet.kinds)


def _phones(
    devices: list[Device], evidence: Evidence, *, only_current: bool
) -> Iterator[tuple[PhoneKind, Seen, Possible | None, str]]:
    from tvs.plan.evidence import clue_of  # noqa: PLC0415 - likewise

    present = evidence.epochs[-1].generation if evidence.epochs else 0
    assumed: dict[int, Possible | None] = {}
    for device in devices:
        possible = evidence.possible(clue_of(device))
        if only_current:
            possible = assumed.setdefault(id(possible), _fetched(possible, evidence))
        yield kind_of(device), _seen(device, present), possible, phone_name(device)


def phone_name(device: Device) -> str:
    """A phone as people know it, such as ``CP-7960-SEPB000B4BA0AEE``: a name by which commands find it."""
    named_so = device.model and len(device.name) == _PHONE and device.name.startswith("SEP")
    return f"{device.model}-{device.name}" if named_so else device.name


def _seen(device: Device, present: int) -> Seen:
    """When a phone was seen, beside the generation of the present lists."""
    if not device.last:
        return Seen.NEVER
    return Seen.SINCE if device.generation >= present else Seen.BEFORE


def _fetched(possible: Possible | None, evidence: Evidence) -> Possible | None:
    """The present lists alone, if a phone may hold them."""
    if possible is None:
        return None
    from tvs.plan.evidence import Possible  # noqa: PLC0415 - likewise

    present = evidence.epochs[-1].lists
    has = tuple(lists for lists in possible.lists if (lists.ctl, lists.itl) == (present.ctl, present.itl))
    return Possible(lists=has) if has else possible
