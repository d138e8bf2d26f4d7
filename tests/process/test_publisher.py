"""Publication of the status: on the board before anything is in the log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.statuses import service, slot, worker
from tests.process.world import World
from tvs.config.settings import Config
from tvs.log.logger import logger_for
from tvs.process.expiry import ExpiryWatch
from tvs.process.publisher import INTERVAL, Publisher
from tvs.process.supervisorlog import SupervisorLog
from tvs.status.health import readiness
from tvs.status.model import ServiceStatus, SlotState
from tvs.system.board import Board

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.log.forms import Record


class Reader:
    """A log whose reader reads the board with each line.

    Attributes:
        seen: each line's event, with the status on the board at that moment.
    """

    threshold = 0

    def __init__(self, board: Board) -> None:
        self._board = board
        self.seen: list[tuple[str, ServiceStatus]] = []

    def emit(self, record: Record) -> None:
        """A line is written."""
        self.seen.append((record[2], ServiceStatus.from_json(self._board.read())))


@pytest.fixture
def board() -> Board:
    """An empty board."""
    return Board()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SupervisorLog]:
    """The supervisor's log, in a file."""
    opened = SupervisorLog(Config(state=tmp_path, log_file=tmp_path / "log"))
    yield opened
    opened.close()


@pytest.fixture
def reader(board: Board, log: SupervisorLog) -> Reader:
    """The log's reader."""
    made = Reader(board)
    log.logger = logger_for(made)
    return made


def test_board_knows_before_the_log(board: Board, log: SupervisorLog, reader: Reader) -> None:
    """An event's line is written after the status that the event led to is on the board, in the events' order."""
    slots = [slot()]
    publisher = Publisher(board, log, lambda now: service(*slots, time=now))
    slots.append(slot(1))
    publisher.report("info", "first")
    publisher.report("error", "second")
    assert (reader.seen, board.read()) == ([], {})
    publisher.publish_due(100.0)
    assert reader.seen == [(event, service(slot(), slot(1))) for event in ("first", "second")]
    publisher.publish(101.0)
    assert len(reader.seen) == 2


def test_status_is_published_when_it_changed_or_is_old(board: Board, log: SupervisorLog) -> None:
    """A change is published in the same turn; without one the status is renewed every second."""
    times: list[float] = []

    def status(now: float) -> ServiceStatus:
        times.append(now)
        return service(time=now)

    publisher = Publisher(board, log, status)
    for now in (100.0, 100.5, 100.9, 100.0 + INTERVAL, 101.2):
        publisher.publish_due(now)
    publisher.changed()
    publisher.publish_due(101.3)
    assert times == [100.0, 101.0, 101.3]
    assert ServiceStatus.from_json(board.read()).time == 101.3


def test_lines_of_slots_come_after_the_board_knows(board: Board, log: SupervisorLog, reader: Reader) -> None:
    """At the lines worker_died, worker_hung and worker_given_up the board already has the slot's new state."""
    world = World(2)
    try:
        publisher = Publisher(board, log, lambda now: service(*(item.status() for item in world.slots), time=now))
        world.forward = publisher.report
        world.run()
        world.now += 100
        world.report(1)
        world.slots.kill_hung(world.now)
        world.end(0, 9)
        publisher.publish_due(world.now)
        world.give_up(0, after_each=lambda: publisher.publish_due(world.now))
    finally:
        world.close()
    lines: list[tuple[str, Any]] = [(event, readiness(status, 0)[1]["workers"][0]) for event, status in reader.seen]
    states = [(event, found["state"], found["pid"]) for event, found in lines]
    assert states[:2] == [("worker_hung", "waiting", 0), ("worker_died", "waiting", 0)]
    assert states[-1] == ("worker_given_up", "closed", 0)
    assert {state for event, state, _ in states if event == "worker_died"} == {"waiting"}


def test_expired_certificate_is_reported_once(board: Board, log: SupervisorLog, tmp_path: Path) -> None:
    """A certificate that expires is in the log once, also when the worker that reported it is gone for a moment."""
    signed = [slot(status=worker(signer_not_after=1.0))]
    none = [slot(state=SlotState.WAITING)]
    states = [signed, none, signed, [*signed, slot(1, status=worker(signer_not_after=-1e300, last_success=99.0))]]
    publisher = Publisher(
        board, log, lambda now: replace(service(*states.pop(0), time=now), presented={"TVS.pem": 2.0})
    )
    for now in range(4):
        publisher.publish(100.0 + now)
    lines = [line.partition(" | ")[2] for line in (tmp_path / "log").read_text().splitlines()]
    assert [line.partition(" effect=")[0] for line in lines] == [
        "warning certificate_expired use=TVS name=TVS.pem not_after=1970-01-01T00:00:02+00:00",
        "warning certificate_expired use=signer name=CTLFile.tlv not_after=1970-01-01T00:00:01+00:00",
        "warning certificate_expired use=signer name=CTLFile.tlv not_after=-1e+300",
    ]


def test_clock_that_was_wrong() -> None:
    """A certificate that has not expired after all is reported again when it does."""
    watch = ExpiryWatch()
    status = replace(service(slot()), presented={"TVS.pem": 1000.0})
    assert [len(list(watch.news(status, now))) for now in (999.0, 1000.0, 1001.0, 5.0, 1000.0)] == [0, 1, 0, 0, 1]
