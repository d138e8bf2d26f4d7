"""A phone's TCP connection: never waited for, read and written as the poller says."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.poller import Poller


class PhoneSocket:
    """An accepted socket. What it does not take at once is kept, and sent when there is room again.

    While something is kept, nothing is read: a phone that does not read its answers gets no further ones.

    Args:
        connection: the accepted socket; it is closed by `close`.
        poller: watches it.
        on_readable: called when there is something to read, or the connection has ended.
        on_writable: called when there is room for what was kept; call `send` then.

    Attributes:
        descriptor: the file descriptor's number.
        unsent: bytes that are kept.
    """

    __slots__ = ("_on_readable", "_on_writable", "_poller", "_socket", "_writing", "descriptor", "unsent")

    def __init__(
        self,
        connection: socket.socket,
        poller: Poller,
        on_readable: Callable[[], None],
        on_writable: Callable[[], None],
    ) -> None:
        self._socket = connection
        self._poller = poller
        self._on_readable = on_readable
        self._on_writable = on_writable
        self._writing = False
        self.descriptor = connection.fileno()
        self.unsent = b""

    def watch(self) -> None:
        """Begins to wait for something to read."""
        self._poller.watch(self.descriptor, self._on_readable)

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
        data = self.unsent + data if self.unsent else data
        if data:
            try:
                sent = self._socket.send(data, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                self.unsent = b""
                raise
            self.unsent = data[sent:] if sent < len(data) else b""
        return bool(self.unsent) != self._writing and self._turn()

    def _turn(self) -> bool:
        """Waits for the other thing from now on."""
        self._writing = not self._writing
        if self._writing:
            self._poller.watch_writing(self.descriptor, self._on_writable)
        else:
            self._poller.watch_reading(self.descriptor, self._on_readable)
        return True

    def acknowledge_at_once(self) -> None:
        """The next segment is acknowledged without delay: a client that leaves Nagle on stalls for 40 ms else."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send_end(self) -> None:
        """We send no more; the phone may."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Ends the connection; nothing else may be called then."""
        self._poller.forget(self.descriptor)
        self._socket.close()
        del self._on_readable, self._on_writable  # a cycle would keep the connection's memory until it is collected
