"""TCP socket of a phone: non-blocking, with the bytes that wait for room."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvs.server.poller import Poller, Watcher


_DONTWAIT = int(socket.MSG_DONTWAIT)


class PhoneSocket:
    """An accepted socket. Bytes that do not fit into its buffer are kept, and sent when there is room.

    While bytes are kept, nothing is read: a phone that does not read its answers gets no further ones.

    Args:
        connection: the accepted socket; `close` closes it.
        poller: watches it.

    Attributes:
        descriptor: the file descriptor's number.
        unsent: bytes that wait for room.
    """

    __slots__ = ("_paused", "_poller", "_socket", "descriptor", "unsent")

    def __init__(self, connection: socket.socket, poller: Poller) -> None:
        self._socket = connection
        self._poller = poller
        self.descriptor = connection.fileno()
        self.unsent = b""
        self._paused = False

    def watch(self, watcher: Watcher) -> None:
        """Begins to watch for incoming bytes. When `on_writable` is called, `watcher` calls `send` with nothing new."""
        self._poller.watch(self.descriptor, watcher)

    def receive(self, size: int) -> bytes | None:
        """At most `size` bytes; empty at the end, None if there are none yet. Raises `OSError` after a reset."""
        if self._paused:
            return None
        try:
            return self._socket.recv(size, _DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return None

    def send(self, data: bytes) -> bool:
        """Sends the kept bytes, then `data`. Raises `OSError` if the connection is gone.

        Returns:
            Whether the socket began or ceased to keep bytes.
        """
        kept = bool(self.unsent)
        data = self.unsent + data if kept else data
        if data:
            try:
                sent = self._socket.send(data, _DONTWAIT)
            except (BlockingIOError, InterruptedError):
                sent = 0
            self.unsent = data[sent:] if sent < len(data) else b""
        keeps = bool(self.unsent)
        if keeps is kept:
            return False
        self._poller.turn(self.descriptor, writing=keeps)
        return True

    def pause(self) -> None:
        """Receives nothing until `resume`: what the phone sends stays in the system's buffer, then in the phone."""
        self._paused = True
        self._poller.pause(self.descriptor)

    def resume(self) -> None:
        """Ends a pause, if there is one."""
        if self._paused:
            self._paused = False
            self._poller.turn(self.descriptor, writing=bool(self.unsent))

    def acknowledge_at_once(self) -> None:
        """Acknowledges the next segment without delay: otherwise a client with Nagle's algorithm stalls for 40 ms."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def send_end(self) -> None:
        """Ends our direction of TCP; the phone may still send."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes the socket."""
        self._paused = False
        self._poller.forget(self.descriptor)
        self._socket.close()
