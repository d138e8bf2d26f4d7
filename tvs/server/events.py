"""Events of the two caches as log lines and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvs.server.metrics import CTL_RESULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tvs.server.metrics import Metrics
    from tvs.server.shared import Shared

_IN_ORDER = ("reloaded", "deleted", "absent")
"""Results of a CTL file that is as the administrator wants it."""


class CacheEvents:
    """Receives the events of one worker's caches.

    Args:
        shared: the log, and the settings: with several workers, lines name the worker.
        metrics: the worker's metrics.
        slot: the worker's number.
    """

    def __init__(self, shared: Shared, metrics: Metrics, slot: int) -> None:
        self._shared = shared
        self._metrics = metrics
        self._slot = slot

    def db(self, event: str, fields: Mapping[str, object]) -> None:
        """An event of the certificate database's cache, in the thread that refreshes it."""
        if event == "reconnected":
            self._metrics.db_reconnects.inc()
        level = "warning" if event in ("refresh_failed", "bad_row") else "info"
        self._line(level, f"db_{event}", fields)

    def ctl(self, event: str, fields: Mapping[str, object]) -> None:
        """A settled change of the CTL file, or a failure to look at it."""
        result = str(fields.get("result", event))
        if result in CTL_RESULTS:
            self._metrics.ctl_reloads.labels(result).inc()
        self._line("info" if result in _IN_ORDER else "warning", f"ctl_{event}", fields)
        self._shared.collect_soon()

    def _line(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        extra = {"worker": self._slot} if self._shared.config.worker_count > 1 else {}
        getattr(self._shared.log, level)(event, **fields, **extra)
