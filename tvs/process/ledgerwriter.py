"""The writer of the record of phones: a thread of the observer, which writes once a second what was seen."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from certstore.backoff import Backoff

if TYPE_CHECKING:
    from tvs.fleet.ledger import Ledger
    from tvs.system.board import Board

WRITE: Final = 1.0
"""Seconds between two batches."""
END: Final = 2.0
"""Seconds that the last batch may take, at the end of the service: a database can be silent for longer."""


class LedgerWriter:
    """The thread.

    Args:
        ledger: what was seen.
        board: memory that the supervisor and the admin process read.
    """

    def __init__(self, ledger: Ledger, board: Board) -> None:
        self._ledger = ledger
        self._board = board
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    @property
    def runs(self) -> bool:
        """Whether the thread runs; it ends by itself only if it fails."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Has the rest written, and waits for that, but not for ever."""
        self._ended.set()
        self._thread.join(END)

    def _run(self) -> None:
        self._publish()
        backoff, pause = Backoff(), 0.0
        while not self._ended.wait(pause):
            if self._turn():
                backoff.reset()
                pause = WRITE
            else:
                pause = backoff.next()
        self._turn()

    def _turn(self) -> bool:
        written = self._ledger.write(time.monotonic(), time.time())
        self._publish()
        return written

    def _publish(self) -> None:
        self._board.write(self._ledger.status.to_json())
