"""Marker of a deleted trust list: tells a list that an administrator deleted from one that vanished by accident.

The list itself is the marker: it is renamed from CTLFile.tlv to .CTLFile.tlv.deleted, so that absence and marker appear
in one step. Phones and TFTP clients ask for exact names and do not meet it. A marker is in force while the list that it
stands beside is absent.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ctlcache.files import read_snapshot

if TYPE_CHECKING:
    from pathlib import Path


def deletion_marker(path: Path) -> Path:
    """The path of a list's marker."""
    return path.with_name(f".{path.name}.deleted")


def is_deleted(path: Path, digest: bytes | None, copy_of: Path | None = None) -> bool:
    """Whether an administrator deleted a list, or the list that it is a copy of.

    Args:
        path: the list.
        digest: SHA-256 of its bytes; None if it is absent.
        copy_of: the list that administrators' commands delete, if `path` can be a copy of it in another place. The
            deletion counts for a copy with the same bytes, and for an absent one.
    """
    if digest is None and _in_force(path):
        return True
    if copy_of is None or copy_of == path or not _in_force(copy_of):
        return False
    return digest is None or digest == _digest(deletion_marker(copy_of))


def _in_force(path: Path) -> bool:
    """Whether a list has a marker and is absent. The marker comes first: a new list removes it before it appears."""
    return os.path.lexists(deletion_marker(path)) and not os.path.lexists(path)


def _digest(path: Path) -> bytes | None:
    try:
        return read_snapshot(path).digest
    except OSError:
        return None
