"""Metrics of the cluster, as this node's follower has published them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tvs.status.cluster import STALENESS_BOUND, ClusterStatus, NodeState
from tvs.status.members import StatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from tvs.system.board import Board


def cluster_status(board: Board) -> ClusterStatus:
    """What the follower has published; nothing while that cannot be read."""
    try:
        return ClusterStatus.from_json(board.read())
    except (StatusError, ValueError):
        return ClusterStatus()


class ClusterCollector(Collector):
    """Generations, staleness and nodes.

    Args:
        status: gives what the follower published last.
    """

    def __init__(self, status: Callable[[], ClusterStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The current metrics; those that are not known yet are left out."""
        yield GaugeMetricFamily(
            "tvs_node_staleness_bound_seconds",
            "Most of tvs_node_staleness_seconds that is in order.",
            value=STALENESS_BOUND,
        )
        status = self._status()
        staleness = status.staleness(time.monotonic())
        if staleness is None:
            return
        yield GaugeMetricFamily(
            "tvs_node_staleness_seconds",
            "Seconds since this node last knew that it serves the cluster's current generation.",
            value=staleness,
        )
        behind = GaugeMetricFamily(
            "tvs_service_behind",
            "1 if the service must be reloaded for what the database (certificate) or the settings (profile) have.",
            labels=["part"],
        )
        for part, missing in (("certificate", status.certificate), ("profile", status.profile)):
            behind.add_metric([part], bool(missing))
        yield behind
        if status.current is None:
            return
        yield GaugeMetricFamily(
            "tvs_node_generation", "Generation of the cluster that this node serves.", value=status.generation
        )
        yield GaugeMetricFamily(
            "tvs_cluster_generation", "Current generation of the cluster, as last known.", value=status.current
        )
        nodes = GaugeMetricFamily(
            "tvs_cluster_nodes", "Nodes of the cluster by state, as this node sees them.", labels=["state"]
        )
        states = [node.state for node in status.nodes]
        for state in NodeState:
            nodes.add_metric([state], states.count(state))
        yield nodes
