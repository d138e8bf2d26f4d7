"""The observer: a process that sums up what the workers see of phones, for `/status.json`.

The supervisor forks it. It reads the workers' batches, and publishes the sums on a board that the admin process reads.
No phone and no worker waits for it: while it is gone, the last batches wait in the sockets, and the rest is dropped.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Final

from tvs.fleet.batches import decoded
from tvs.fleet.tally import Tally
from tvs.system.signals import end_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Sequence

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
NICE: Final = 10
"""Niceness beyond that of the workers, who need the processor more."""


def run_observer(receivers: Sequence[FunnelReceiver], board: Board, heartbeat: Heartbeat) -> int:
    """Sums up until SIGTERM. Returns the exit status.

    Args:
        receivers: what the workers send arrives here.
        board: memory that the admin process reads; this process alone writes to it.
        heartbeat: the supervisor replaces a process that gives no sign of life.
    """
    end_on_sigterm()
    with contextlib.suppress(OSError):
        os.nice(NICE)
    observer = Observer(receivers, board, time.time())
    while True:
        observer.turn(time.monotonic(), time.time())
        heartbeat.beat()


class Observer:
    """The observer's loop.

    Args:
        receivers, board: as of `run_observer`.
        now: the time of day, seconds since 1970.
    """

    def __init__(self, receivers: Sequence[FunnelReceiver], board: Board, now: float) -> None:
        self._tally = Tally(now)
        self._board = board
        self._published = -PUBLISH_IDLE
        self._changed = False
        self._pause = PUBLISH
        self._poll = select.poll()
        self._receivers = {receiver.fileno(): receiver for receiver in receivers}
        for descriptor in self._receivers:
            self._poll.register(descriptor, select.POLLIN)

    def turn(self, monotonic: float, now: float) -> None:
        """Waits for batches, a moment at most, takes them, and publishes what is due.

        Args:
            monotonic: monotonic seconds.
            now: the time of day, seconds since 1970.
        """
        for descriptor, _ in self._poll.poll(PUBLISH * 1000):
            self._take(descriptor, now)
        if monotonic - self._published >= (self._pause if self._changed else PUBLISH_IDLE):
            began = time.thread_time()
            self._board.write(self._tally.observed(now).to_json())
            self._pause = min(PUBLISH_IDLE, max(PUBLISH, SHARE * (time.thread_time() - began)))
            self._published, self._changed = monotonic, False

    def _take(self, descriptor: int, now: float) -> None:
        receiver = self._receivers[descriptor]
        for message in receiver.messages():
            if not message:  # this worker's socket was shut down: it would be ready again and again
                self._poll.unregister(descriptor)
                return
            self._tally.take(decoded(message, now), receiver.number, now)
            self._changed = True
