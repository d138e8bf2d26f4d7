"""Observations: what this worker has seen of phones, handed on to the observer process.

Nothing here waits. Records go into a bounded list, and with each tick of the worker's timer into a socket that never
blocks; what finds no room is dropped and counted.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tvs.fleet.batches import COUNTS, MAX_ANSWERED, MAX_FAILED, NO_TLS, TLS, Answered, Failed, encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tvs.server.metrics import Metrics
    from tvs.server.requestline import RequestLine
    from tvs.system.funnel import FunnelSender

SILENT_FAILURES: Final = frozenset(
    {
        "no_request",
        "handshake_timeout",
        "request_timeout",
        "write_timeout",
        "connection_timeout",
        "reset",
        "tls_error",
        "internal_error",
    }
)
"""Outcomes of connections without an answer that are recorded with the outcome as the reason.

Other failures are recorded when they happen, with a reason of their own; probes, which send nothing, are not.
"""
_new = tuple.__new__
"""Named tuples without their Python constructors."""


class Observations:
    """The records since the last tick, at most `MAX_ANSWERED` and `MAX_FAILED`.

    Args:
        sender: to the observer.
        metrics: has the counters of dropped records.
    """

    __slots__ = ("_answered", "_dropped", "_failed", "_list_full", "_not_read", "_sender", "_unsent")

    def __init__(self, sender: FunnelSender, metrics: Metrics) -> None:
        self._sender = sender
        self._list_full = metrics.observations_dropped.labels("list_full")
        self._not_read = metrics.observations_dropped.labels("not_read")
        self._answered: list[tuple[float, TLS, RequestLine]] = []
        self._failed: list[Failed] = []
        self._dropped = 0
        self._unsent = dict.fromkeys(COUNTS, 0)

    def drops(self) -> bool:
        """Whether an answered request is dropped, and counted as such: nobody need make its record then."""
        if len(self._answered) < MAX_ANSWERED:
            return False
        self._dropped += 1
        return True

    def answered(self, now: float, tls: TLS, line: RequestLine) -> None:
        """Takes an answered request. `now`: seconds since 1970."""
        if len(self._answered) < MAX_ANSWERED:
            self._answered.append((now, tls, line))
        else:
            self._dropped += 1

    def failed(self, address: str, reason: str, *, tls: TLS = NO_TLS, version: str = "") -> None:
        """Takes a connection that failed, see `tvs.fleet.batches.Failed`."""
        if len(self._failed) < MAX_FAILED:
            self._failed.append(Failed(time.time(), tls, address, reason, version))
        else:
            self._dropped += 1

    def send(self, counts: Mapping[str, int]) -> None:
        """Sends the records, and the counts since the last call; counts that cannot be sent go with the next ones.

        Args:
            counts: numbers by names of `tvs.fleet.batches.COUNTS`, those that are not 0.
        """
        if not (counts or self._answered or self._failed):
            return
        for name, number in counts.items():
            self._unsent[name] += number
        if self._dropped:
            self._list_full.inc(self._dropped)
            self._unsent["dropped"] += self._dropped
        answered, failed = [_answered(*record) for record in self._answered], self._failed
        self._answered, self._failed, self._dropped = [], [], 0
        self._send(answered, failed)

    def _send(self, answered: list[Answered], failed: list[Failed]) -> None:
        lost, first = 0, True
        for batch, records in encoded([*self._unsent.values()], answered, failed):
            if not self._sender.send(batch):
                lost += records
            elif first:
                self._unsent = dict.fromkeys(COUNTS, 0)
            first = False
        if lost:
            self._not_read.inc(lost)
            self._unsent["dropped"] += lost


def _answered(now: float, tls: TLS, line: RequestLine) -> Answered:
    return _new(Answered, (now, tls, line[2:9], line[0], line[1], line[9]))
