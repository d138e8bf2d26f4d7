"""The cache of the certificates in the cluster's CTL file, and the monitor of that file.

Each check reads the whole file, so that every kind of change is noticed: replaced, renamed over, swapped through a
symbolic link, removed, or rewritten in place. Only a file that verifies is put in use. A lost or bad file leaves the
last good index in use; one that an administrator deleted (`ctlcache.deletion`) empties it.
"""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from certstore.index import CertificateIndex
from certstore.lookup import CertificateCache
from certstore.pacing import Pause
from ctlcache.inspection import FileState, Inspection, inspect_file
from proto.defaults import DEFAULT_TIME_TO_LIVE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from certstore.trace import Trace
    from ctlcache.listindex import ListIndex
    from ctlcache.model import Header, SignerIdentity

POLL_INTERVAL: Final = 0.25
"""Seconds between two checks of the monitor: a change is noticed within 1 s, a bad file takes two checks."""
SETTLE_TIME: Final = 0.1
"""Seconds between two checks at the start, before the monitor runs."""
SETTLE_CHECKS: Final = 10
"""Most checks at the start of a file that is being written."""


class CheckResult(StrEnum):
    """Result of one check of the file: a closed set."""

    UNCHANGED = "unchanged"
    UNSETTLED = "unsettled"
    """The file is bad for the first time, perhaps half written: the next check decides."""
    RELOADED = "reloaded"
    MISSING = "missing"
    DELETED = "deleted"
    """An administrator deleted the file: the index is empty."""
    DAMAGED = "damaged"
    UNVERIFIED = "unverified"
    UNREADABLE = "unreadable"


_RESULTS: Final = {
    FileState.OK: CheckResult.RELOADED,
    FileState.MISSING: CheckResult.MISSING,
    FileState.DELETED: CheckResult.DELETED,
    FileState.DAMAGED: CheckResult.DAMAGED,
    FileState.UNVERIFIED: CheckResult.UNVERIFIED,
    FileState.UNREADABLE: CheckResult.UNREADABLE,
}


