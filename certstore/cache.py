"""The cache of the store's certificates, refreshed when the database changes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from certstore.backoff import Backoff
from certstore.errors import StoreError, StoreUnavailable
from certstore.index import CacheEntry, CertificateIndex, combined, content_text, entry_digest
from certstore.lookup import CertificateCache
from certstore.pacing import Pause, paced, slow_batches
from proto.defaults import DEFAULT_TIME_TO_LIVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.certificate import TrustedCertificate
    from certstore.changes import BadRow, Changes, LastChange
    from certstore.store import CertificateStore

MAX_BAD_ROWS_REPORTED = 20
"""Most bad rows of one refresh that are reported one by one; the event ``refreshed`` has the number of all."""


class CertificateDBCache(CertificateCache):
    """A store's certificates in memory, as an index that is replaced when the store changes.

    While the database cannot be reached, the last index stays in use. Readers never wait: the next index is built
    aside and swapped.

    Events, for logs and metrics (in the thread that refreshes; an exception in the callback is ignored):

    - ``refreshed``: ``certificates`` in the index, ``generation``, ``full`` (the whole store was read, not only
      changes), ``changed`` and ``removed`` (of an incremental refresh), ``bad_rows``, ``seconds``
    - ``bad_row``: ``identity``, ``reason``; a row that cannot be used
    - ``refresh_failed``: ``reason``, ``retry_in`` seconds
    - ``reconnected``: ``reconnects`` so far
    """

    trace_class: ClassVar[str] = "CertificateDBCACHE"

    def __init__(
        self,
        store: CertificateStore,
        *,
        default_time_to_live: int = DEFAULT_TIME_TO_LIVE,
        may_be_empty: bool = True,
        on_event: Callable[[str, dict[str, Any]], None] | None = None,
    ) -> None:
        """Empty until `load`.

        Args:
            store: the store; the cache does not close it.
            default_time_to_live: seconds, for certificates without one of their own.
            may_be_empty: whether a store without certificates and nodes is one that can be used.
            on_event: called with each event's name and fields.
        """
        super().__init__()
        self._store = store
        self._default_time_to_live = default_time_to_live
        self._may_be_empty = may_be_empty
        self._on_event = on_event
        self._refreshing = threading.Lock()
        self._number = self._reconnects = self._bad_rows = 0
        self._token = self._problem = ""  # the token is that of that change; empty if it is not known
        self._compare_all = True
        self._unverified = False  # whether the content can differ although the change number is the same
        self._db_up = self._was_down = False
        self._known_at = 0.0
        self._pause = Pause()

    @property
    def db_up(self) -> bool:
        """Whether the last attempt to read the store succeeded."""
        return self._db_up

    @property
    def problem(self) -> str:
        """Why the last attempt to read the store failed; empty if it succeeded, or before the first one."""
        return self._problem

    @property
    def change_number(self) -> int:
        """The store's number of the last change that the index in use contains."""
        return self._number

    @property
    def token(self) -> str:
        """The token of that change, see `certstore.changes.LastChange`; empty if it is not known."""
        return self._token

    @property
    def reconnects(self) -> int:
        """Number of times that the store was read again after a failure."""
        return self._reconnects

    @property
    def known_at(self) -> float:
        """Monotonic seconds of the last moment at which the index in use was known to have every commit; 0 before."""
        return self._known_at

    # -- refreshing

    def adopt(
        self, index: CertificateIndex, change_number: int, *, token: str = "", same_database: bool = True
    ) -> None:
        """Uses an index that another cache has read; `refresh` then reads the changes since.

        The token tells whether the store has that change. Without one, the monitor also compares the index with the
        whole store, once: another database can have the same change number.

        Args:
            index: the other cache's `index`.
            change_number: the other cache's `change_number` with that index.
            token: its `token` likewise; empty if it has none.
            same_database: without a token: whether the store has the same database; `refresh` otherwise reads it all.
        """
        with self._refreshing:
            self._number, self._token = change_number, token
            self._compare_all, self._unverified = not (token or same_database), not token and same_database
            self.swap(index)

    def load(self) -> None:
        """Reads the whole store; blocks. Raises `StoreError`, and keeps the index in use then."""
        with self._refreshing:
            self._compare_all = True
            self._refresh(pace=False)

    def refresh(self) -> bool:
        """Reads the changes since the last refresh, or the whole store if they are not known. Blocks; readers go on.

        Returns:
            Whether the index was replaced.

        Raises:
            StoreError: the store cannot be read. The index in use stays; the next refresh reads everything.
        """
        with self._refreshing:
            return self._refresh(pace=True)

    def _refresh(self, *, pace: bool) -> bool:
        started, self._bad_rows = monotonic(), 0
        try:
            last = self._store.last_change()
            if not self._compare_all and self._is_current(last):
                self._known_at = started
                self._came_back()
                return False
            changes = None if self._compare_all else self._since()
            if changes is None:
                index = self._read_all(pace=pace)
            else:
                index = self.index.updated(remove=changes.removed, add=map(self._entry, changes.changed))
                last = changes.last
            self._check_filled(index)
        except BaseException as error:
            self._went_down(error)
            raise
        self.swap(index)  # before its number, which says to others that it is in use
        self._number, self._token, self._compare_all, self._known_at = last.number, last.token, False, started
        if changes is None:
            self._unverified = False
        self._came_back()
        self._report_refreshed(changes, monotonic() - started)
        return True

    def _check_filled(self, index: CertificateIndex) -> None:
        if not (index or self._may_be_empty or self._store.nodes()):
            raise StoreUnavailable("the database is empty: its tables have no rows; restore a backup")

    def _is_current(self, last: LastChange) -> bool:
        """Whether the index has this change as its last; of two histories with one number, tokens tell which it is."""
        return last.number == self._number and (not self._token or last.token == self._token)

    def _since(self) -> Changes | None:
        return self._store.changes_since(self._number, self._bad_row, token=self._token)

    def verify(self) -> bool:
        """Compares the index with the whole store, and reads it if they differ. Blocks; readers go on.

        It makes no second index, and touches no entry of the first one: workers share that memory. It is slow, and ends
        at the first change, so that the change is not kept waiting.

        Returns:
            Whether the index was replaced.

        Raises:
            StoreError: as `refresh` does.
        """
        with self._refreshing:
            try:
                last = self._store.last_change()
                digest = self._digest_of_store() if last.number == self._number else None
                unchanged = self._store.last_change() == last
            except BaseException as error:
                self._went_down(error)
                raise
            if digest is None or not unchanged:
                return False  # the monitor refreshes, and compares then
            self._unverified, self._token = False, last.token
            if content_text(digest) == self.index.content:
                return False
            self._compare_all = True
            return self._refresh(pace=True)

    def _digest_of_store(self) -> int | None:
        """The digest of an index of the whole store; None if it has changes that the index in use does not have."""
        digest = 0
        for certificates in slow_batches(self._store.trusted()):
            if self._store.change_number() != self._number:
                return None
            digest += combined(self._entry_digest(trusted) for trusted in certificates)
        return combined([digest])

    def _read_all(self, *, pace: bool) -> CertificateIndex:
        """An index of the whole store. Later commits have higher numbers than the one that was read before."""
        trusted = self._store.trusted(self._bad_row)
        return CertificateIndex(map(self._entry, paced(trusted) if pace else trusted))

    def _entry(self, trusted: TrustedCertificate) -> CacheEntry:
        return CacheEntry(**trusted.answer_values(self._default_time_to_live))

    def _entry_digest(self, trusted: TrustedCertificate) -> int:
        return entry_digest(**trusted.answer_values(self._default_time_to_live))

    # -- watching

    async def monitor(self, interval: float = 0.25) -> None:
        """Refreshes after each change of the store, until cancelled.

        Args:
            interval: seconds between polls of the store. A poll costs microseconds.

        Every error is reported, and tried again with a back-off, see `certstore.backoff`.
        """
        backoff = Backoff()
        poll: Callable[[], object] = self.refresh  # first without `changed`, which misses earlier commits
        while True:
            try:
                await asyncio.to_thread(poll)
            except Exception as error:  # noqa: BLE001 - a monitor that ends leaves phones with stale answers
                wait = backoff.next()
                self._report_failure(error, wait)
            else:
                backoff.reset()
                poll, wait = self._poll, interval
            await self._pause.wait(wait)

    def look_soon(self) -> None:
        """Has the monitor look now, because another program knows of a change; call it on the monitor's loop."""
        self._pause.end()

    def _poll(self) -> None:
        if (self._store.changed() or self._compare_all) and not self.refresh() and not self._token:
            self._unverified = True  # a commit that counts no change, or a restored database with the same number
        self._known_at = max(self._known_at, self._store.known_at())
        if self._unverified:
            self.verify()

    def _went_down(self, error: BaseException) -> None:
        self._problem = str(error) if isinstance(error, StoreError) else repr(error)
        self._db_up, self._was_down, self._compare_all = False, True, True

    def _came_back(self) -> None:
        if self._was_down:
            self._reconnects += 1
            self._emit("reconnected", reconnects=self._reconnects)
        self._db_up, self._was_down, self._problem = True, False, ""

    # -- reporting

    def _emit(self, event: str, **fields: Any) -> None:
        if self._on_event is not None:
            with suppress(Exception):  # a callback that fails must not stop the refresh
                self._on_event(event, fields)

    def _bad_row(self, row: BadRow) -> None:
        self._bad_rows += 1
        if self._bad_rows <= MAX_BAD_ROWS_REPORTED:
            self._emit("bad_row", identity=row.identity, reason=row.reason)

    def _report_refreshed(self, changes: Changes | None, seconds: float) -> None:
        self._emit(
            "refreshed",
            certificates=len(self),
            generation=self.generation,
            full=changes is None,
            changed=0 if changes is None else len(changes.changed),
            removed=0 if changes is None else len(changes.removed),
            bad_rows=self._bad_rows,
            seconds=seconds,
        )

    def _report_failure(self, error: Exception, retry_in: float) -> None:
        self._went_down(error)
        self._emit("refresh_failed", reason=self._problem, retry_in=retry_in)
