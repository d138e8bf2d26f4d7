"""The non-blocking TCP socket of one call."""

from __future__ import annotations

import contextlib
import socket

from tvs.replay.run.failures import OWN_LIMITS

READ_SIZE = 64 * 1024
"""Bytes of one read: a whole flight of the server."""
_IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h: connect() chooses the port, so one port can serve connections to several servers. In Python's socket
module since 3.12."""


class OwnLimit(Exception):  # noqa: N818 - not the server's error
    """This machine has no descriptor, memory or port left for a call."""


class CallSocket:
    """A TCP connection that never blocks; unsent bytes wait in a buffer.

    Args:
        family: address family, `socket.AF_INET` or `AF_INET6`.

    Raises `OwnLimit`.
    """

    __slots__ = ("_socket", "_unsent")

    def __init__(self, family: int) -> None:
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            raise OwnLimit from error
        self._unsent = b""

    @property
    def descriptor(self) -> int:
        """File descriptor, for epoll."""
        return self._socket.fileno()

    @property
    def unsent(self) -> bool:
        """Whether bytes wait for the socket to become writable."""
        return bool(self._unsent)

    def connect(self, address: tuple[str, int], source: str | None) -> int:
        """Starts to connect from a source address; returns 0, EINPROGRESS or an error number. Raises `OwnLimit`."""
        code = self._connect(address, source)
        if code in OWN_LIMITS:
            self._socket.close()
            raise OwnLimit
        return code

    def _connect(self, address: tuple[str, int], source: str | None) -> int:
        connection = self._socket
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            connection.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            try:
                connection.bind((source, 0))
            except OSError as error:
                return error.errno or 0
        return connection.connect_ex(address)

    def connected(self) -> int:
        """The error number of the connection attempt; 0 if it succeeded."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def receive(self) -> bytes:
        """At most `READ_SIZE` bytes; empty at the end of the stream. Raises `BlockingIOError` and `OSError`."""
        return self._socket.recv(READ_SIZE)

    def send(self, data: bytes) -> None:
        """Sends the unsent bytes and these, as far as the socket takes them.

        Errors are not raised: the server's last bytes are still to be read, and the end of the stream reports the rest.
        """
        data = self._unsent + data if self._unsent else data
        if not data:
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._unsent = b""
            return
        self._unsent = data[sent:]

    def close(self) -> None:
        """Closes the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()