class CertificateCTLCache(CertificateCache):
    """Certificates from the records of the CTL file, with roles from their FUNCTION.

    A missing, damaged or unverified file leaves the index in use as it is; after a deletion by an administrator it is
    empty. `check` and `load` block while they read the file; `monitor` reads in a thread and swaps on the event loop.
    All must be called from one thread.

    Attributes:
        path: the file.
        trace: takes trace lines; None while tracing is off. May be replaced at any time.
        state: state of the file, once it has settled.
        signature_valid: whether the file's signature is good; None without a file that can be read.
        last_success: when a list was last put in use, seconds since 1970; None before the first.
        signer: signer of the list in use; None without one.
    """

    trace_class: ClassVar[str] = "CertificateCTLCache"
    trace_length: ClassVar[bool] = True

    def __init__(
        self,
        path: Path,
        *,
        copy_of: Path | None = None,
        default_time_to_live: int = DEFAULT_TIME_TO_LIVE,
        on_event: Callable[[str, dict[str, object]], None] | None = None,
        trace: Trace | None = None,
    ) -> None:
        """A cache without certificates.

        Args:
            path: the file; it need not exist.
            copy_of: the list that administrators' commands delete, if `path` can be a copy of it in another place.
            default_time_to_live: seconds that phones may keep an answer.
            on_event: called with a name and fields: the `CheckResult` (``reloaded``, ``missing``, ``deleted``,
                ``damaged``, ``unverified`` or ``unreadable``) once for each change of the file that has settled, and
                ``monitor_error`` if a check itself fails.
            trace: takes trace lines.
        """
        super().__init__()
        self.path = path
        self.trace = trace
        self.state = FileState.NOT_READ
        self.signature_valid: bool | None = None
        self.last_success: float | None = None
        self.signer: SignerIdentity | None = None
        self._copy_of = copy_of
        self._time_to_live = default_time_to_live
        self._on_event = on_event
        self._settled: bytes | None = None
        self._suspect: bytes | None = None
        self._checks = 0
        self._last_error = ""
        self._pause = Pause()

    @property
    def content(self) -> bytes | None:
        """Identifies the settled content of the file, as `Inspection.content`; None before the first check."""
        return self._settled

    def load(self) -> bool:
        """Checks until the file has settled, at the start; blocks. Returns whether a list was put in use."""
        for _ in range(SETTLE_CHECKS):
            outcome = self.check()
            if outcome is not CheckResult.UNSETTLED:
                return outcome is CheckResult.RELOADED
            time.sleep(SETTLE_TIME)
        return False

    def adopt(self, inspection: Inspection) -> None:
        """Puts a good list in use that was inspected earlier, because the file is not good any more.

        Raises:
            ValueError: the inspection is not of a good file.
        """
        if inspection.header is None or inspection.loaded is None:
            raise ValueError(f"only a good list can be put in use, not one that is {inspection.state}")
        self._put_in_use(inspection.header, inspection.loaded, first=True)

    def check(self) -> CheckResult:
        """Checks the file once, and puts a changed list in use; blocks.

        A bad file is `CheckResult.UNSETTLED` until a second check has read the same bytes; a deletion counts at once.
        """
        return self._apply(self._inspect())

    async def monitor(self, interval: float = POLL_INTERVAL) -> None:
        """Checks the file every `interval` seconds until cancelled. Errors do not end it."""
        while True:
            try:
                await self._check_in_thread()
                self._last_error = ""
            except Exception as error:  # noqa: BLE001 - a monitor that ends unnoticed is worse than any error
                self._report_failure(error)
            await self._pause.wait(interval)

    def look_soon(self) -> None:
        """Has the monitor check now, because another program knows of a change; call it on the monitor's loop."""
        self._pause.end()

    async def _check_in_thread(self) -> None:
        checks = self._checks
        inspection = await asyncio.to_thread(self._inspect)
        if checks == self._checks:  # else `check` was called meanwhile, and this inspection may be older
            self._apply(inspection)

    def _inspect(self) -> Inspection | None:
        return inspect_file(self.path, self._time_to_live, self._settled, copy_of=self._copy_of)

    # -- applying an inspection --------------------------------------------------------------------

    def _apply(self, inspection: Inspection | None) -> CheckResult:
        self._checks += 1
        if inspection is None:
            self._suspect = None
            return CheckResult.UNCHANGED
        if inspection.state not in _SETTLED and (inspection.torn or inspection.content != self._suspect):
            self._suspect = inspection.content
            return CheckResult.UNSETTLED
        first = self._settled is None
        self._suspect, self._settled = None, inspection.content
        self.state = inspection.state
        self.signature_valid = _signature_valid(inspection.state)
        if inspection.loaded is not None and inspection.header is not None:
            self._put_in_use(inspection.header, inspection.loaded, first=first)
        elif inspection.state is FileState.DELETED:
            self._empty()
        self._report(inspection)
        return _RESULTS[inspection.state]

    def _put_in_use(self, header: Header, loaded: ListIndex, *, first: bool) -> None:
        self.swap(loaded.index)
        self.signer = header.signer
        self.last_success = time.time()
        if self.trace is not None:
            _trace_reload(self.trace, self.path.name, loaded.keys, first=first)

    def _empty(self) -> None:
        """Drops the index in use: the administrator does not vouch for it any more."""
        if self.loaded:
            self.swap(CertificateIndex())
        self.signer = None

    def _report(self, inspection: Inspection) -> None:
        left_out = inspection.loaded.left_out if inspection.loaded is not None else ()
        self._emit(
            str(_RESULTS[inspection.state]),
            path=str(self.path),
            detail=inspection.detail,
            reason=inspection.reason,
            certificates=len(self),
            left_out=list(left_out),
            signer=None if self.signer is None else self.signer.unique_map_id,
        )

    def _report_failure(self, error: Exception) -> None:
        """Reports an error that keeps the monitor from checking, once for each kind in a row."""
        text = f"{type(error).__name__}: {error}"
        if text != self._last_error:
            self._last_error = text
            self._emit("monitor_error", path=str(self.path), reason=text)

    def _emit(self, event: str, **fields: object) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event, fields)
        except Exception as error:  # noqa: BLE001 - a callback that fails must not end the monitor
            self._last_error = f"{type(error).__name__}: {error}"


_SETTLED: Final = frozenset({FileState.OK, FileState.DELETED})
"""States that one check decides: a good file is whole, and a deletion is one step."""
_WITHOUT_BYTES: Final = frozenset({FileState.MISSING, FileState.DELETED, FileState.UNREADABLE})


def _signature_valid(state: FileState) -> bool | None:
    return None if state in _WITHOUT_BYTES else state is FileState.OK


def _trace_reload(trace: Trace, name: str, keys: tuple[str, ...], *, first: bool) -> None:
    """Writes the original's lines, exact to the character; the first only for a file that replaces another."""
    if not first:
        trace(
            "ctl_modified",
            f"CertificateCache::localCTLCacheMonitor - {name} has been modified. Recaching CTL Certificate Cache",
            file=name,
        )
    trace("ctl_refreshing", "updateLocalCTLCache : Refreshing the local CTL certificate cache")
    for key in keys:
        trace(
            "ctl_certificate",
            f"tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: {key}, length : {len(key)}",
            unique_map_id=key,
        )
