"""A channel between supervisor and worker: a pair of sockets that keep messages whole.

Messages to the supervisor are JSON objects. Orders to the worker are objects in anonymous memory, of which a message
carries the file descriptor: new settings with their certificates can be larger than a message may be.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_MESSAGE = 64 * 1024
"""Bytes of a message; a worker's report has about 400."""
MESSAGES_PER_TURN = 64
"""Messages taken from one worker before the others get their turn."""


class ChannelClosed(Exception):  # noqa: N818 - every channel ends so
    """The other process is gone."""


class Order:
    """An object in anonymous memory, for any number of processes. Raises `OSError` if there is no room for it.

    Args:
        content: the object, which pickle can write.
    """

    def __init__(self, content: object) -> None:
        self._memory = os.memfd_create("tvs-order", os.MFD_CLOEXEC)
        try:
            with os.fdopen(self._memory, "wb", closefd=False) as file:
                pickle.dump(content, file)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """The descriptor of the memory."""
        return self._memory

    def close(self) -> None:
        """Lets go of the memory; processes that were sent it keep it."""
        os.close(self._memory)


class OrderLost(Exception):  # noqa: N818 - named as what happened
    """An order came whose descriptor could not be taken: this process has none left."""


class Channel:
    """One end of a channel. It never blocks: a message that does not fit is not sent.

    Args:
        end: one of a pair of SOCK_SEQPACKET sockets.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._socket.setblocking(False)

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Two ends. Raises `OSError`."""
        first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(first), cls(second)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes this end."""
        self._socket.close()

    def send(self, message: Mapping[str, object]) -> bool:
        """Sends a JSON object of at most `MAX_MESSAGE` bytes; False if the other end does not read or is gone."""
        try:
            self._socket.send(json.dumps(message).encode())
        except OSError:
            return False
        return True

    def messages(self) -> Iterator[object]:
        """The messages that are waiting; None for one that is not JSON.

        Raises `ChannelClosed` after the last message of a process that is gone.
        """
        for _ in range(MESSAGES_PER_TURN):
            try:
                data = self._socket.recv(MAX_MESSAGE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if not data:
                raise ChannelClosed
            yield _parsed(data)

    def send_order(self, order: Order) -> bool:
        """Sends an order; False if the other end does not read. Raises `ChannelClosed` if it is gone."""
        try:
            socket.send_fds(self._socket, [b"order"], [order.fileno()])
        except (BrokenPipeError, ConnectionResetError):
            raise ChannelClosed from None
        except OSError:
            return False
        return True

    def orders(self) -> Iterator[Any]:
        """The orders that are waiting. Raises `ChannelClosed` if the supervisor is gone, and `OrderLost`."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, MAX_MESSAGE, 1)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                raise ChannelClosed
            if not descriptors:
                raise OrderLost
            yield _read(descriptors[0])


def _read(descriptor: int) -> Any:
    """The object of an order. Several processes share the memory's offset, so that it must not move."""
    try:
        data, size = b"", os.fstat(descriptor).st_size
        while len(data) < size:
            data += os.pread(descriptor, size - len(data), len(data))
    finally:
        os.close(descriptor)
    return pickle.loads(data)  # noqa: S301 - written by our own supervisor, on a socket that no other process has


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
