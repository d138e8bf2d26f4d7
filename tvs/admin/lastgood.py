"""Metrics of the last good copy of the certificate database: whether the service answers from it, and how old it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from tvs.state import StateDirectory
    from tvs.status.model import ServiceStatus


class CopyCollector(Collector):
    """Whether the service has started from the copy, and when the one on the disk was last what the database has.

    Args:
        state: the state directory.
        status: gives the status that the supervisor published last.
    """

    def __init__(self, state: StateDirectory, status: Callable[[], ServiceStatus]) -> None:
        self._state = state
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        yield GaugeMetricFamily(
            "tvs_db_copy_in_use",
            "1 after a start without the certificate database, until it can be read: answers come from its last copy.",
            value=self._status().copy_as_of is not None,
        )
        try:
            as_of = self._state.last_good.stat(follow_symlinks=False).st_mtime
        except OSError:
            return
        yield GaugeMetricFamily(
            "tvs_db_copy_as_of_timestamp_seconds",
            "When the copy for a start without the certificate database was last what the database has.",
            value=as_of,
        )
