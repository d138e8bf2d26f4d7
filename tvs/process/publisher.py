"""Publication of the status: on the board first, then in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal

from tvs.process.expiry import ExpiryWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.process.supervisorlog import SupervisorLog
    from tvs.status.model import ServiceStatus
    from tvs.system.board import Board

    Level = Literal["info", "warning", "error"]

INTERVAL: Final = 1.0
"""Seconds between two publications when nothing changes: `/healthz` sees that the supervisor lives."""


class Publisher:
    """Publishes the status, and after it the log lines of the events that changed it.

    Programs act on log lines, on READY and on the line that announces the service. Whatever they read next on
    the monitoring port must agree with it, so events wait until the board has been written.

    Args:
        board: memory that the admin process reads.
        log: the supervisor's log.
        status: computes the status; called with monotonic seconds.
    """

    def __init__(self, board: Board, log: SupervisorLog, status: Callable[[float], ServiceStatus]) -> None:
        self._board = board
        self._log = log
        self._status = status
        self._changed = True
        self._published = 0.0
        self._expiry = ExpiryWatch()
        self._events: list[tuple[Level, str, dict[str, object]]] = []

    def changed(self) -> None:
        """Has the status published by the next `publish_due`."""
        self._changed = True

    def report(self, level: Level, event: str, **fields: object) -> None:
        """Keeps an event for the log until the status has been published."""
        self._events.append((level, event, fields))
        self._changed = True

    def publish_due(self, now: float) -> None:
        """Publishes if something changed, or if the last publication is `INTERVAL` seconds old."""
        if self._changed or now - self._published >= INTERVAL:
            self.publish(now)

    def publish(self, now: float | None = None) -> None:
        """Publishes the status, then writes the lines of the events. `now`: monotonic seconds, None for the clock."""
        now = time.monotonic() if now is None else now
        status = self._status(now)
        for fields in self._expiry.news(status, time.time()):
            self.report("warning", "certificate_expired", **fields)
        self._board.write(status.to_json())
        self._changed, self._published = False, now
        events, self._events = self._events, []
        for level, event, fields in events:
            getattr(self._log.logger, level)(event, **fields)
