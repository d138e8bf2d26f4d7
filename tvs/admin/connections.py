"""Open connections of the monitoring port: a deadline for each, a limit for each address and for all.

A newcomer beyond a limit takes the place of the oldest connection whose request has not come, so slow clients, however
many, keep no probe out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Final

DEADLINE: Final = 10.0
"""Seconds from a connection to its end, request and answer: Prometheus waits as long for a scrape."""
MAX_CONNECTIONS: Final = 32
"""Open connections, each with a thread: monitoring has a few."""
MAX_PER_ADDRESS: Final = 8
"""Open connections of one address: the probe, the scrape and a person from one monitoring host, with room."""


@dataclass(slots=True, kw_only=True)
class _Open:
    address: str
    until: float
    requested: bool = False


class Connections:
    """The open connections, in the order in which they came. The methods can be called by any thread."""

    def __init__(self) -> None:
        self._open: dict[socket.socket, _Open] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def take(self, connection: socket.socket, address: str, now: float) -> bool:
        """Takes a new connection, and ends an older one if a limit is reached.

        Args:
            connection: the accepted socket.
            address: the client's IP address.
            now: seconds of a monotonic clock.

        Returns:
            False if a limit is reached and all older connections are being answered: close the new one.
        """
        with self._lock:
            own = [other for other, state in self._open.items() if state.address == address]
            full = own if len(own) >= MAX_PER_ADDRESS else list(self._open)
            if (full is own or len(full) >= MAX_CONNECTIONS) and not self._end_oldest(full):
                return False
            self._open[connection] = _Open(address=address, until=now + DEADLINE)
            return True

    def requested(self, connection: socket.socket) -> None:
        """The whole request has come: the connection keeps its place until its deadline."""
        with self._lock:
            if connection in self._open:
                self._open[connection].requested = True

    def closed(self, connection: socket.socket) -> None:
        """The connection is about to be closed."""
        with self._lock:
            self._open.pop(connection, None)

    def expire(self, now: float) -> None:
        """Ends the connections whose deadline has passed. `now`: seconds of a monotonic clock."""
        with self._lock:
            for connection in [other for other, state in self._open.items() if state.until <= now]:
                self._end(connection)

    def _end_oldest(self, connections: list[socket.socket]) -> bool:
        """Ends the oldest connection whose request has not come; False if there is none."""
        for connection in connections:
            if not self._open[connection].requested:
                self._end(connection)
                return True
        return False

    def _end(self, connection: socket.socket) -> None:
        """Wakes the connection's thread, which closes it."""
        del self._open[connection]
        with contextlib.suppress(OSError):  # the client has reset it
            connection.shutdown(socket.SHUT_RDWR)
