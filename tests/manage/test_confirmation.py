"""Which nodes have confirmed a change, from readings of their reports; times are numbers."""

from __future__ import annotations

from certstore.generations import NodeReport
from tvs.cluster.nodestates import LIVE, MOST
from tvs.manage.confirmation import GONE, Confirmation, NodeStep, Reading, Watch

BEGAN = 100.0
MADE = 42


def report(node: str, counter: int, generation: int = MADE, problem: str = "", later: int = 0) -> NodeReport:
    """A report of a node."""
    return NodeReport(node=node, generation=generation, staleness=0.0, counter=counter, problem=problem, later=later)


def watching(*before: NodeReport, nodes: str = "pub sub1 sub2", former: dict[str, str] | None = None) -> Watch:
    """A watch over nodes that had these reports before the change."""
    return Watch(MADE, nodes.split(), Reading(at=BEGAN, reports=before), former)


def steps(watch: Watch, now: float) -> dict[str, str]:
    """What is known of each node."""
    return {node.node: node.step.value for node in watch.result(BEGAN, now).nodes}


def test_a_report_after_the_change_confirms() -> None:
    """A report with another counter and the change's number or a later one confirms, as soon as it is read."""
    watch = watching(report("pub", 7, 41), report("sub1", 3, 41))
    watch.see([report("pub", 8), report("sub1", 4, 43)], BEGAN + 0.1)
    assert steps(watch, BEGAN + 0.1) == {"pub": "confirmed", "sub1": "confirmed", "sub2": "no_service"}
    result = watch.result(BEGAN, BEGAN + 0.1)
    assert result.complete
    assert (result.running, result.generation, [node.generation for node in result.nodes]) == (
        2,
        MADE,
        [MADE, 43, None],
    )
    assert watch.waiting(BEGAN + 0.1) == []


def test_an_old_report_with_a_high_number_confirms_nothing() -> None:
    """The report of a node that crashed stays as it was: it is waited for as long as it may live, and then named."""
    watch = watching(report("pub", 7, 41), report("sub1", 3, 99))
    watch.see([report("pub", 8), report("sub1", 3, 99)], BEGAN + 0.1)
    assert watch.waiting(BEGAN + 0.1) == ["sub1"]
    watch.see([report("pub", 8), report("sub1", 3, 99)], BEGAN + LIVE)
    assert watch.waiting(BEGAN + LIVE) == []
    assert steps(watch, BEGAN + LIVE) == {"pub": "confirmed", "sub1": "not_reached", "sub2": "no_service"}
    assert not watch.result(BEGAN, BEGAN + LIVE).complete
    watch.see([report("pub", 9), report("sub1", 4, 99)], BEGAN + LIVE + 1)
    assert steps(watch, BEGAN + LIVE + 1)["sub1"] == "confirmed", "it is back"


def test_a_node_that_was_dead_before() -> None:
    """Others have reported too often since its last report: it is not waited for, unless it reports meanwhile."""
    dead = report("sub1", 3, 99, later=2 * MOST + 1)
    watch = watching(report("pub", 7, 41), dead, nodes="pub sub1")
    watch.see([report("pub", 7, 41), dead], BEGAN)
    assert watch.waiting(BEGAN) == ["pub"]
    assert steps(watch, BEGAN) == {"pub": "not_confirmed", "sub1": "not_reached"}
    watch.see([report("pub", 8, 41), report("sub1", 4, 41)], BEGAN + 0.5)
    assert watch.waiting(BEGAN + 0.5) == ["pub", "sub1"], "it is back"
    watch.see([report("pub", 9), report("sub1", 5)], BEGAN + 1)
    assert watch.result(BEGAN, BEGAN + 1).complete


def test_nobody_could_report() -> None:
    """After an outage of the database all reports are old, and none is outdated: nodes are waited for."""
    old = [report("pub", 7, 41, later=MOST), report("sub1", 3, 41, later=2 * MOST), report("sub2", 5, 41)]
    watch = watching(*old)
    watch.see(old, BEGAN + 0.1)
    assert watch.waiting(BEGAN + 0.1) == ["pub", "sub1", "sub2"]


