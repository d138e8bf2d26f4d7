"""One look at a trust list on disk: what it is, and whether it may be used. Blocks, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ctlcache.files import read_snapshot
from ctlcache.listindex import ListIndex, index_of
from ctlcache.verification import Reason, verify

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.trustlist import Header


class FileState(StrEnum):
    """What is known of the file: a closed set, fit for readiness and metrics."""

    NOT_READ = "not_read"
    """Nobody has looked yet."""
    OK = "ok"
    """The file is good and in use."""
    MISSING = "missing"
    """There is no file."""
    DAMAGED = "damaged"
    """The file is no trust list."""
    UNVERIFIED = "unverified"
    """The file is a trust list that its signer did not sign."""
    UNREADABLE = "unreadable"
    """The file cannot be read, or is not a regular file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a look found.

    Attributes:
        state: what the file is.
        content: tells this inspection from others: the digest of the file's bytes, or why there are none.
        torn: whether the file was being written while it was read.
        detail: why the file is not good, from a closed set; empty where it is.
        reason: the same as a sentence for people.
        header: the list's header, where it is good.
        loaded: what the list gives the cache, where it is good.
    """

    state: FileState
    content: bytes
    torn: bool = False
    detail: str = ""
    reason: str = ""
    header: Header | None = None
    loaded: ListIndex | None = None


def inspect_file(path: Path, time_to_live: int, known: bytes | None = None) -> Inspection | None:
    """One look at the file.

    Args:
        path: the file.
        time_to_live: seconds that phones may keep an answer about its certificates.
        known: `Inspection.content` of what is known already.

    Returns:
        The inspection; None where it is the known one.
    """
    try:
        snapshot = read_snapshot(path)
    except OSError as error:
        inspection = _absent(error)
    else:
        if snapshot.digest == known:
            return None
        inspection = _examined(snapshot.data, snapshot.digest, snapshot.torn, time_to_live)
    return None if inspection.content == known else inspection


def _absent(error: OSError) -> Inspection:
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
