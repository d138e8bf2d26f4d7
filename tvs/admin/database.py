"""What the admin process shows of the database, read by a thread of its own: no request waits long for a database.

A server that is silent holds who asks it for seconds, a name server for minutes; Prometheus waits for ten. A request
has the thread look once more, and waits a moment for that; a database that answers does so in a hundredth of it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from certstore.errors import StoreError, StoreUnavailable
from tvs.admin.lists import signers_trusted
from tvs.cluster.membership import node_of
from tvs.errors import NotInCluster, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from certstore.store import CertificateStore, StoreEntry
    from tvs.state import StateDirectory

LOOK: Final = 1.0
"""Seconds between two looks, each of which is one question."""
READ: Final = 10.0
"""Seconds after which all is read without a change: a restored database can have the same number."""
KEPT: Final = 60.0
"""Seconds for which the last values count while the database cannot be read: it may be starting again."""
ANSWER: Final = 0.25
"""Seconds for which a request waits for a look."""
CLOSE_PATIENCE: Final = 1.0
"""Seconds for which the end of the process waits for a read."""


class DatabaseFacts(NamedTuple):
    """What the database shows at one moment.

    Attributes:
        own: the own certificates of all nodes.
        signers: whether the signer of each list is trusted, by the file's name, see `signers_trusted`.
        ends: `CertificateStore.trusted_ends`.
        in_cluster: whether the directory is that of a node of the cluster; None if that cannot be said.
    """

    own: Sequence[StoreEntry]
    signers: Mapping[str, bool]
    ends: Sequence[int]
    in_cluster: bool | None


class DatabaseReader:
    """Reads the facts again and again. One thread calls `watch` or `look`; any may ask for `facts`.

    Args:
        state: the state directory.
        clock: monotonic seconds.
    """

    def __init__(self, state: StateDirectory, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._store: CertificateStore | None = None
        self._clock = clock
        self._turning = threading.Lock()
        self._asking = threading.Condition()
        self._asked = self._answered = 0
        self._looking_since: float | None = None
        self._watching = False
        self._looked = threading.Event()
        self._closed = False
        self._facts: DatabaseFacts | None = None
        self._known_at = 0.0
        self._read_at = 0.0
        self._seen: tuple[object, ...] = ()
        self._ends: tuple[object, Sequence[int]] = (None, ())

    @property
    def facts(self) -> DatabaseFacts | None:
        """As last read; None before, and when the database could not be read for longer than `KEPT`."""
        self._ask()
        return self._facts if self._clock() - self._known_at <= KEPT else None

    def wait(self, seconds: float) -> None:
        """Waits for the end of the first look, at most so long."""
        self._looked.wait(seconds)

    def watch(self) -> None:
        """Looks again and again, for ever; for a thread of its own."""
        self._watching = True
        while not self._closed:
            with self._asking:
                asked, self._looking_since = self._asked, self._clock()
            with contextlib.suppress(Exception):  # the machine is short of something; the next look may succeed
                self.look()
            with self._asking:
                self._answered, self._looking_since = asked, None
                self._asking.notify_all()
                self._asking.wait_for(lambda: self._asked > self._answered, LOOK)

    def _ask(self) -> None:
        """Has the thread look, and waits until it has, but not for long; not at all for a look that hangs."""
        with self._asking:
            since = self._looking_since
            if not self._watching or (since is not None and self._clock() - since > ANSWER):
                return
            self._asked += 1
            mine = self._asked
            self._asking.notify_all()
            self._asking.wait_for(lambda: self._answered >= mine, ANSWER)

    def look(self) -> None:
        """Reads what may have changed. Blocking."""
        with self._turning:
            if self._closed:
                return
            try:
                self._look(self._clock())
            except (StateError, StoreError):
                self._seen = ()  # all is read again
            finally:
                self._looked.set()

    def _look(self, now: float) -> None:
        store = self._store = self._store or self._state.lazy_store()
        seen = (store.position(), *map(_stamp, (self._state.ctl_file, self._state.itl_file)))
        if seen != self._seen or now - self._read_at >= READ:
            ends = self._trusted_ends(store)
            own = store.entries(own=True)
            signers = signers_trusted(self._state, store)
            self._facts = DatabaseFacts(own, signers, ends, _is_node(self._state, store, own))
            self._seen, self._read_at = seen, now
        self._known_at = now

    def _trusted_ends(self, store: CertificateStore) -> Sequence[int]:
        """There can be many: they are read after a change only."""
        known, ends = self._ends
        identity, number = store.identity(), store.change_number()
        if identity is None:
            raise StoreUnavailable("the file was replaced; the next look opens the other one")
        if known != (identity, number):
            ends = store.trusted_ends()
            self._ends = (identity, number), ends
        return ends

    def close(self) -> None:
        """Closes the database, unless a read holds it for too long."""
        self._closed = True
        if self._turning.acquire(timeout=CLOSE_PATIENCE):
            if self._store is not None:
                self._store.close()
            self._turning.release()


def _is_node(state: StateDirectory, store: CertificateStore, own: Sequence[StoreEntry]) -> bool | None:
    try:
        node_of(state, store.nodes(), own)
    except NotInCluster:
        return False
    except StateError:
        return None
    return True


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes with a file; None without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
