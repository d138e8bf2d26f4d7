"""Deletion of the trust lists that phones fetch, and the marker that a deleted CTL file leaves for the service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ctlcache.deletion import deletion_marker
from tvs.system.files import give_other_name, keep_previous, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.state import StateDirectory


def delete_list(path: Path, *, mark: bool = False) -> None:
    """Deletes a list; it stays as NAME.1. Raises `OSError`.

    Args:
        path: the list. An absent one is marked only.
        mark: whether the service is told that the absence is an administrator's will, see `ctlcache.deletion`.
    """
    marker = deletion_marker(path)
    if not os.path.lexists(path):
        if mark:
            write_atomically(marker, b"")
        return
    keep_previous(path)
    if mark:
        give_other_name(path, marker)
    else:
        path.unlink()


def forget_deletion(state: StateDirectory) -> None:
    """Removes the marker, before a new CTL file appears. Raises `OSError`.

    In this order a kill in between leaves a missing file, which the service does not vouch for either; in the other
    order a stale marker would stay beside the new file.
    """
    deletion_marker(state.ctl_file).unlink(missing_ok=True)
