"""Trust lists that phones hold: given files, or the latest ones of the state directory and of the database.

The database has those of all nodes: a node that joined later, or was away, never had them in its state directory.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from proto.errors import RemoteProtocolError
from proto.roles import TrustRole
from tvs.cluster.situation import read_list
from tvs.errors import StateError
from tvs.plan.phones import HeldLists
from tvs.system.files import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from certstore.generations import FormerList
    from tvs.state import StateDirectory

    Lists = Mapping[str, bytes | None]

_NO_LISTS: Lists = MappingProxyType({})
RECENT = 24 * 3600.0
"""Seconds after its replacement in which phones may still hold a list: they fetch lists when they boot."""


def held_from_files(paths: Iterable[Path]) -> tuple[HeldLists, ...]:
    """Each combination of these CTL and ITL files. Raises `StateError` for a file that is not a trust list."""
    ctls: list[tuple[str, bytes | None]] = []
    itls: list[tuple[str, bytes | None]] = []
    for path in paths:
        data = read_list(path)
        if data is None:
            raise StateError(f"{path}: there is no such file")
        (itls if is_itl(path, data) else ctls).append((str(path), data))
    return _combined(_short(ctls), _short(itls))


def _short(lists: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """Each list once, by the name of its file if no other list has the same, else by its path."""
    once = dict(lists)
    names = [Path(path).name for path in once]
    return [(name if names.count(name) == 1 else path, once[path]) for name, path in zip(names, once, strict=True)]


def is_itl(path: Path, data: bytes) -> bool:
    """Whether a list is an ITL, by the file name in its header, else by its TVS records. Raises `StateError`."""
    try:
        trust_list = parse_trust_list(data)
    except RemoteProtocolError as error:
        raise StateError(f"{path}: is not a trust list: {error}") from None
    name = trust_list.header.file_name.upper() or path.name.upper()
    if name.startswith(("CTL", "ITL")):
        return name.startswith("ITL")
    return any(record.function == TrustRole.TVS for record in trust_list.records)


def held_now(state: StateDirectory, pending: Lists = _NO_LISTS) -> tuple[HeldLists, ...]:
    """The current files alone; `pending` as in `held_recently`."""
    return _found(state, float("inf"), pending)


def held_none() -> tuple[HeldLists, ...]:
    """No list: phones take the first that they fetch on trust."""
    return (HeldLists(),)


def held_recently(
    state: StateDirectory, now: float, pending: Lists = _NO_LISTS, former: Sequence[FormerList] = ()
) -> tuple[HeldLists, ...]:
    """Each combination of the current files and those that were replaced within a day.

    Args:
        state: the state directory.
        now: seconds since 1970.
        pending: lists that are the current ones, before the files, by name; None for one that was deleted.
        former: lists that were replaced in the database, the last one first.
    """
    return _found(state, now - RECENT, pending, former)


def _found(
    state: StateDirectory, since: float, pending: Lists, former: Sequence[FormerList] = ()
) -> tuple[HeldLists, ...]:
    found = []
    for path in (state.ctl_file, state.itl_file):
        lists = _generations(path, since, pending)
        lists += _formerly(lists, [one for one in former if one.name == path.name])
        found.append(lists)
    return _combined(*found)


def _formerly(
    current: Sequence[tuple[str, bytes | None]], former: Sequence[FormerList]
) -> Iterator[tuple[str, bytes | None]]:
    """Name and bytes of lists of the last day that are not among those that were found here.

    Phones keep a list that was deleted: the last one counts for as long as there is no other.
    """
    known = {data for _, data in current}
    for one in former:
        kept = None in known and one is former[0]
        if (kept or one.age <= RECENT) and one.data not in known and verify(one.data).ok:
            known.add(one.data)
            yield f"{one.name} of generation {one.generation}", one.data


def _generations(path: Path, since: float, pending: Lists) -> list[tuple[str, bytes | None]]:
    """Name and bytes of a list and of its predecessors that phones may hold; phones keep a list that was deleted."""
    found: list[tuple[str, bytes | None]] = []
    if path.name in pending:
        found.append((f"{path.name} of the database", pending[path.name]))
        if since == float("inf") and pending[path.name] is not None:
            return found
    for number, file in enumerate([path, *(path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1))]):
        data = read_list(file)
        if data is None and number == 0:
            found.append((f"no {path.name}", None))
            continue
        if data is None:
            break
        if verify(data).ok and all(data != known for _, known in found):
            found.append((file.name, data))
        if file.stat().st_mtime < since:
            break
    return found


def _combined(
    ctls: Sequence[tuple[str, bytes | None]], itls: Sequence[tuple[str, bytes | None]]
) -> tuple[HeldLists, ...]:
    return tuple(_pairs(ctls or [("", None)], itls or [("", None)]))


def _pairs(ctls: Iterable[tuple[str, bytes | None]], itls: Sequence[tuple[str, bytes | None]]) -> Iterator[HeldLists]:
    for ctl_name, ctl in ctls:
        for itl_name, itl in itls:
            if ctl is not None or itl is not None:
                yield HeldLists(ctl=ctl, itl=itl, ctl_name=ctl_name, itl_name=itl_name)
