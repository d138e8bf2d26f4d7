"""The list taker: puts the trust lists of another node's change in place, and publishes them. A thread of the follower.

It publishes at its start, too: the follower before it, or a command that was killed, may not have come to that.

A command may hold the lock of the state directory meanwhile: this thread waits for it, and nothing else of the follower
does. Root works with the rights of the directory's owner while the lock is held, and publishes with those of each
directory's owner: in this thread, no other one (`tvs.system.rights`).
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from certstore.backoff import Backoff
from certstore.errors import StoreError
from tvs.cluster.publishing import destinations, publish_lists
from tvs.cluster.replication import apply_lists
from tvs.config.loading import ConfigError
from tvs.errors import StateBusy, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tvs.cluster.applied import Applied
    from tvs.cluster.replication import Taken
    from tvs.process.slots import ReportEvent
    from tvs.state import StateDirectory

FIRST_RETRY: Final = 0.25
LAST_RETRY: Final = 60.0
"""Seconds until the next attempt after one that failed: doubled from the first value to the last."""
BUSY_RETRY: Final = 1.0
"""Seconds until the next attempt to get the lock that a command holds, maybe while it waits for a PIN."""
_CLOSED: Final = (
    "the service's user may not look into it, so that only commands that root runs publish there; "
    "after another node's change run as root: tvs publish"
)


class ListTaker:
    """Takes lists when the reporter wants it. Run `run` in a thread of its own.

    Args:
        state: the state directory.
        store: its database.
        event: takes events for the log.
        taken: called when files were replaced, to have the workers look.

    Attributes:
        refused: sentences about lists of the database that phones would refuse.
        published: whether the lists were copied to all directories of the setting ``publish`` since they were replaced,
            as far as this thread replaced them, and since the start.
        retry: seconds until the next attempt; None if there is nothing to retry.
        busy_since: when the attempt that is under way began, monotonic seconds; None without one.
    """

    def __init__(
        self, state: StateDirectory, store: CertificateStore, event: ReportEvent, taken: Callable[[], None]
    ) -> None:
        self._state = state
        self._store = store
        self._event = event
        self._taken = taken
        self._wanted = threading.Event()
        self._last: tuple[int, Applied] | None = None
        self._backoff = Backoff(FIRST_RETRY, LAST_RETRY)
        self.published = False
        self._closed: set[Path] = set()  # directories that were named since the lists were replaced
        self._problem = ""
        self._busy = ""
        self.refused: tuple[str, ...] = ()
        self.retry: float | None = None
        self.busy_since: float | None = None

    @property
    def problem(self) -> str:
        """Why lists could not be written or published, or not yet; empty if nothing is to do."""
        return self._problem or self._busy

    def want(self, generation: int, applied: Applied) -> None:
        """The database has another generation than the files, or lists that are not in place.

        Each such situation is tried once, and again only after a failure that can pass.

        Args:
            generation: number of the current generation.
            applied: which lists are in place.
        """
        if self._last != (generation, applied):
            self._last = (generation, applied)
            self._wanted.set()

    def run(self) -> None:
        """Publishes what a predecessor or a killed command has not, then takes what is wanted, for ever."""
        self.publish()
        while True:
            self._wanted.wait(self.retry)
            self._wanted.clear()
            if self._last is None:
                self.publish()
            else:
                self.take()

    def take(self) -> bool:
        """Takes the lists of the database, and publishes them. Blocking. Returns whether there is nothing to retry."""
        with self._attempt():
            try:
                with self._state.lock():
                    self._busy = ""
                    self.published = False  # before lists are replaced: the reporter looks meanwhile
                    self._report(apply_lists(self._state, self._store))
                    self._publish()
            except StateBusy as error:
                self._busy = str(error)
                raise
        return self.retry is None

    def publish(self) -> bool:
        """Publishes the lists that are in place, if they differ. Blocking. Returns whether there is nothing to retry.

        Without a directory to publish into, the lock is not taken. A command that holds it publishes itself: that is
        no problem.
        """
        with self._attempt():
            if destinations(self._state).directories:
                with self._state.lock():
                    self._publish()
            else:
                self.published = True
        return self.retry is None

    @contextmanager
    def _attempt(self) -> Iterator[None]:
        """Catches what can pass, and notes when the next attempt is due."""
        self.busy_since = time.monotonic()
        try:
            yield
        except StateBusy:
            self.retry = BUSY_RETRY
        except StoreError:  # the reporter says so
            self.retry = self._backoff.next()
        except (StateError, ConfigError) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._event("error", "lists_not_taken", problem=self._problem)
            self.retry = self._backoff.next()
        else:
            self._backoff.reset()
            self._problem, self.retry = "", None
        finally:
            self.busy_since = None

    def _report(self, taken: Taken) -> None:
        if taken.written or taken.deleted:
            self._event(
                "info",
                "lists_taken",
                generation=taken.generation,
                written=list(taken.written),
                deleted=list(taken.deleted),
            )
            self._closed.clear()
            self._taken()
        for sentence in taken.refused:
            if sentence not in self.refused:
                self._event("error", "list_refused", problem=sentence)
        self.refused = taken.refused

    def _publish(self) -> None:
        """Copies the lists, unless that was done since they were replaced. Raises `StateError` and `ConfigError`."""
        if self.published:
            return
        to = destinations(self._state)
        if to.directories:
            publish_lists(self._state, to, self._left_to_root)
        self.published = True

    def _left_to_root(self, directory: Path) -> None:
        """Says, once while the lists stay the same, that it is not known whether a directory has them."""
        if directory not in self._closed:
            self._closed.add(directory)
            self._event("warning", "publication_left_to_root", directory=str(directory), reason=_CLOSED)
