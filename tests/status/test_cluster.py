"""Status of the cluster in JSON: written and read back, refused in another shape, bounded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvs.status.cluster import MAX_NODES, STALENESS_BOUND, ClusterStatus, NodeState, NodeStatus
from tvs.status.members import MAX_TEXT, StatusError
from tvs.system.board import Board

numbers = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), max_size=MAX_TEXT)
times = st.floats(0, 1e12)
nodes = st.builds(
    NodeStatus,
    name=texts,
    publisher=st.booleans(),
    state=st.sampled_from(NodeState),
    generation=st.none() | numbers,
    staleness=st.none() | times,
    problem=texts,
)
clusters = st.builds(
    ClusterStatus,
    time=times,
    node=texts,
    generation=numbers,
    current=st.none() | numbers,
    known_at=times,
    problem=texts,
    certificate=texts,
    profile=texts,
    nodes=st.lists(nodes, max_size=4).map(tuple),
)
NODE = NodeStatus(name="sub", publisher=False, state=NodeState.CURRENT, generation=3, staleness=1.0)
FULL = ClusterStatus(time=5.0, node="pub", generation=3, current=3, known_at=4.0, nodes=(NODE,))


@given(clusters)
def test_status_survives_its_json_form(status: ClusterStatus) -> None:
    """A status written as JSON text and read back is the same status."""
    assert ClusterStatus.from_json(json.loads(json.dumps(status.to_json()))) == status


def test_nothing_published() -> None:
    """The empty document, which is on the board at first, has no staleness."""
    assert ClusterStatus.from_json({}) == ClusterStatus()
    assert ClusterStatus().staleness(100.0) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "now"},
        {"time": -1.0},
        {"known_at": float("inf")},
        {"node": "two\nlines"},
        {"generation": True},
        {"generation": 2**63},
        {"current": 1.5},
        {"problem": "x" * (MAX_TEXT + 1)},
        {"nodes": {}},
        {"nodes": [NODE.to_json()] * (MAX_NODES + 1)},
        {"nodes": [{**NODE.to_json(), "state": "asleep"}]},
        {"nodes": [{**NODE.to_json(), "publisher": 1}]},
        {"nodes": [{**NODE.to_json(), "generation": "3"}]},
        {"nodes": [{**NODE.to_json(), "staleness": float("nan")}]},
        {"nodes": [{**NODE.to_json(), "name": None}]},
        {"nodes": [7]},
    ],
)
def test_other_documents_are_refused(changes: dict[str, Any]) -> None:
    """A member of another kind or size raises `StatusError`, as one that is missing does."""
    document = FULL.to_json()
    assert ClusterStatus.from_json(document) == FULL
    with pytest.raises(StatusError):
        ClusterStatus.from_json({**document, **changes})
    for name in changes:
        with pytest.raises(StatusError):
            ClusterStatus.from_json({key: value for key, value in document.items() if key != name})


def test_the_largest_one_fits_on_the_board() -> None:
    """A thousand nodes with the longest names and problems."""
    node = NodeStatus(
        name="n" * MAX_TEXT,
        publisher=False,
        state=NodeState.UNKNOWN,
        generation=2**63 - 1,
        staleness=1e12,
        problem="p" * MAX_TEXT,
    )
    status = replace(FULL, problem="p" * MAX_TEXT, nodes=(node,) * MAX_NODES)
    board = Board()
    board.write(status.to_json())
    assert ClusterStatus.from_json(board.read()) == status


def test_staleness_grows_by_itself() -> None:
    """It is counted to the reader's moment, not to that of the publication; never negative."""
    assert FULL.staleness(64.0) == 60.0
    assert FULL.staleness(3.0) == 0.0


@pytest.mark.parametrize(
    ("state", "staleness", "behind"),
    [
        (NodeState.CURRENT, 0.1, False),
        (NodeState.CURRENT, STALENESS_BOUND + 0.1, True),
        (NodeState.BEHIND, STALENESS_BOUND, False),
        (NodeState.BEHIND, STALENESS_BOUND + 0.1, True),
        (NodeState.SILENT, 0.1, True),
        (NodeState.UNKNOWN, 99.0, False),
        (NodeState.ABSENT, None, False),
    ],
)
def test_who_is_behind(state: NodeState, staleness: float | None, *, behind: bool) -> None:
    """A node that follows a change is not behind yet; one that is silent, or too long without knowing, is."""
    assert replace(NODE, state=state, staleness=staleness).is_behind is behind
