"""The sockets of all phones behind one descriptor of the event loop.

asyncio makes a handle for each descriptor that it watches and runs each callback in a context of its own: some 40
microseconds a connection. Phones' sockets are in an epoll set of our own instead, which the loop watches as a whole.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

EVENTS_PER_TURN = 64
"""Ready sockets that are served before the rest of the loop (timers, reloads, the listening sockets) gets its turn."""


class Poller:
    """Watches sockets; level-triggered, as the loop does.

    Args:
        loop: the event loop that watches the set.

    A socket leaves the set when it is closed: there is no call for that (epoll(7)). Descriptors that were
    duplicated, by fork or dup, must not be put in.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def close(self) -> None:
        """Watches no more."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._callbacks.clear()

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Calls `callback` whenever there is something to read, or the connection has ended."""
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, select.EPOLLIN)

    def watch_reading(self, descriptor: int, callback: Callable[[], None]) -> None:
        """From now on waits for something to read, for a descriptor that is watched."""
        self._callbacks[descriptor] = callback
        self._epoll.modify(descriptor, select.EPOLLIN)

    def watch_writing(self, descriptor: int, callback: Callable[[], None]) -> None:
        """From now on waits until the socket takes bytes again, and not for something to read."""
        self._callbacks[descriptor] = callback
        self._epoll.modify(descriptor, select.EPOLLOUT)

    def forget(self, descriptor: int) -> None:
        """The descriptor is being closed."""
        self._callbacks.pop(descriptor, None)

    def _ready(self) -> None:
        callbacks = self._callbacks
        for descriptor, _ in self._epoll.poll(0, EVENTS_PER_TURN):
            callback = callbacks.get(descriptor)
            if callback is not None:  # an earlier event of this turn may have ended the connection
                callback()
