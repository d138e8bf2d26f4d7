"""Metrics of the cluster, from what the follower has published."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry

from tvs.admin.cluster import ClusterCollector, cluster_status
from tvs.status.cluster import STALENESS_BOUND, ClusterStatus, NodeState, NodeStatus
from tvs.system.board import Board


def node(name: str, state: NodeState) -> NodeStatus:
    """A node in a state."""
    return NodeStatus(name=name, publisher=name == "pub", state=state)


def collected(status: ClusterStatus) -> CollectorRegistry:
    """The metrics of a status."""
    registry = CollectorRegistry()
    registry.register(ClusterCollector(lambda: status))
    return registry


def test_before_the_first_publication() -> None:
    """The bound is known; nothing else is made up."""
    registry = collected(ClusterStatus())
    assert registry.get_sample_value("tvs_node_staleness_bound_seconds") == STALENESS_BOUND
    for name in ("tvs_node_staleness_seconds", "tvs_node_generation", "tvs_cluster_generation", "tvs_cluster_nodes"):
        assert registry.get_sample_value(name) is None
    assert registry.get_sample_value("tvs_service_behind", {"part": "profile"}) is None


def test_a_database_that_was_never_read() -> None:
    """Staleness counts from the beginning, generations are not known."""
    registry = collected(ClusterStatus(time=time.monotonic(), known_at=time.monotonic() - 60))
    assert 60 <= (registry.get_sample_value("tvs_node_staleness_seconds") or 0) < 120
    assert registry.get_sample_value("tvs_node_generation") is None


def test_a_cluster() -> None:
    """Both generations, and each state with its number of nodes."""
    states = (NodeState.CURRENT, NodeState.SILENT, NodeState.SILENT)
    nodes = tuple(node(name, state) for name, state in zip(("pub", "sub1", "sub2"), states, strict=True))
    now = time.monotonic()
    registry = collected(ClusterStatus(time=now, node="pub", generation=6, current=7, known_at=now, nodes=nodes))
    assert registry.get_sample_value("tvs_node_generation") == 6
    assert registry.get_sample_value("tvs_cluster_generation") == 7
    found = {state: registry.get_sample_value("tvs_cluster_nodes", {"state": state}) for state in NodeState}
    assert found == {"current": 1, "behind": 0, "silent": 2, "unknown": 0, "absent": 0}


def test_a_board_that_cannot_be_read() -> None:
    """Nonsense counts as nothing published."""
    board = Board()
    assert cluster_status(board) == ClusterStatus()
    board.write({"time": "never"})
    assert cluster_status(board) == ClusterStatus()
