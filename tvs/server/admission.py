"""Admission: whether a phone that has connected is let in, or refused before TLS.

A phone that is refused at once asks its next TVS server; one that waits in a long queue does not, and in the end its
time is up with nothing done. So a worker lets in what it can answer soon, however many come.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tvs.config.settings import Config
    from tvs.server.counts import Counts

FAIR_DELAY: Final = 0.5
"""Part of the queue's limit from which on no address gets more than its share of a worker."""
FAIR_HALF_OPEN: Final = 0.75
"""Part of the limit of half-open connections from which on no address gets more than its share of a worker."""


class Admission:
    """The limits of one worker, and the connections of each address.

    An address may be a whole site behind NAT, or a flood. While there is room both are served; where it gets scarce,
    an address with more open connections than the average is refused first. One more address counts in the average: so
    a flood from one address leaves room for a phone that comes, also if nobody else is there yet.

    Args:
        config: the current settings.
        counts: open sessions by state.

    Attributes:
        fair_delay: seconds of the queue from which on no address gets more than its share.
    """

    def __init__(self, config: Config, counts: Counts) -> None:
        self._counts = counts
        self._addresses: dict[str, int] = {}
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Takes the limits from other settings."""
        self._max_open = config.share(config.max_connections)
        self._max_half_open = config.share(config.max_half_open)
        self._fair_half_open = math.ceil(self._max_half_open * FAIR_HALF_OPEN)
        self._max_of_address = config.max_per_address or self._max_open
        self._max_delay = config.max_queue_delay or math.inf
        self.fair_delay = self._max_delay * FAIR_DELAY

    @property
    def full(self) -> bool:
        """Whether no phone is let in, whatever the queue."""
        connections = self._counts.open
        return sum(connections.values()) >= self._max_open or connections["handshake"] >= self._max_half_open

    def refusal(self, address: str, delay: float) -> str | None:
        """The limit that keeps a new phone out, one of `tvs.server.states.REJECTIONS`; None lets it in.

        Args:
            address: the phone's IP address.
            delay: seconds until the worker would serve it.
        """
        connections, of_address = self._counts.open, self._addresses.get(address, 0)
        number = sum(connections.values())
        if number >= self._max_open:
            return "connections"
        if of_address >= self._max_of_address:
            return "address"
        above_share = of_address * (len(self._addresses) + 1) > number
        if connections["handshake"] >= (self._fair_half_open if above_share else self._max_half_open):
            return "half_open"
        if delay > (self.fair_delay if above_share else self._max_delay):
            return "queue"
        return None

    def entered(self, address: str) -> None:
        """A phone was let in."""
        self._addresses[address] = self._addresses.get(address, 0) + 1

    def left(self, address: str) -> None:
        """A phone's connection was closed."""
        others = self._addresses.get(address, 0) - 1
        if others > 0:
            self._addresses[address] = others
        else:
            self._addresses.pop(address, None)
