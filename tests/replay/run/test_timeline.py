"""Counts and percentiles by second."""

from __future__ import annotations

from array import array

import pytest

from tvs.replay.questions.model import Asked, Caller, Question
from tvs.replay.run.counters import Progress
from tvs.replay.run.failures import Failure
from tvs.replay.run.schedule import Schedule
from tvs.replay.run.timeline import Second, Timeline


@pytest.mark.parametrize(
    ("count", "p50", "p99"), [(1, 1, 1), (2, 1, 2), (100, 50, 99), (101, 51, 100), (1000, 500, 990)]
)
def test_percentiles_of_a_second(count: int, p50: float, p99: float) -> None:
    """Percentiles are values by nearest rank."""
    values = array("L", (number * 1_000_000 for number in range(count, 0, -1)))
    assert Second(whole=values).percentiles((50, 99, 100)) == [p50, p99, count]
    assert Second().percentiles((50,)) == [None]


def test_reports_of_processes_add_up() -> None:
    """Counts and latencies of one second add up; open connections are those of each process's last report."""
    timeline = Timeline()
    for process, in_flight in ((0, 5), (1, 3), (0, 2)):
        progress = Progress(in_flight=in_flight)
        progress.counts.update({(7, "answered"): 2, (7, Failure.RESET): 1})
        progress.planned_at.append(6)
        progress.whole.append(1000)
        timeline.add(process, progress)
    assert timeline.seconds[7].counts["answered"] == timeline.total["answered"] == 6
    assert (timeline.seconds[7].failed, timeline.failed) == (3, 3)
    assert list(timeline.seconds[6].whole) == [1000] * 3
    assert timeline.in_flight == 5


@pytest.mark.parametrize(("closed", "planned"), [(False, {0: 2, 3: 2}), (True, {})])
def test_planned_queries_are_those_of_an_open_schedule(closed: bool, planned: dict[int, int]) -> None:
    """Each query of a call counts in its own second; a closed loop plans no times."""
    question = Asked(Question(issuer="CN=a", serial=b"\x01"), None)
    schedule = Schedule(mode="a test", phones=[Caller("CP-8861-SEP000000000001")] * 2, asked=[question], talks=[])
    schedule.talks.append(((0.0, 0), (3.0, 0)))
    for phone in range(2):
        schedule.at.append(0.5)
        schedule.phone.append(phone)
        schedule.talk.append(0)
    schedule.at_once = 1 if closed else None
    timeline = Timeline()
    timeline.add_schedule(schedule)
    assert {second: entry.planned for second, entry in timeline.seconds.items()} == planned
