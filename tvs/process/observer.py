"""The observer: a process that sums up what the workers see of phones, for `/status.json`.

The supervisor forks it. It reads the workers' batches, and publishes the sums on a board that the admin process reads;
a thread records each phone in the database (`tvs.fleet.ledger`). No phone and no worker waits for it: while it is gone,
the last batches wait in the sockets, and the rest is dropped.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tvs.cluster.membership import own_node
from tvs.fleet.batches import decoded
from tvs.fleet.ledger import Ledger
from tvs.fleet.tally import Tally
from tvs.process.ledgerwriter import LedgerWriter
from tvs.state import StateDirectory
from tvs.system.signals import EndAtWait

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tvs.config.settings import Config
    from tvs.system.board import Board
    from tvs.system.funnel import FunnelReceiver
    from tvs.system.heartbeat import Heartbeat

BOARD_SIZE: Final = 4 * 1024 * 1024
"""Bytes of the observer's board: some 150 KB are usual; 3.9 MB if strangers send names of 200 rare characters only."""
PUBLISH: Final = 0.5
"""Seconds between two publications while batches come."""
SHARE: Final = 500
"""Seconds between two publications, at least, as a multiple of the time that one takes: full lists take 4 ms."""
PUBLISH_IDLE: Final = 5.0
"""The same while none come: the rates go on."""
MOST_REST: Final = 64
"""Times that some batches of each worker are taken at the end: more than the kernel holds for the observer."""
NICE: Final = 10
"""Niceness beyond that of the workers, who need the processor more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverSetup:
    """Everything that an observer starts with.

    Attributes:
        config: all settings.
        receivers: what the workers send arrives here.
        board: memory that the admin process reads; this process alone writes to it.
        fleet: likewise, for the status of the record of phones.
        heartbeat: the supervisor replaces a process that gives no sign of life.
    """

    config: Config
    receivers: Sequence[FunnelReceiver]
    board: Board
    fleet: Board
    heartbeat: Heartbeat


def run_observer(setup: ObserverSetup) -> int:
    """Sums up until SIGTERM. Returns the exit status."""
    end = EndAtWait()
    with contextlib.suppress(OSError):
        os.nice(NICE)
    if not setup.config.fleet:
        setup.fleet.clear()
        _observe(setup, end, None, lambda: True)
        return 1
    state = StateDirectory.of(setup.config)
    with contextlib.closing(state.lazy_store()) as store:
        ledger = Ledger(store, lambda: own_node(state, store).name, setup.config.fleet_days)
        writer = LedgerWriter(ledger, setup.fleet)
        writer.start()
        try:
            _observe(setup, end, ledger, lambda: writer.runs)
        finally:
            writer.stop()
    return 1


def _observe(setup: ObserverSetup, end: EndAtWait, ledger: Ledger | None, goes_on: Callable[[], bool]) -> None:
    """Sums up while that is said to go on; at the end what has arrived is taken, for the record."""
    observer = Observer(setup.receivers, setup.board, time.time(), ledger)
    try:
        while goes_on():
            with end.waiting():
                observer.wait()
            observer.turn(time.monotonic(), time.time())
            setup.heartbeat.beat()
    finally:
        observer.take_rest(time.time())


class Observer:
    """The observer's loop.

    Args:
        receivers, board: as of `ObserverSetup`.
        now: the time of day, seconds since 1970.
        ledger: records the phones; None: nobody does.
    """

    def __init__(
        self, receivers: Sequence[FunnelReceiver], board: Board, now: float, ledger: Ledger | None = None
    ) -> None:
        self._tally = Tally(now)
        self._ledger = ledger
        self._board = board
        self._published = -PUBLISH_IDLE
        self._changed = False
        self._pause = PUBLISH
        self._poll = select.poll()
        self._receivers = {receiver.fileno(): receiver for receiver in receivers}
        for descriptor in self._receivers:
            self._poll.register(descriptor, select.POLLIN)

    def wait(self) -> None:
        """Waits for batches, a moment at most."""
        self._poll.poll(PUBLISH * 1000)

    def turn(self, monotonic: float, now: float) -> None:
        """Takes the batches that have come, and publishes what is due.

        Args:
            monotonic: monotonic seconds.
            now: the time of day, seconds since 1970.
        """
        for descriptor, _ in self._poll.poll(0):
            self._take(descriptor, now)
        if monotonic - self._published >= (self._pause if self._changed else PUBLISH_IDLE):
            began = time.thread_time()
            self._board.write(self._tally.observed(now).to_json())
            self._pause = min(PUBLISH_IDLE, max(PUBLISH, SHARE * (time.thread_time() - began)))
            self._published, self._changed = monotonic, False

    def take_rest(self, now: float) -> None:
        """Takes all that has arrived, without waiting. What arrives meanwhile has no end while the workers run."""
        for _ in range(MOST_REST):
            ready = self._poll.poll(0)
            if not ready:
                return
            for descriptor, _ in ready:
                self._take(descriptor, now)

    def _take(self, descriptor: int, now: float) -> None:
        receiver = self._receivers[descriptor]
        for message in receiver.messages():
            if not message:  # this worker's socket was shut down: it would be ready again and again
                self._poll.unregister(descriptor)
                return
            batch = decoded(message, now)
            self._tally.take(batch, receiver.number, now)
            if self._ledger is not None:
                self._ledger.take(batch)
            self._changed = True
