"""Inspection of a trust list on disk: its state, and its certificates if it may be used. Blocks; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ctlcache.deletion import is_deleted
from ctlcache.files import read_snapshot
from ctlcache.listindex import ListIndex, index_of
from ctlcache.verification import Reason, verify

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.trustlist import Header


class FileState(StrEnum):
    """State of the file: a closed set, for readiness and metrics."""

    NOT_READ = "not_read"
    """The file was not read yet."""
    OK = "ok"
    """The file is good and in use."""
    MISSING = "missing"
    """The file does not exist."""
    DELETED = "deleted"
    """An administrator deleted the file: it is rightly absent, and its certificates are not vouched for."""
    DAMAGED = "damaged"
    """The file is not a trust list."""
    UNVERIFIED = "unverified"
    """The file is a trust list whose signature does not verify."""
    UNREADABLE = "unreadable"
    """The file cannot be read, or is not a regular file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Result of an inspection.

    Attributes:
        state: state of the file.
        content: identifies the content: SHA-256 of the file's bytes, or the reason why they cannot be read.
        torn: whether the file changed while it was read.
        detail: why the file is not good, from a closed set; empty for a good one.
        reason: the same as a sentence for people.
        header: the list's header; None unless it is good.
        loaded: the list's index for the cache; None unless it is good.
    """

    state: FileState
    content: bytes
    torn: bool = False
    detail: str = ""
    reason: str = ""
    header: Header | None = None
    loaded: ListIndex | None = None


ACCEPTABLE = frozenset({FileState.OK, FileState.MISSING, FileState.DELETED})
"""States that a service can start with: clusters in non-secure mode have no CTL file."""


def inspect_file(
    path: Path, time_to_live: int, known: bytes | None = None, *, copy_of: Path | None = None
) -> Inspection | None:
    """Reads, parses and verifies the file.

    Args:
        path: the file.
        time_to_live: seconds that phones may keep an answer about its certificates.
        known: `Inspection.content` of an earlier inspection.
        copy_of: the list that administrators' commands delete, see `ctlcache.deletion`; None for `path` itself.

    Returns:
        The inspection; None if the content is the known one.
    """
    try:
        snapshot = read_snapshot(path)
    except OSError as error:
        inspection = _absent(error, path, copy_of)
    else:
        if is_deleted(path, snapshot.digest, copy_of):
            inspection = _DELETED
        elif snapshot.digest == known:
            return None
        else:
            inspection = _examined(snapshot.data, snapshot.digest, snapshot.torn, time_to_live)
    return None if inspection.content == known else inspection


_DELETED = Inspection(
    state=FileState.DELETED,
    content=f"{FileState.DELETED}".encode(),
    detail=str(FileState.DELETED),
    reason="an administrator deleted it",
)


def _absent(error: OSError, path: Path, copy_of: Path | None) -> Inspection:
    if isinstance(error, FileNotFoundError) and is_deleted(path, None, copy_of):
        return _DELETED
    reason = error.strerror or str(error)
    state = FileState.MISSING if isinstance(error, FileNotFoundError) else FileState.UNREADABLE
    content = f"{state}: {reason}".encode("utf-8", "backslashreplace")
    return Inspection(state=state, content=content, detail=str(state), reason=reason)


def _examined(data: bytes, digest: bytes, torn: bool, time_to_live: int) -> Inspection:
    verification = verify(data)
    if verification.trust_list is None or not verification.ok:
        damaged = verification.reason is Reason.DAMAGED
        return Inspection(
            state=FileState.DAMAGED if damaged else FileState.UNVERIFIED,
            content=digest,
            torn=torn,
            detail=str(verification.error.kind if verification.error else verification.reason),
            reason=verification.sentence,
        )
    return Inspection(
        state=FileState.OK,
        content=digest,
        header=verification.trust_list.header,
        loaded=index_of(verification.trust_list, time_to_live),
    )
