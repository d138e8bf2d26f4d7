"""States of nodes: a counter that moves by the reader's clock is life, and nothing else."""

from __future__ import annotations

from certstore.generations import NodeReport
from certstore.store import Node
from tvs.cluster.nodestates import LIVE, MOST, Liveness
from tvs.process.reporter import LOOK
from tvs.status.cluster import NodeState
from tvs.status.members import MAX_TEXT

NODES = [
    Node(name="pub", address="", publisher=True),
    Node(name="Sub1", address="", publisher=False),
    Node(name="sub2", address="", publisher=False),
]


def report(node: str, counter: int, generation: int = 5, problem: str = "", later: int = 0) -> NodeReport:
    """A report."""
    return NodeReport(node=node, generation=generation, staleness=0.25, counter=counter, problem=problem, later=later)


def states(liveness: Liveness, now: float) -> list[str]:
    """The states of all nodes; the current generation is 5."""
    return [status.state for status in liveness.statuses(NODES, 5, now)]


def read_each_second(liveness: Liveness, reports: list[NodeReport], begin: float, end: float) -> None:
    """Reads the same reports once a second, from one moment to another."""
    while begin < end:
        liveness.read(reports, begin)
        begin += 1.0
    liveness.read(reports, end)


def test_states() -> None:
    """Unknown until the counter moves, then by generation, and silent when it has not moved for `LIVE` seconds."""
    liveness = Liveness()
    liveness.read([report("pub", 1), report("SUB1", 70)], 100.0)
    assert states(liveness, 100.0) == [NodeState.UNKNOWN, NodeState.UNKNOWN, NodeState.ABSENT]
    liveness.read([report("pub", 2), report("sub1", 71, generation=4)], 101.0)
    assert states(liveness, 101.0) == [NodeState.CURRENT, NodeState.BEHIND, NodeState.ABSENT]
    read_each_second(liveness, [report("pub", 2), report("sub1", 71, generation=4)], 102.0, 100.0 + LIVE)
    liveness.read([report("pub", 3), report("sub1", 71, generation=4)], 101.0 + LIVE)
    assert states(liveness, 101.0 + LIVE) == [NodeState.CURRENT, NodeState.BEHIND, NodeState.ABSENT]
    assert states(liveness, 101.1 + LIVE) == [NodeState.CURRENT, NodeState.SILENT, NodeState.ABSENT]
    liveness.read([report("pub", 4), report("sub1", 72)], 150.0)
    assert states(liveness, 150.0)[1] == NodeState.CURRENT


def test_a_node_that_never_moved() -> None:
    """A report that was there already says nothing of life: unknown first, silent when a live node had reported."""
    liveness = Liveness()
    read_each_second(liveness, [report("pub", 9)], 100.0, 100.0 + LIVE)
    assert liveness.lives("pub", 100.0 + LIVE) is None
    assert liveness.lives("pub", 100.1 + LIVE) is False


def test_a_counter_that_begins_anew() -> None:
    """Reports that were lost with a database server, and a node that begins at 1 again, are signs of life."""
    liveness = Liveness()
    liveness.read([report("pub", 9)], 100.0)
    liveness.read([], 101.0)
    assert liveness.lives("pub", 101.0) is False
    liveness.read([report("pub", 1)], 102.0)
    liveness.read([report("pub", 2)], 103.0)
    assert liveness.lives("PUB", 103.0) is True
    liveness.read([report("pub", 1)], 104.0)
    assert liveness.lives("pub", 104.0) is True


def test_a_report_that_comes_later() -> None:
    """Who reports for the first time while the reader looks has just written it; that of the first reading is older."""
    liveness = Liveness()
    liveness.read([report("pub", 9)], 100.0)
    liveness.read([report("pub", 9), report("sub1", 1), report("sub2", 70, generation=4)], 101.0)
    assert states(liveness, 101.0) == [NodeState.UNKNOWN, NodeState.CURRENT, NodeState.BEHIND]


def test_a_reader_that_could_not_read() -> None:
    """An outage of the database is no silence of nodes: they have `LIVE` seconds again; one silent before stays so."""
    liveness = Liveness()
    for second in range(13):
        liveness.read([report("pub", 1 + second), report("sub1", 7 + min(second, 1))], 100.0 + second)
    assert states(liveness, 112.0)[:2] == [NodeState.CURRENT, NodeState.SILENT]
    stopped = [report("pub", 13), report("sub1", 8), report("sub2", 1)]
    liveness.read(stopped, 172.0)
    assert states(liveness, 172.0) == [NodeState.UNKNOWN, NodeState.SILENT, NodeState.UNKNOWN]
    liveness.read([report("pub", 14), *stopped[1:]], 173.0)
    assert states(liveness, 173.0) == [NodeState.CURRENT, NodeState.SILENT, NodeState.UNKNOWN]
    read_each_second(liveness, [report("pub", 14), report("sub1", 9), report("sub2", 1)], 174.0, 183.0)
    assert states(liveness, 182.0) == [NodeState.CURRENT, NodeState.CURRENT, NodeState.UNKNOWN]
    assert states(liveness, 183.1) == [NodeState.SILENT, NodeState.CURRENT, NodeState.SILENT]


def test_readings_that_are_a_little_late() -> None:
    """Less than `GAP` seconds count as silence."""
    liveness = Liveness()
    for moment in (100.0, 102.9, 105.8, 108.7, 111.6):
        liveness.read([report("pub", 1 + (moment > 100.0))], moment)
    assert liveness.lives("pub", 112.9) is True
    assert liveness.lives("pub", 113.0) is False


def test_a_report_that_others_have_outdated() -> None:
    """More reports since than nodes can write in `LIVE` seconds tell of a silent node at once; fewer tell nothing."""
    assert MOST >= LIVE / LOOK
    liveness = Liveness()
    liveness.read([report("pub", 1), report("sub1", 7, later=2 * MOST)], 100.0)
    assert states(liveness, 100.0)[:2] == [NodeState.UNKNOWN, NodeState.UNKNOWN]
    liveness.read([report("pub", 2), report("sub1", 7, later=2 * MOST + 1)], 101.0)
    assert states(liveness, 101.0)[:2] == [NodeState.CURRENT, NodeState.SILENT]
    liveness.read([report("pub", 2, later=1), report("sub1", 8)], 102.0)
    assert states(liveness, 102.0)[:2] == [NodeState.CURRENT, NodeState.CURRENT], "it is back"


def test_what_a_status_has() -> None:
    """Generation, staleness and problem are as reported; a text of another program is made fit for the board."""
    liveness = Liveness()
    liveness.read([report("pub", 1, problem="kaputt: ä" + "x" * 400)], 100.0)
    first, second, _ = liveness.statuses(NODES, 5, 100.0)
    assert (first.name, first.publisher, first.generation, first.staleness) == ("pub", True, 5, 0.25)
    assert first.problem.startswith("kaputt: \\xe4x")
    assert len(first.problem) == MAX_TEXT
    assert (second.name, second.generation, second.staleness, second.problem) == ("Sub1", None, None, "")
