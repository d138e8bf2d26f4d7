"""The list taker: puts the trust lists of another node's change in place, and publishes them. A thread of the follower.

A command may hold the lock of the state directory meanwhile: this thread waits for it, and nothing else of the follower
does. Root works with the rights of the directory's owner while the lock is held. Those are the rights of all threads of
the process, which touch nothing but the state directory either: no other thread changes them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from certstore.backoff import Backoff
from certstore.errors import StoreError
from tvs.cluster.publishing import destinations, publish_lists
from tvs.cluster.replication import apply_lists
from tvs.config.loading import ConfigError
from tvs.errors import StateBusy, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.store import CertificateStore
    from tvs.cluster.applied import Applied
    from tvs.cluster.replication import Taken
    from tvs.process.slots import ReportEvent
    from tvs.state import StateDirectory

FIRST_RETRY: Final = 0.25
LAST_RETRY: Final = 60.0
"""Seconds until the next attempt after one that failed: doubled from the first value to the last."""


class ListTaker:
    """Takes lists when the reporter wants it. Run `run` in a thread of its own.

    Args:
        state: the state directory.
        store: its database.
        event: takes events for the log.
        taken: called when files were replaced, to have the workers look.

    Attributes:
        refused: sentences about lists of the database that phones would refuse.
        problem: why lists could not be written or published; empty if they could.
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
        self._retry: float | None = None
        self._unpublished: set[str] = set()
        self.refused: tuple[str, ...] = ()
        self.problem = ""

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
        """Takes what is wanted, for ever."""
        while True:
            self._wanted.wait(self._retry)
            self._wanted.clear()
            self._retry = None if self.take() else self._backoff.next()

    def take(self) -> bool:
        """Takes the lists of the database, and publishes them. Blocking. Returns whether there is nothing to retry."""
        try:
            with self._state.lock():
                taken = apply_lists(self._state, self._store)
                self._report(taken)
                self._publish()
        except StateBusy:  # its command takes the lists itself
            return False
        except StoreError:  # the reporter says so
            return False
        except (StateError, ConfigError) as error:
            if str(error) != self.problem:
                self.problem = str(error)
                self._event("error", "lists_not_taken", problem=self.problem)
            return False
        self._backoff.reset()
        self.problem = ""
        return True

    def _report(self, taken: Taken) -> None:
        if taken.written or taken.deleted:
            self._event(
                "info",
                "lists_taken",
                generation=taken.generation,
                written=list(taken.written),
                deleted=list(taken.deleted),
            )
            self._unpublished.update(taken.written, taken.deleted)
            self._taken()
        for sentence in taken.refused:
            if sentence not in self.refused:
                self._event("error", "list_refused", problem=sentence)
        self.refused = taken.refused

    def _publish(self) -> None:
        """Copies lists that were replaced since they were last published. Raises `StateError` and `ConfigError`."""
        if not self._unpublished:
            return
        to = destinations(self._state)
        if to.directories:
            publish_lists(self._state, to)
        self._unpublished.clear()
