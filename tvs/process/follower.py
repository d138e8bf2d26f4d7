"""The follower: a process that follows the database beside the workers.

Four threads, of which none waits for another one: one keeps the last good copy of the database, one reports what this
node serves (`tvs.process.reporter`), one takes trust lists that other nodes have made (`tvs.process.listtaker`), one
reads the settings on the disk (`tvs.process.unloaded`). The supervisor forks the process, with the certificates that it
has read. No phone and no worker waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from certstore.cache import CertificateDBCache
from certstore.errors import StoreError
from tvs.answers.lastgood import LastGood, same_as_written, still_good, write_last_good
from tvs.answers.seed import SECURITY_MODE
from tvs.errors import StateError
from tvs.process.listtaker import ListTaker
from tvs.process.reporter import Reporter
from tvs.server.credentials import own_certificates
from tvs.state import StateDirectory
from tvs.system.limits import shortage
from tvs.system.signals import end_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.store import CertificateStore
    from tvs.answers.seed import Seed
    from tvs.process.followersetup import FollowerSetup

TURN: Final = 0.5
"""Seconds between two looks at the certificates that the database's monitor has read."""
SETTLED: Final = 2.0
"""Seconds between two copies, at least."""
SHARE: Final = 20
"""The same as a multiple of the time that the last copy took: 100,000 certificates take one second and 100 MB."""
STILL_GOOD: Final = 30.0
"""Seconds between two comparisons of an unchanged copy: that it is what the database has is noted then."""
STUCK: Final = 300.0
"""Seconds that one piece of a thread's work may take before it counts as hanging: a slow disk, a silent name server."""
NICE: Final = 10
"""Niceness beyond that of the workers, who need the processor more."""


def run_follower(setup: FollowerSetup) -> int:
    """Follows the database until SIGTERM. Returns the exit status."""
    end_on_sigterm()  # what is half written is removed later
    with contextlib.suppress(OSError):
        os.nice(NICE)
    gc.freeze()  # what the supervisor has read stays: the collector would write to memory that is shared
    state = StateDirectory.of(setup.config)
    with ExitStack() as stack:  # the last one to close a store takes SQLite's files beside it away
        copied, reported = [stack.enter_context(contextlib.closing(state.lazy_store())) for _ in range(2)]
        keeper = Keeper(state, copied, setup.seed, setup.config.time_to_live, setup.copy_failed)
        taker = ListTaker(state, reported, setup.event, setup.nudge.all)
        reporter = Reporter(state, reported, setup, taker, time.monotonic())
        stack.callback(reporter.stop)
        works = {"copy": lambda: asyncio.run(_monitor(keeper)), "report": reporter.run, "lists": taker.run}
        works["settings"] = reporter.unloaded.watch
        threads = [
            threading.Thread(target=_work, args=[work, setup], name=name, daemon=True) for name, work in works.items()
        ]
        for thread in threads:
            thread.start()
        while all(thread.is_alive() for thread in threads):  # one ends by failing only: another process begins anew
            if not _is_stuck(time.monotonic(), keeper.busy_since, reporter.busy_since, taker.busy_since):
                setup.heartbeat.beat()
            time.sleep(TURN)
    return 1


def _is_stuck(now: float, *begun: float | None) -> bool:
    """Whether a thread is at one thing for so long that it hangs. `begun`: when each began what it does now."""
    return any(since is not None and now - since > STUCK for since in begun)


def _work(work: Callable[[], None], setup: FollowerSetup) -> None:
    """Runs until it fails. A thread of its own: SIGTERM ends the process while it waits for a disk."""
    try:
        work()
    except Exception as error:
        if (reason := shortage(error)) is None:
            raise
        setup.copy_failed(reason)


async def _monitor(keeper: Keeper) -> None:
    watching = asyncio.create_task(keeper.cache.monitor())
    try:
        await keeper.run()
    finally:
        watching.cancel()


class Keeper:
    """Keeps the copy in step with the database.

    Args:
        state: the state directory.
        store: its database, which may be out of reach.
        seed: certificates to begin with.
        time_to_live: seconds, for certificates without one of their own.
        on_problem: called with a sentence when the copy cannot be kept, once for each kind.

    Attributes:
        cache: the database's certificates; run its monitor.
        busy_since: when the copy that is under way began, monotonic seconds; None without one.
    """

    def __init__(
        self,
        state: StateDirectory,
        store: CertificateStore,
        seed: Seed,
        time_to_live: int,
        on_problem: Callable[[str], None],
    ) -> None:
        self._state = state
        self._store = store
        self._time_to_live = time_to_live
        self._on_problem = on_problem
        self._problem = ""
        self._number: int | None = None  # the change that the copy has
        self._verified = False  # whether the whole file was read once: later only its header is
        self._next = self._compare = 0.0
        self.busy_since: float | None = None
        self.cache = CertificateDBCache(store, default_time_to_live=time_to_live, may_be_empty=False)
        if seed.time_to_live == time_to_live:
            self.cache.adopt(seed.index, seed.change_number, token=seed.token, same_database=False)

    async def run(self) -> None:
        """Copies after each change, but not too often, until cancelled."""
        while True:
            if self.cache.db_up and self._is_due(time.monotonic()):
                with contextlib.suppress(RuntimeError, MemoryError):  # no thread can be had for a moment
                    await asyncio.to_thread(self.keep)
            await asyncio.sleep(TURN)

    def _is_due(self, now: float) -> bool:
        return now >= self._next and (self.cache.change_number != self._number or now >= self._compare)

    def keep(self) -> None:
        """Brings the copy up to date. Blocking. What cannot be done now is done by a later call."""
        began = self.busy_since = time.monotonic()
        try:
            copy = self._read()
            if copy is None:
                return
            self._write(copy)
        except (StateError, StoreError, OSError, MemoryError) as error:  # damage that the workers have not met, say
            self._failed(shortage(error) or str(error))
        else:
            self._number, self._problem = copy.change_number, ""
        finally:
            self.busy_since = None
        ended = time.monotonic()
        self._next, self._compare = ended + max(SETTLED, SHARE * (ended - began)), ended + STILL_GOOD

    def _read(self) -> LastGood | None:
        """What is to be copied; None if the database changed meanwhile."""
        number, token, index = self.cache.change_number, self.cache.token, self.cache.index
        certificate, expiry = own_certificates(self._state, self._store)
        security_mode, database = self._store.parameter(SECURITY_MODE), self._store.identity()
        if self._store.change_number() != number:
            return None
        return LastGood(
            index=index,
            change_number=number,
            token=token,
            database=database,
            time_to_live=self._time_to_live,
            security_mode=security_mode,
            certificate=certificate,
            expiry=expiry,
        )

    def _write(self, copy: LastGood) -> None:
        if same_as_written(self._state, copy, whole=not self._verified):
            still_good(self._state)
        else:
            write_last_good(self._state, copy)
        self._verified = True

    def _failed(self, sentence: str) -> None:
        if sentence != self._problem:
            self._problem = sentence
            self._on_problem(sentence)
