"""Commit of a change, whole or not at all.

The order of its steps leaves everything usable after a kill at any moment: new keys and new lists are on the disk,
read back and verified, and the certificates that it replaces are kept, before the database is touched; the commit of
the database switches certificates and keys; the lists take their names after it, which needs no room. A kill between
these two leaves the old lists, which are still valid, and `tvs ctl plan` says that they are outdated.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ctlcache.trustlist import UnsignedList
from ctlcache.unsigned import sign_list
from ctlcache.verification import verify
from tvs.cluster.deletion import delete_list, forget_deletion
from tvs.cluster.kept import keep_replaced
from tvs.cluster.keys import remove_unused, unfinished_keys, write_keys, write_requests
from tvs.errors import StateError
from tvs.system.files import StagedFile, keep_previous, remove_left_over
from tvs.units import CTL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tvs.cluster.change import Change
    from tvs.state import StateDirectory


def commit(state: StateDirectory, store: CertificateStore, change: Change) -> Change:
    """Commits a change; call it with `StateDirectory.lock` held. Returns the change, with its list signed.

    Raises `StateError`, `StoreError` or `SigningError`; everything is then as it was, unless the sentence names an
    exception. A token's PIN is asked for here, before anything is written.
    """
    change = _signed(change)
    if change.keys:
        remove_unused(state, store)  # a command that failed on a full disk left its keys
    with _staged(_new_lists(state, change)) as staged:
        write_keys(state, change.keys)
        write_requests(state, change.requests)
        keep_replaced(state, change.before, change.after)
        with store.transaction():
            change.apply(store)
        _publish(state, change, staged)
    if change.forgotten or not change.keeps_files:
        remove_unused(state, store, change.forgotten)
    for path in unfinished_keys(state):
        path.unlink(missing_ok=True)
    return change


def _signed(change: Change) -> Change:
    """The change with the signature of its CTL file. Raises `SigningError`."""
    ctl = change.after.ctl
    if change.late_signer is None or not isinstance(ctl, UnsignedList):
        return change
    signed = sign_list(ctl, change.late_signer)
    return replace(change, after=replace(change.after, ctl=signed), late_signer=None)


def _publish(state: StateDirectory, change: Change, staged: list[StagedFile]) -> None:
    try:
        if change.after.ctl is not None:
            forget_deletion(state)
        for file in staged:
            file.publish()
        if change.deletes is not None:
            delete_list(state.tftp / change.deletes, mark=change.deletes == CTL_NAME)
    except OSError as error:
        raise StateError(
            f"{error.filename or state.tftp}: cannot be replaced: {error.strerror}. The database has the change, "
            "phones still find the old trust lists: when this is mended, see what to do with: tvs ctl plan"
        ) from error


def _lists(state: StateDirectory, change: Change) -> tuple[tuple[Path, bytes | None, bytes | None], ...]:
    before, after = change.before, change.after
    return ((state.ctl_file, before.ctl, after.ctl), (state.itl_file, before.itl, after.itl))


def _new_lists(state: StateDirectory, change: Change) -> dict[Path, bytes]:
    return {path: new for path, old, new in _lists(state, change) if new is not None and new != old}


@contextmanager
def _staged(lists: dict[Path, bytes]) -> Iterator[list[StagedFile]]:
    """The new lists on the disk beside the old ones, verified there; those not published in the block are removed."""
    staged: list[StagedFile] = []
    try:
        for path, data in lists.items():
            staged.append(_written(path, data))
        yield staged
    finally:
        for file in staged:
            file.discard()


def _written(path: Path, data: bytes) -> StagedFile:
    try:
        remove_left_over(path)
        file = StagedFile(path, data)
        written = file.read_back()
        keep_previous(path)
    except OSError as error:
        raise StateError(
            f"{error.filename or path}: cannot be written: {error.strerror}; nothing was changed"
        ) from error
    verification = verify(written)
    if written != data or not verification.ok:
        file.discard()
        raise StateError(f"{path}: what was written does not verify: {verification.sentence}; nothing was changed")
    return file
