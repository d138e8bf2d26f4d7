"""Differences between two situations of a cluster as plain values, for machines."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from certstore.serials import serial_text
from proto.roles import role_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from certstore.store import Node, StoreEntry
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory


def changed_facts(state: StateDirectory, before: Situation, after: Situation) -> dict[str, object]:
    """The changed parts of a cluster as texts, numbers, lists and dictionaries.

    Args:
        state: the state directory, for the paths of files.
        before, after: the situations.

    Returns:
        ``certificates``: entries of units that were added or removed, or whose roles changed; ``files``: trust lists
        that were made, replaced or deleted; ``nodes``: those that were added, changed or removed. Each is a list, empty
        if nothing changed.
    """
    lists = ((state.ctl_file, before.ctl, after.ctl), (state.itl_file, before.itl, after.itl))
    return {
        "certificates": list(_certificates(before.entries, after.entries)),
        "files": [_file(path, old, new) for path, old, new in lists if old != new],
        "nodes": list(_nodes(before.nodes, after.nodes)),
    }


def entry_facts(entry: StoreEntry) -> dict[str, object]:
    """A certificate in a unit: names, serial number in hex digits, SHA-256 fingerprint in hex digits, roles."""
    certificate = entry.certificate
    return {
        "unit": entry.unit,
        "name": entry.name,
        "node": entry.node,
        "subject": certificate.subject_name,
        "serial_number": serial_text(certificate.serial_number),
        "sha256": hashlib.sha256(certificate.der).hexdigest(),
        "roles": [{"code": role, "name": role_name(role)} for role in entry.roles],
    }


def _certificates(before: Sequence[StoreEntry], after: Sequence[StoreEntry]) -> Iterator[dict[str, object]]:
    old = {_place(entry): entry for entry in before}
    new = {_place(entry): entry for entry in after}
    yield from ({"change": "removed", **entry_facts(entry)} for place, entry in old.items() if place not in new)
    yield from ({"change": "added", **entry_facts(entry)} for place, entry in new.items() if place not in old)
    yield from (
        {"change": "changed", **entry_facts(entry)}
        for place, entry in new.items()
        if place in old and old[place].roles != entry.roles
    )


def _place(entry: StoreEntry) -> tuple[object, ...]:
    return entry.unit, (entry.node or "").lower(), entry.own, entry.certificate.der


def _file(path: Path, old: bytes | None, new: bytes | None) -> dict[str, object]:
    change = "made" if old is None else "deleted" if new is None else "replaced"
    sha1 = None if new is None else hashlib.sha1(new, usedforsecurity=False).hexdigest()
    return {"change": change, "path": str(path), "bytes": None if new is None else len(new), "sha1": sha1}


def _nodes(before: Sequence[Node], after: Sequence[Node]) -> Iterator[dict[str, object]]:
    old = {node.name.lower(): node for node in before}
    new = {node.name.lower(): node for node in after}
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            change = "added" if name not in old else "removed" if name not in new else "changed"
            node = new.get(name) or old[name]
            yield {"change": change, "name": node.name, "address": node.address, "publisher": node.publisher}
