"""Long reads at a pace that leaves the interpreter to the event loop's thread, and pauses that can be ended early."""

from __future__ import annotations

import asyncio
from itertools import islice
from time import sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from certstore.certificate import TrustedCertificate

_PACE = 64
"""Certificates between two pauses: about a millisecond of work."""
_PAUSE = 0.0001
"""Seconds. Without a pause, a computing thread holds the interpreter for 5 ms at a time, and phones wait."""
_BATCH = 32
"""Certificates of a slow batch: about a millisecond of work."""
_LONG_PAUSE = 0.01
"""Seconds between slow batches: a worker takes a tenth of a core, so that those that start together leave most of it
to phones."""


def paced(certificates: Iterable[TrustedCertificate]) -> Iterator[TrustedCertificate]:
    """The same certificates, with pauses in which the event loop's thread runs."""
    for number, certificate in enumerate(certificates):
        if number % _PACE == 0:
            sleep(_PAUSE)
        yield certificate


def slow_batches(certificates: Iterator[TrustedCertificate]) -> Iterator[list[TrustedCertificate]]:
    """The same certificates in small lists, with a long pause before each: for work that is not urgent."""
    while batch := list(islice(certificates, _BATCH)):
        sleep(_LONG_PAUSE)
        yield batch


class Pause:
    """A wait of a loop's task that other code of the loop can end early; one that comes before the wait counts, too."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[None] | None = None
        self._over = False

    def end(self) -> None:
        """Ends the wait, or the next one if there is none now."""
        self._over = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Waits until `end`, at most so long."""
        if not self._over:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(seconds, _finish, self._waiting)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        self._over = False


def _finish(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
