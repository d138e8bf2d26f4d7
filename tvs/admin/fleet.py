"""Metrics of the record of phones, as the observer has published it: numbers by series, never by device."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from certstore.devices import Standing
from tvs.phone.models import OTHER, Series, series_of
from tvs.status.fleet import FleetStatus
from tvs.status.members import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from tvs.system.board import Board


def fleet_status(board: Board) -> FleetStatus:
    """What the observer has published; nothing while that cannot be read."""
    try:
        return FleetStatus.from_json(board.read())
    except (StatusError, ValueError):
        return FleetStatus()


class FleetCollector(Collector):
    """Phones by series and standing.

    Args:
        status: gives what the observer published last.
    """

    def __init__(self, status: Callable[[], FleetStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The current metrics; none without a record."""
        status = self._status()
        if not status.kept:
            return
        numbers: Counter[tuple[str, str]] = Counter()
        for group in status.groups:
            numbers[series_of(group.model), group.standing] += group.devices
        phones = GaugeMetricFamily(
            "tvs_fleet_phones",
            "Phones that are recorded, by series, and by what they were told of the last signer of a trust list. The "
            "nodes of a cluster with one database all have the same numbers: take the largest.",
            labels=["series", "standing"],
        )
        for series in (*Series, OTHER):
            for standing in Standing:
                phones.add_metric([series, standing], numbers[series, standing])
        yield phones
        yield GaugeMetricFamily(
            "tvs_fleet_unserved_addresses",
            "Addresses from which handshakes failed that are recorded: of phones that are turned away, mostly.",
            value=status.unserved,
        )
        yield GaugeMetricFamily(
            "tvs_fleet_recorded", "1 while phones can be recorded in the database.", value=not status.problem
        )
        yield CounterMetricFamily(
            "tvs_fleet_dropped", "Phones and addresses that found no room in the record.", value=status.dropped
        )
