"""A phone's TCP connection: never waited for, read and written as the poller says."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvs.server.poller import Poller, Watcher


class PhoneSocket:
    """An accepted socket. What it does not take at once is kept, and sent when there is room again.

    While something is kept, nothing is read: a phone that does not read its answers gets no further ones.

    Args:
        connection: the accepted socket; it is closed by `close`.
        poller: watches it.

    Attributes:
        descriptor: the file descriptor's number.
        unsent: bytes that are kept.
    """

    __slots__ = ("_poller", "_socket", "descriptor", "unsent")

    def __init__(self, connection: socket.socket, poller: Poller) -> None:
        self._socket = connection
        self._poller = poller
        self.descriptor = connection.fileno()
        self.unsent = b""

    def watch(self, watcher: Watcher) -> None:
        """Begins to wait for something to read. When there is room for what was kept, `watcher` calls `send`."""
        self._poller.watch(self.descriptor, watcher)

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes; empty at the end, None where there is nothing yet. Raises `OSError` after a reset."""
        try:
            return self._socket.recv(size, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return None

    def send(self, data: bytes) -> bool:
        """Sends what was kept, then `data`. Raises `OSError` where the connection is gone.

        Returns:
            Whether it began or ceased to keep something.
        """
        kept = bool(self.unsent)
        data = self.unsent + data if kept else data
        if data:
            try:
                sent = self._socket.send(data, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                sent = 0
            self.unsent = data[sent:] if sent < len(data) else b""
        keeps = bool(self.unsent)
        if keeps is kept:
            return False
        self._poller.turn(self.descriptor, writing=keeps)
        return True

    def acknowledge_at_once(self) -> None:
        """The next segment is acknowledged without delay: a client that leaves Nagle on stalls for 40 ms else."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send_end(self) -> None:
        """We send no more; the phone may."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Ends the connection."""
        self._poller.forget(self.descriptor)
        self._socket.close()
