"""Work queue of a worker: how long the sockets that are ready now will take, as measured.

A worker has one processor. Beyond its capacity the ready sockets become more from turn to turn, and each phone waits
for those before it. How long, is their number times what one of them took lately: on a faster machine, or with a
cheaper key, more of them may wait.
"""

from __future__ import annotations

from typing import Final

TURNS_OF_A_PHONE: Final = 4.0
"""Times that a phone's socket becomes ready, at most: two flights of the handshake, the request, the end. A phone that
asks again on an open connection is work too, but not for whoever let it in."""
FEW: Final = 16
"""Ready sockets behind which no phone waits long, whatever one of them takes."""
_REMEMBERED: Final = 256
"""Served sockets that the measured cost is about: less than a second of work."""
_AT_FIRST: Final = (64.0, 16.0, 0.02)
"""Sockets, those of them that were new, and seconds, as they are supposed at the start: the first turns alone, slow
ones, say little."""
_LONGEST: Final = 0.1
"""Seconds of one turn that count, at most: a process that was stopped for a while has learned nothing about phones."""


class WorkQueue:
    """Ready sockets that wait for the worker, and the time that they will take.

    A phone that has begun is served before one that has not. So who comes now waits until all before it have had all
    their turns: as many as phones took lately, which is one if strangers connect and leave.

    Attributes:
        begun: ready sockets that were served before.
        new: the others, and the phones that were let in behind them.
    """

    __slots__ = ("_ended", "_new", "_seconds", "_served", "begun", "new")

    def __init__(self) -> None:
        self.begun = self.new = 0
        self._ended = 0.0
        self._served, self._new, self._seconds = _AT_FIRST

    @property
    def waiting(self) -> int:
        """Ready sockets, and phones that were let in behind them."""
        return self.begun + self.new

    @property
    def cost(self) -> float:
        """Seconds that a turn of a socket took lately."""
        return self._seconds / self._served

    @property
    def cost_of_phone(self) -> float:
        """Seconds that a phone takes from its first turn to its last."""
        return self._seconds / max(self._new, self._served / TURNS_OF_A_PHONE)

    @property
    def delay(self) -> float:
        """Seconds until a phone that comes now is served."""
        return self.begun * self.cost + self.new * self.cost_of_phone

    @property
    def long_delay(self) -> float:
        """The delay, if more than a few wait; else 0. On a slow or busy machine a few phones alone may take a while."""
        return self.delay if self.waiting > FEW else 0.0

    def joined(self) -> None:
        """Notes a phone that was let in. With nobody before it, it waits for nothing."""
        if self.waiting:
            self.new += 1

    def found(self, begun: int, new: int) -> None:
        """Notes the ready sockets that wait.

        Args:
            begun: those of phones that were served before.
            new: the others.
        """
        self.begun, self.new = begun, new

    def served(self, sockets: int, new: int, started: float, ended: float) -> None:
        """Notes one turn of the worker.

        Args:
            sockets: ready sockets that were served in it.
            new: those of them whose first turn it was.
            started, ended: monotonic seconds.
        """
        if self.waiting:  # the worker was busy since the last turn too: new connections, the log, timers
            started = self._ended
        self._seconds += min(ended - started, _LONGEST)
        self._served += sockets
        self._new += new
        if self._served > _REMEMBERED:
            kept = _REMEMBERED / self._served
            self._seconds *= kept
            self._new *= kept
            self._served = _REMEMBERED
        self._ended = ended
