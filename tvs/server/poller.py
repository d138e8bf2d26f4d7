"""The sockets of all phones behind one descriptor of the event loop.

asyncio makes a handle for each descriptor that it watches and runs each callback in a context of its own: some 40
microseconds a connection. Phones' sockets are in an epoll set of our own instead, which the loop watches as a whole.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

EVENTS_PER_TURN = 128
"""Ready sockets that are served before the rest of the loop (timers, reloads, the listening sockets) gets its turn."""


class Watcher(Protocol):
    """Whoever owns a socket."""

    def on_readable(self) -> None:
        """There is something to read, or the connection has ended."""

    def on_writable(self) -> None:
        """The socket takes bytes again."""


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
        self._watchers: dict[int, Watcher] = {}
        loop.add_reader(self._epoll.fileno(), self._ready)

    def close(self) -> None:
        """Watches no more."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._watchers.clear()

    def watch(self, descriptor: int, watcher: Watcher) -> None:
        """Tells `watcher` whenever there is something to read."""
        self._watchers[descriptor] = watcher
        self._epoll.register(descriptor, select.EPOLLIN)

    def turn(self, descriptor: int, *, writing: bool) -> None:
        """From now on waits until the socket takes bytes again, and not for something to read; or the reverse."""
        self._epoll.modify(descriptor, select.EPOLLOUT if writing else select.EPOLLIN)

    def forget(self, descriptor: int) -> None:
        """The descriptor is being closed."""
        self._watchers.pop(descriptor, None)

    def _ready(self) -> None:
        watchers = self._watchers
        for descriptor, events in self._epoll.poll(0, EVENTS_PER_TURN):
            watcher = watchers.get(descriptor)
            if watcher is None:  # an earlier event of this turn has ended the connection
                continue
            if events & select.EPOLLOUT:
                watcher.on_writable()
            else:
                watcher.on_readable()
