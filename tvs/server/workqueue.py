"""Work queue of a worker: how long the sockets that are ready now will take, as measured.

A worker has one processor. Beyond its capacity the ready sockets become more from turn to turn, and each phone waits
for those before it. How long, is their number times what one of them took lately: on a faster machine, or with a
cheaper key, more of them may wait.
"""

from __future__ import annotations

from typing import Final

TURNS_OF_A_PHONE: Final = 4
"""Times that a phone's socket becomes ready: two flights of the handshake, the request, the end."""
_REMEMBERED: Final = 256
"""Served sockets that the measured cost is about: less than a second of work."""
_AT_FIRST: Final = (64, 0.02)
"""Sockets and seconds of the cost that is supposed at the start: the first turns alone, slow ones, say little."""
_LONGEST: Final = 0.1
"""Seconds of one turn that count, at most: a process that was stopped for a while has learned nothing about phones."""


class WorkQueue:
    """Ready sockets that wait for the worker, and the time that they will take.

    A phone that has begun is served before one that has not. So who comes now waits until all before it have had all
    their turns.

    Attributes:
        waiting: turns that the ready sockets will take, and the phones that were let in behind them.
    """

    __slots__ = ("_ended", "_seconds", "_served", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self._ended = 0.0
        self._served, self._seconds = _AT_FIRST

    @property
    def cost(self) -> float:
        """Seconds that a turn of a socket took lately."""
        return self._seconds / self._served

    @property
    def cost_of_phone(self) -> float:
        """Seconds that a phone takes from its first turn to its last."""
        return self.cost * TURNS_OF_A_PHONE

    @property
    def delay(self) -> float:
        """Seconds until a phone that comes now is served."""
        return self.waiting * self.cost

    def joined(self) -> None:
        """Notes a phone that was let in. With nobody before it, it waits for nothing."""
        if self.waiting:
            self.waiting += TURNS_OF_A_PHONE

    def found(self, begun: int, new: int) -> None:
        """Notes the ready sockets that wait.

        Args:
            begun: those of phones that were served before.
            new: the others.
        """
        self.waiting = begun + new * TURNS_OF_A_PHONE

    def served(self, sockets: int, started: float, ended: float) -> None:
        """Notes one turn of the worker.

        Args:
            sockets: ready sockets that were served in it.
            started, ended: monotonic seconds.
        """
        if self.waiting:  # the worker was busy since the last turn too: new connections, the log, timers
            started = self._ended
        self._seconds += min(ended - started, _LONGEST)
        self._served += sockets
        if self._served > _REMEMBERED:
            self._seconds *= _REMEMBERED / self._served
            self._served = _REMEMBERED
        self._ended = ended