def test_this_node_was_dead_before() -> None:
    """Its outdated report says nothing if a service runs, which has just started; else it is not waited for."""
    dead = report("pub", 3, 99, later=MOST * 2 + 1)
    for runs, step in ((True, "not_confirmed"), (False, "no_service"), (None, "not_reached")):
        watch = watching(dead, nodes="pub sub1")
        watch.running_here("pub", runs=runs)
        watch.see([dead, report("sub1", 9)], BEGAN)
        assert steps(watch, BEGAN)["pub"] == step
    assert not watch.waiting(BEGAN)


def test_a_node_that_lives_and_is_behind() -> None:
    """A node whose counter grows is waited for; its last generation and its problem are known at the end."""
    watch = watching(report("pub", 7, 41))
    for turn in range(1, 16):
        now = BEGAN + turn
        watch.see([report("pub", 7 + turn, 41, "a list cannot be written")], now)
        assert watch.waiting(now) == ["pub"]
    (node, *_) = watch.result(BEGAN, BEGAN + 15).nodes
    assert (node.step, node.generation, node.seconds) == (NodeStep.BEHIND, 41, None)
    assert node.problem == "a list cannot be written"
    watch.see([report("pub", 23)], BEGAN + 16)
    (node, *_) = watch.result(BEGAN, BEGAN + 17).nodes
    assert (node.step, node.seconds) == (NodeStep.CONFIRMED, 16)


def test_a_node_dies_while_it_is_waited_for() -> None:
    """From its last new report on, it is waited for as long as it may live."""
    watch = watching(report("pub", 7, 41), nodes="pub")
    watch.see([report("pub", 8, 41)], BEGAN + 3)
    watch.see([report("pub", 8, 41)], BEGAN + 5)
    assert watch.waiting(BEGAN + 2.9 + LIVE) == ["pub"]
    assert watch.waiting(BEGAN + 3 + LIVE) == []


def test_a_service_that_was_started_anew_counts_from_the_beginning() -> None:
    """A counter that is lower than before is a new report too."""
    watch = watching(report("pub", 700, 41), nodes="pub")
    watch.see([report("pub", 1)], BEGAN + 0.1)
    assert steps(watch, BEGAN + 0.1) == {"pub": "confirmed"}


def test_what_was_confirmed_stays_so() -> None:
    """A node that confirmed and then is started anew, or dies, has confirmed."""
    watch = watching(report("pub", 7, 41), nodes="pub")
    watch.see([report("pub", 8)], BEGAN + 0.1)
    watch.see([report("pub", 1, 0)], BEGAN + 0.2)
    assert steps(watch, BEGAN + 0.2) == {"pub": "confirmed"}
    watch.see([], BEGAN + 99)
    assert steps(watch, BEGAN + 99) == {"pub": "confirmed"}


def test_services_that_start_and_stop() -> None:
    """A node whose first report comes during the wait is waited for; one that stops in order is not."""
    watch = watching(report("sub1", 3, 41), nodes="pub sub1")
    watch.see([report("pub", 1, 0)], BEGAN + 1)
    assert watch.waiting(BEGAN + 1) == ["pub"]
    assert steps(watch, BEGAN + 1) == {"pub": "not_confirmed", "sub1": "no_service"}
    watch.see([report("pub", 2)], BEGAN + 2)
    assert watch.result(BEGAN, BEGAN + 2).complete


def test_no_service_anywhere() -> None:
    """Without a report nobody is waited for, and nothing is claimed."""
    watch = watching()
    watch.see([], BEGAN + 0.01)
    result = watch.result(BEGAN, BEGAN + 0.01)
    assert (watch.waiting(BEGAN + 0.01), result.running, result.complete) == ([], 0, True)


def test_reports_of_others() -> None:
    """Reports of nodes that the cluster does not have are left out; names are compared without regard to case."""
    watch = watching(report("PUB", 1, 41), report("gone", 1, 99), nodes="puB")
    watch.see([report("Pub", 2), report("gone", 2, 41)], BEGAN + 0.1)
    assert steps(watch, BEGAN + 0.1) == {"puB": "confirmed"}


