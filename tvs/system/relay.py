"""Relay: accepted sockets handed from a busy process to an idle sibling, and what each sibling says of its queue.

The kernel spreads connections over the listening sockets of a port without looking at who is busy. A process that is
full hands a connection to the sibling that would serve it soonest.
"""

from __future__ import annotations

import mmap
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FRESH: Final = 1.0
"""Seconds for which a sibling's word counts: one that is dead or stands still gets nothing more."""
_WORD: Final = struct.Struct("=dd")
"""Seconds of the queue, and the monotonic time at which they were said; 0: never."""
_AT_ONCE: Final = 64
"""Connections that are taken from the siblings in one go."""


class Relay:
    """Channels and memory for a number of processes, made before they are forked.

    Args:
        processes: how many there will be at a time, numbered from 0.

    A connection that was handed to a process that dies before it takes it waits for the next one of that number.
    """

    def __init__(self, processes: int) -> None:
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(processes)]
        self._memory = mmap.mmap(-1, processes * _WORD.size)
        for pair in self._pairs:
            for end in pair:
                end.setblocking(False)

    def close(self, *, keep: int | None = None) -> None:
        """Closes the sockets; `keep`: except for those that the process of this number needs."""
        for number, (receiving, sending) in enumerate(self._pairs):
            if keep is None or number == keep:
                sending.close()
            if number != keep:
                receiving.close()

    def end(self, number: int) -> RelayEnd:
        """The end of the process of this number, which calls this after its fork."""
        others = {other: sending for other, (_, sending) in enumerate(self._pairs) if other != number}
        return RelayEnd(number, self._pairs[number][0], others, self._memory)


@dataclass(slots=True)
class Sibling:
    """Another process.

    Attributes:
        delay: seconds of its queue.
        number: its number.
    """

    delay: float
    number: int


class RelayEnd:
    """One process's end of the relay.

    Args:
        number: the process's number.
        receiving: what siblings hand over arrives here.
        others: sockets to the siblings, by number.
        memory: what each process says of its queue.

    Words are read while they are written: one that is torn hands a connection to the wrong sibling, no more.
    """

    def __init__(
        self, number: int, receiving: socket.socket, others: dict[int, socket.socket], memory: mmap.mmap
    ) -> None:
        self._number = number
        self._receiving = receiving
        self._others = others
        self._memory = memory

    def fileno(self) -> int:
        """The descriptor that is readable when a sibling has handed something over."""
        return self._receiving.fileno()

    def say(self, delay: float, now: float) -> None:
        """Says how long a connection would wait here, in seconds; `now`: monotonic seconds."""
        _WORD.pack_into(self._memory, self._number * _WORD.size, delay, now)

    def soonest(self, now: float) -> Sibling | None:
        """The sibling with the shortest queue; None without one that lives. `now`: monotonic seconds."""
        words = ((*_WORD.unpack_from(self._memory, number * _WORD.size), number) for number in self._others)
        fresh = [(delay, number) for delay, said, number in words if now - said < FRESH]
        return Sibling(*min(fresh)) if fresh else None

    def hand(self, sibling: Sibling, connection: socket.socket, address: str) -> bool:
        """Hands an accepted connection over; the caller closes its own copy in any case.

        Args:
            sibling: who gets it.
            connection: the connection.
            address: the peer's address.

        Returns:
            Whether it was handed over; if not, the sibling does not take what it was handed.
        """
        try:
            socket.send_fds(self._others[sibling.number], [address.encode()], [connection.fileno()])
        except OSError:
            return False
        return True

    def taken(self) -> Iterator[tuple[socket.socket | None, str]]:
        """Connections that siblings have handed over, with the peers' addresses; some at most.

        None stands for a connection that was lost because this process has no descriptor for it.
        """
        for _ in range(_AT_ONCE):
            try:
                address, descriptors, _, _ = socket.recv_fds(self._receiving, 64, 1)
            except OSError:  # none left
                return
            yield socket.socket(fileno=descriptors[0]) if descriptors else None, address.decode()

    def close(self) -> None:
        """Stops taking connections."""
        self._receiving.close()
