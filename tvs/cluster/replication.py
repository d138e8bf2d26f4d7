"""Trust lists between the database and the files that phones fetch.

A commit puts the lists into the database, in the transaction of the certificates, and then gives the files their names.
A command that is killed in between, or a change that another node made, leaves the files of an earlier generation:
`apply_lists` puts those of the database in place.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctlcache.deletion import deletion_marker
from ctlcache.verification import verify
from tvs.cluster.applied import MODE, read_applied
from tvs.cluster.deletion import delete_list, forget_deletion
from tvs.cluster.membership import own_node
from tvs.cluster.situation import read_list
from tvs.errors import StateError
from tvs.system.files import StagedFile, keep_previous, remove_left_over
from tvs.units import CTL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from certstore.generations import StoredList
    from certstore.store import CertificateStore
    from tvs.cluster.applied import Applied
    from tvs.state import StateDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The lists that were taken from the database.

    Attributes:
        generation: number of the generation that the files are of.
        written, deleted: names of files that were replaced, or deleted.
        refused: sentences about lists of the database that phones would refuse; their files stay as they are.
    """

    generation: int
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The lists of the database that are not in place yet.

    Attributes:
        generation: number of the database's current generation.
        applied: what was put in place.
        stored: the lists by name.
        refused: sentences about lists of the database that phones would refuse, and that are not put in place.
    """

    generation: int
    applied: Applied
    stored: Mapping[str, StoredList]
    refused: tuple[str, ...] = ()

    @property
    def lists(self) -> dict[str, bytes | None]:
        """The lists by name; None for a deleted one."""
        return {name: one.data for name, one in self.stored.items()}

    @property
    def is_nothing(self) -> bool:
        """Whether everything is in place, and noted as of the current generation."""
        return not self.stored and not self.refused and self.generation == self.applied.generation


def pending_lists(state: StateDirectory, store: CertificateStore) -> Pending:
    """Finds the lists of the database that are not in place yet; changes nothing.

    A file that an administrator put in place by hand stays until the database gets another list of that name; so does
    one whose name the database does not know.

    Raises `StateError` and `StoreError`.
    """
    number = store.generation().number  # before the lists: a generation after it is taken by the next call
    applied = read_applied(state)
    stored = {name: one for name, one in store.lists().items() if not applied.has(name, one)}
    refused = {name: sentence for name, one in stored.items() if (sentence := _refusal(name, one))}
    return Pending(
        generation=number,
        applied=applied,
        stored={name: one for name, one in stored.items() if name not in refused},
        refused=tuple(sorted(refused.values())),
    )


def apply_lists(state: StateDirectory, store: CertificateStore) -> Taken:
    """Puts `pending_lists` in place; call it with `StateDirectory.lock` held.

    Replaced files stay as NAME.1. A second call changes nothing. Raises `StateError`, `NotInCluster` in a directory of
    none of the cluster's nodes (their lists do not have its TVS certificate: phones would refuse its service), and
    `StoreError`.
    """
    pending = pending_lists(state, store)
    number, lists = pending.generation, pending.lists
    if pending.is_nothing:
        return Taken(generation=number)
    own_node(state, store)
    with staged_lists(state, lists, pending.applied.with_lists(number, pending.stored)) as staged:
        staged.publish(has_ctl=lists.get(CTL_NAME) is not None)
    return Taken(generation=number, written=staged.written, deleted=staged.deleted, refused=pending.refused)


def _refusal(name: str, stored: StoredList) -> str:
    """Why a list of the database is not put in place; empty if nothing speaks against it."""
    if stored.data is None or (found := verify(stored.data)).ok:
        return ""
    return f"{name} of generation {stored.generation} in the database: {found.sentence}; the file stays as it is"


@contextmanager
def staged_lists(state: StateDirectory, lists: Mapping[str, bytes | None], applied: Applied) -> Iterator[StagedLists]:
    """Lists on the disk beside the files that they will replace, verified; those not published are removed.

    Args:
        state: the state directory.
        lists: the lists by name; None for one that is deleted.
        applied: what ``cluster.json`` says afterwards.

    Raises `StateError`; nothing was changed then.
    """
    staged = StagedLists(state)
    try:
        staged.stage(lists, applied)
        yield staged
    finally:
        staged.discard()


class StagedLists:
    """The content of `staged_lists`.

    Attributes:
        written: names of the files that are replaced.
        deleted: names of the files that are deleted.
    """

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        self._staged: list[StagedFile] = []
        self._record: StagedFile | None = None
        self.written: tuple[str, ...] = ()
        self.deleted: tuple[str, ...] = ()

    def stage(self, lists: Mapping[str, bytes | None], applied: Applied) -> None:
        """Writes the new lists and the new ``cluster.json``. Raises `StateError`."""
        self.deleted = tuple(name for name, data in lists.items() if data is None and self._can_delete(name))
        for name, data in lists.items():
            path = self._state.tftp / name
            if data is not None and data != read_list(path):
                self._stage_list(path, data)
        self.written = tuple(file.path.name for file in self._staged)
        path = self._state.cluster_file
        with _errors(path):
            remove_left_over(path)
            self._record = StagedFile(path, applied.to_bytes(), mode=MODE)

    def _stage_list(self, path: Path, data: bytes) -> None:
        with _errors(path):
            remove_left_over(path)
            file = StagedFile(path, data)
            self._staged.append(file)
            written = file.read_back()
            keep_previous(path)
        verification = verify(written)
        if written != data or not verification.ok:
            raise StateError(f"{path}: what was written does not verify: {verification.sentence}; nothing was changed")

    def _can_delete(self, name: str) -> bool:
        """Whether the file is there, or the service does not know yet that it was deleted."""
        path = self._state.tftp / name
        return os.path.lexists(path) or (name == CTL_NAME and not os.path.lexists(deletion_marker(path)))

    def publish(self, *, has_ctl: bool) -> None:
        """Gives the lists their names, deletes those that are deleted, and notes it; needs no room on the disk.

        Args:
            has_ctl: whether there is a CTL file afterwards: the marker of a deleted one is removed then.

        Raises `StateError`; the next `apply_lists` completes it.
        """
        try:
            if has_ctl:
                forget_deletion(self._state)
            for file in self._staged:
                file.publish()
            for name in self.deleted:
                delete_list(self._state.tftp / name, mark=name == CTL_NAME)
            if self._record is not None:
                self._record.publish()
        except OSError as error:
            raise StateError(
                f"{error.filename or self._state.tftp}: cannot be replaced: {error.strerror}. The database has the "
                "change, phones still find the old trust lists: when this is mended, any command that changes "
                "something puts them in place, and tvs ctl plan says what else is to do"
            ) from error

    def discard(self) -> None:
        """Removes what was not published."""
        for file in (*self._staged, *filter(None, [self._record])):
            file.discard()


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"{error.filename or path}: cannot be written: {error.strerror}; nothing was changed"
        ) from error