def test_the_database_loses_the_reports() -> None:
    """Reports that are gone after the database was lost went with it: the nodes that had one are waited for."""
    watch = watching(report("pub", 7, 41), report("sub1", 3, 41))
    watch.lose()
    watch.see([], BEGAN + 2)
    assert watch.waiting(BEGAN + 2) == ["pub", "sub1"]
    watch.see([report("pub", 9)], BEGAN + 3)
    assert steps(watch, BEGAN + LIVE) == {"pub": "confirmed", "sub1": "not_reached", "sub2": "no_service"}


def test_reports_that_could_not_be_read_before() -> None:
    """Without a reading from before the change, the first one after it says nothing: counters must grow from there."""
    watch = Watch(MADE, ["pub"], Reading(at=BEGAN, reports=None))
    watch.see([report("pub", 8)], BEGAN + 1)
    assert watch.waiting(BEGAN + 1) == ["pub"]
    watch.see([report("pub", 8)], BEGAN + 2)
    assert watch.waiting(BEGAN + 2) == ["pub"]
    watch.see([report("pub", 9)], BEGAN + 3)
    assert steps(watch, BEGAN + 3) == {"pub": "confirmed"}


def test_a_renamed_node() -> None:
    """A node with a report under its former name is waited for under the new one; one without is not."""
    watch = watching(report("old", 7, 41), nodes="new", former={"new": "old"})
    watch.see([report("old", 8, 41)], BEGAN + 0.1)
    assert watch.waiting(BEGAN + 0.1) == ["new"]
    watch.see([report("new", 9)], BEGAN + 1)
    assert steps(watch, BEGAN + 1) == {"new": "confirmed"}
    silent = watching(nodes="new", former={"new": "old"})
    silent.see([], BEGAN + 0.1)
    assert steps(silent, BEGAN + 0.1) == {"new": "no_service"}


def test_this_node_has_just_started() -> None:
    """A service of this node that runs is waited for before its first report, as long as any other."""
    watch = watching(nodes="pub sub1")
    watch.running_here("PUB", runs=True)
    watch.see([], BEGAN + 0.1)
    assert steps(watch, BEGAN + 0.1) == {"pub": "not_confirmed", "sub1": "no_service"}
    assert watch.waiting(BEGAN + 0.1) == ["pub"]
    assert steps(watch, BEGAN + LIVE)["pub"] == "not_reached"
    watch.see([report("pub", 1)], BEGAN + LIVE + 1)
    assert steps(watch, BEGAN + LIVE + 1)["pub"] == "confirmed"


def test_this_node_was_killed() -> None:
    """A report that does not change is not waited for if no service of this node runs; one that changes is."""
    watch = watching(report("pub", 7, 41), report("sub1", 3, 41))
    watch.running_here("pub", runs=False)
    watch.see([report("pub", 7, 41), report("sub1", 3, 41)], BEGAN + GONE)
    assert steps(watch, BEGAN + GONE) == {"pub": "no_service", "sub1": "not_confirmed", "sub2": "no_service"}
    watch.see([report("pub", 8, 41)], BEGAN + GONE + 1)
    assert watch.waiting(BEGAN + GONE + 1) == ["pub"], "it runs after all"
    unknown = watching(report("pub", 7, 41), nodes="pub")
    unknown.running_here("pub", runs=None)
    unknown.see([report("pub", 7, 41)], BEGAN + GONE)
    assert unknown.waiting(BEGAN + GONE) == ["pub"]


def test_an_end_before_the_end() -> None:
    """A wait that was interrupted, or lost its database, is not complete, whatever was confirmed."""
    watch = watching(report("pub", 7), nodes="pub")
    watch.see([report("pub", 8)], BEGAN + 0.1)

    def result(problem: str = "", *, interrupted: bool = False) -> Confirmation:
        return watch.result(BEGAN, BEGAN + 1, problem, interrupted=interrupted)

    assert result().complete
    assert not result("the database is gone").complete
    assert not result(interrupted=True).complete
