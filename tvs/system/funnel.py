"""A funnel: many processes send messages, one reads them, and no sender ever waits.

Each sender has a pair of sockets of its own, made before the fork and kept by the parent: what the reader has not read
waits for its replacement, and a sender that misuses its sockets harms no other.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a message, at most. The kernel holds some 200 KiB for each sender until they are read."""
MESSAGES_PER_TURN: Final = 16
"""Messages taken from one sender before the others get their turn."""


class Funnel:
    """Sockets for a number of senders and one reader, made before they are forked.

    Args:
        senders: how many there will be at a time, numbered from 0. Raises `OSError` without descriptors for them.
    """

    def __init__(self, senders: int) -> None:
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(senders)]
        for pair in self._pairs:
            for end in pair:
                end.setblocking(False)

    def sender(self, number: int) -> FunnelSender:
        """The end of the sender of this number, which closes the others."""
        for other, (receiving, sending) in enumerate(self._pairs):
            receiving.close()
            if other != number:
                sending.close()
        return FunnelSender(self._pairs[number][1])

    def receivers(self) -> list[FunnelReceiver]:
        """The ends of the reader, one for each sender; it closes those of the senders."""
        for _, sending in self._pairs:
            sending.close()
        return [FunnelReceiver(number, receiving) for number, (receiving, _) in enumerate(self._pairs)]

    def close(self) -> None:
        """Closes all ends: in the parent at its end, and in processes that neither send nor read."""
        for pair in self._pairs:
            for end in pair:
                end.close()


class FunnelSender:
    """A sender's end.

    Args:
        end: one of a pair of SOCK_SEQPACKET sockets that do not block.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: bytes) -> bool:
        """Sends a message of at most `MAX_MESSAGE` bytes; False if there is no room for it, or nobody will read it."""
        try:
            self._end.send(message)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Closes this end."""
        self._end.close()


class FunnelReceiver:
    """The reader's end of one sender.

    Args:
        number: the sender's number.
        end: the other one of the pair.

    Attributes:
        number: the sender's number.
    """

    def __init__(self, number: int, end: socket.socket) -> None:
        self.number = number
        self._end = end

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._end.fileno()

    def messages(self) -> Iterator[bytes]:
        """The messages that wait, some at most. An empty one says that the sender can send no more."""
        for _ in range(MESSAGES_PER_TURN):
            try:
                message = self._end.recv(MAX_MESSAGE)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                message = b""
            yield message
            if not message:
                return

    def close(self) -> None:
        """Closes this end."""
        self._end.close()
