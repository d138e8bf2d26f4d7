"""What the supervisor and a worker say to each other, over a pair of sockets that keep messages whole.

From the worker, each a JSON object: ``{"kind": "ready"}``, ``{"kind": "heartbeat", "status": {…}}`` and
``{"kind": "reloaded", "problem": ""}``. To the worker: an order with a file descriptor of anonymous memory that
holds what the order is about, because new settings with their certificates can be larger than a message may be.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE = 64 * 1024
"""Bytes of a message; a heartbeat has a few hundred."""
MESSAGES_PER_TURN = 64
"""Messages taken from one worker before the others get their turn."""


class ChannelClosed(Exception):  # noqa: N818 - how every conversation ends
    """The other process is gone."""


class Channel:
    """One end. Nothing here ever waits: a message that does not fit is not sent.

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

    def send(self, kind: str, **fields: object) -> bool:
        """Sends a message; False where the other end does not read or is gone."""
        try:
            self._socket.send(json.dumps({"kind": kind, **fields}, default=str).encode())
        except OSError:
            return False
        return True

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages that are waiting. Raises `ChannelClosed` after the last one of a process that is gone."""
        for _ in range(MESSAGES_PER_TURN):
            try:
                data = self._socket.recv(MAX_MESSAGE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if not data:
                raise ChannelClosed
            yield json.loads(data)

    def send_order(self, order: object) -> bool:
        """Sends an object as an order; False where the other end does not read or is gone. Raises `OSError`."""
        memory = os.memfd_create("tvs-order", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(memory), "wb") as file:
                pickle.dump(order, file)
            try:
                socket.send_fds(self._socket, [b"order"], [memory])
            except OSError:
                return False
            return True
        finally:
            os.close(memory)

    def orders(self) -> Iterator[Any]:
        """The orders that are waiting. Raises `ChannelClosed` where the supervisor is gone."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, MAX_MESSAGE, 1)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                raise ChannelClosed
            with os.fdopen(descriptors[0], "rb") as file:
                file.seek(0)
                yield pickle.load(file)  # noqa: S301 - written by our own supervisor, over a socket nobody else has
