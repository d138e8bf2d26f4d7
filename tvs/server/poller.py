"""Poller: the sockets of all phones behind one descriptor of the event loop.

asyncio makes a handle for each descriptor that it watches, and runs each callback in a context of its own: about 40
microseconds a connection. Phones' sockets are in a separate epoll set instead, which the loop watches as a whole.

When many are ready, those of phones that have been served before come first: a phone waits once, in the queue for its
first turn, and not again before each flight. Who is let in beyond the capacity is decided by that queue.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Final, Protocol

from tvs.server.workqueue import FEW, WorkQueue

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

SECONDS_PER_TURN: Final = 0.01
"""Seconds for which ready sockets are served before the rest of the loop: timers, reloads, the listening sockets."""
EVENTS_PER_LOOK: Final = 1024
"""Ready sockets that are found at once, at most: a queue that is longer counts as this long."""
PAUSE: Final = 0.005
"""Seconds that the process does nothing after it had no memory to find ready sockets."""


class Watcher(Protocol):
    """The owner of a socket."""

    def on_readable(self) -> None:
        """Called when bytes have come in, or the connection has ended."""

    def on_writable(self) -> None:
        """Called when the socket has room again."""


class Poller:
    """Watches sockets, level-triggered as the loop does.

    Args:
        loop: the event loop that watches the set.
        clock: monotonic clock, seconds.

    Attributes:
        queue: the ready sockets that wait.

    A socket leaves the set when it is closed, without a call (epoll(7)). A descriptor that was duplicated, by fork or
    dup, would stay in it: do not watch such.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.monotonic) -> None:
        self.queue = WorkQueue()
        self._loop = loop
        self._clock = clock
        self._epoll = select.epoll()
        self._watchers: dict[int, Watcher] = {}
        self._new: set[int] = set()  # descriptors of sockets that were never served
        self._new_first = False  # for one turn, after one in which none of them was served
        loop.add_reader(self._epoll.fileno(), self._ready)

    def close(self) -> None:
        """Stops watching all sockets."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._watchers.clear()
        self._new.clear()

    def watch(self, descriptor: int, watcher: Watcher) -> None:
        """Calls `watcher.on_readable` whenever there are bytes to read."""
        self._watchers[descriptor] = watcher
        self._new.add(descriptor)
        self._epoll.register(descriptor, select.EPOLLIN)

    def turn(self, descriptor: int, *, writing: bool) -> None:
        """Waits for room in the socket instead of bytes to read, or the reverse."""
        self._epoll.modify(descriptor, select.EPOLLOUT if writing else select.EPOLLIN)

    def pause(self, descriptor: int) -> None:
        """Waits for nothing until `turn`; a reset connection is still reported, as readable (epoll_ctl(2))."""
        self._epoll.modify(descriptor, 0)

    def forget(self, descriptor: int) -> None:
        """Drops the watcher of a descriptor that is about to be closed."""
        self._watchers.pop(descriptor, None)
        self._new.discard(descriptor)

    def look(self) -> None:
        """Counts the ready sockets again: some may have been closed since the last turn."""
        self._count(self._epoll.poll(0, EVENTS_PER_LOOK))

    def _ready(self) -> None:
        clock, watchers, new = self._clock, self._watchers, self._new
        started = now = clock()
        try:
            ready = self._epoll.poll(0, EVENTS_PER_LOOK)
        except MemoryError:  # the loop calls again at once; a timer would take memory itself
            time.sleep(PAUSE)
            raise
        if len(ready) > FEW:
            ready.sort(key=self._is_new, reverse=self._new_first)  # in the order of their coming otherwise
        served, before = 0, len(new)
        for descriptor, events in ready:
            served += 1
            watcher = watchers.get(descriptor)
            if watcher is None:  # an earlier event of this turn closed the connection
                continue
            new.discard(descriptor)
            if events & select.EPOLLOUT:
                watcher.on_writable()
            else:
                watcher.on_readable()
            now = clock()
            if now - started > SECONDS_PER_TURN:
                break
        served_new = before - len(new)
        self.queue.served(served, served_new, started, now)
        self._count(ready[served:])
        self._new_first = not (self._new_first or served_new) and self.queue.new > 0

    def _is_new(self, event: tuple[int, int]) -> bool:
        return event[0] in self._new

    def _count(self, ready: list[tuple[int, int]]) -> None:
        """Notes the ready sockets that wait."""
        new = sum(map(self._is_new, ready))
        self.queue.found(len(ready) - new, new)
