"""Worker slots: starts, reports, hung workers, ends, give-up and drain, with a clock of the test's own."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.statuses import worker
from tests.process.world import FAILED, TIMEOUT, World, duplicate
from tvs.process.messages import Report
from tvs.process.restarts import GIVE_UP
from tvs.process.slot import START_PATIENCE
from tvs.status.model import RestartReason, SlotState
from tvs.system.listening import listen

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    """Two slots."""
    made = World(2)
    yield made
    made.close()


def test_worker_runs_from_its_first_report_on(world: World) -> None:
    """A forked worker is starting; with its status, and not before, it counts as running."""
    world.start()
    assert world.states() == [SlotState.STARTING] * 2
    assert world.slot().status().worker is None
    world.report(0)
    assert world.states() == [SlotState.RUNNING, SlotState.STARTING]
    assert world.slot().status().worker == worker()
    assert world.reports == [(0, Report(status=worker()))]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"status": {}},
        {"status": None, "reloaded": False, "problem": ""},
        {"status": {"reasons": []}, "reloaded": False, "problem": ""},
        {**Report(status=worker()).to_json(), "problem": 7},
    ],
)
def test_unreadable_report_is_not_a_sign_of_life(world: World, message: dict[str, object]) -> None:
    """A message that is not a report changes nothing; a worker that sends nothing else is replaced. One log line."""
    world.run()
    before = world.slot().status()
    world.now += 6
    for _ in range(3):
        world.ends[world.slot().process].send(message)
        world.slots.receive(world.now)
    assert world.slot().status() == before
    assert [name for name, _ in world.events] == ["worker_report_unreadable"]
    world.report(1)
    world.now += 6
    world.slots.kill_hung(world.now)
    assert world.signals == [(world.slot().process, signal.SIGKILL)]


def test_bytes_that_are_not_json(world: World) -> None:
    """Bytes that are not JSON, or nested too deeply, change nothing; the next report is taken."""
    world.start()
    end = socket.socket(fileno=duplicate(world.ends[world.slot().process]))
    with end:
        for data in (b"\xff", b"{", b"[" * 50_000, b"7", b"null"):
            end.send(data)
            world.slots.receive(world.now)
    assert world.states()[0] is SlotState.STARTING
    world.report(0)
    assert world.states()[0] is SlotState.RUNNING


def test_silent_worker_is_killed_once(world: World) -> None:
    """A running worker that is silent for longer than the timeout is killed, once; its end is counted as hung."""
    world.run()
    victim = world.slot().process
    world.now += TIMEOUT
    world.report(1)
    world.slots.kill_hung(world.now)
    assert world.signals == []
    world.now += 0.5
    for _ in range(2):
        world.slots.kill_hung(world.now)
    assert world.signals == [(victim, signal.SIGKILL)]
    assert world.events[-1] == (
        "worker_hung",
        {"level": "error", "worker": 0, "pid": victim, "silent_seconds": 10.5},
    )
    world.end(0, signal.SIGKILL)
    assert world.slots.restarts == {RestartReason.HUNG: 1}


def test_worker_that_starts_has_more_time(world: World) -> None:
    """A worker that reads a large store is not silent yet; after two minutes it is."""
    world.start()
    world.now += START_PATIENCE
    world.slots.kill_hung(world.now)
    assert world.signals == []
    world.now += 1
    world.slots.kill_hung(world.now)
    assert len(world.signals) == 2


def test_supervisor_sleeps_while_workers_start_or_die(world: World) -> None:
    """A worker that takes long to start, or was killed and is not gone yet, does not keep the supervisor busy."""
    world.start()
    world.now += START_PATIENCE - 5
    assert world.slots.next_due(world.now) == 1.0
    world.now += 6
    world.slots.kill_hung(world.now)
    assert world.slots.next_due(world.now) == 1.0


@pytest.mark.parametrize(
    ("wait_status", "reason", "detail"),
    [
        (0, RestartReason.EXITED, ""),
        (FAILED, RestartReason.FAILED, "exit status 1"),
        (12 * FAILED, RestartReason.FAILED, "out of memory"),
        (signal.SIGSEGV, RestartReason.KILLED, "SIGSEGV"),
    ],
)
def test_end_of_a_worker(world: World, wait_status: int, reason: RestartReason, detail: str) -> None:
    """The end of a worker is counted by its cause and logged; its slot waits, has no status and is started again."""
    world.run()
    process = world.slot().process
    world.end(0, wait_status)
    assert world.states() == [SlotState.WAITING, SlotState.RUNNING]
    assert (world.slot().status().pid, world.slot().status().worker) == (0, None)
    assert world.slots.restarts == {reason: 1}
    fields = {"level": "warning", "worker": 0, "pid": process, "reason": str(reason), "detail": detail}
    assert world.events == [("worker_died", {**fields, "restart_in": 0.0})]
    world.start()
    assert world.states() == [SlotState.STARTING, SlotState.RUNNING]
    assert world.slot().process != process


def test_process_that_is_not_a_worker(world: World) -> None:
    """The end of another child process is not a worker's."""
    world.run()
    assert not world.slots.reaped(7, 0, world.now)
    assert world.slots.restarts == {}


def test_start_waits_until_it_is_due(world: World) -> None:
    """A worker that failed to start is started again after its back-off, not earlier."""
    world.start()
    world.report(1)
    world.end(0)
    assert world.slots.next_due(world.now) == pytest.approx(0.1)
    world.now += 0.09
    world.start()
    assert world.states()[0] is SlotState.WAITING
    world.now += 0.02
    world.start()
    assert world.states()[0] is SlotState.STARTING


def test_slot_whose_workers_fail_is_closed_and_can_be_opened_again(world: World) -> None:
    """A slot that gets no worker to run keeps no phones waiting: its port is closed, until a reload."""
    for _ in range(GIVE_UP):
        world.start()
        for number in (0, 1):
            world.end(number)
        world.now += 10
    assert world.states() == [SlotState.CLOSED] * 2
    assert (world.slots.restarts, world.slots.alive) == ({RestartReason.FAILED: 2 * GIVE_UP}, False)
    assert [name for name, _ in world.events][-2:] == ["worker_given_up"] * 2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(world.address)
    world.start()
    assert world.ends == {}
    host, port = world.address
    world.slots.revive(lambda: listen(host, port, shared=True))
    socket.create_connection(world.address).close()
    world.start()
    assert world.states() == [SlotState.STARTING] * 2
    world.end()
    assert world.events[-1][0] == "worker_died"  # with a clean record


def test_fork_that_fails_backs_off(world: World) -> None:
    """If no process can be forked, the attempts back off, also after a worker that lived long; none is forgotten."""
    world.run()
    world.now += 100
    world.report(0)
    world.end(1)
    world.refusing = True
    waits = []
    for _ in range(8):
        world.now = max(world.now, world.slot(1).due)
        world.start()
        waits.append(round(world.slot(1).due - world.now, 3))
    assert waits == [0.0, 0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert world.events[-1][1]["detail"].endswith("Resource temporarily unavailable")
    world.refusing = False
    world.now += 1
    world.run()
    assert world.states() == [SlotState.RUNNING] * 2


def test_drain(world: World) -> None:
    """The ports are closed at once, each worker gets one SIGTERM, and those that end are not replaced."""
    world.run()
    processes = [slot.process for slot in world.slots]
    world.slots.drain()
    assert world.signals == [(process, signal.SIGTERM) for process in processes]
    assert world.states() == [SlotState.STOPPING] * 2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(world.address)
    world.end(0, 0)
    world.now += 100
    world.start()
    world.slots.kill_hung(world.now)
    assert world.states() == [SlotState.CLOSED, SlotState.STOPPING]
    assert (world.slots.alive, world.slots.restarts, len(world.signals)) == (True, {}, 2)
    world.slots.kill()
    assert world.signals[2:] == [(processes[1], signal.SIGKILL)]
    world.end(1, signal.SIGKILL)
    assert not world.slots.alive


def test_worker_that_closed_its_channel_is_waited_for(world: World) -> None:
    """A closed channel is not the worker's end: that is its exit status."""
    world.run()
    world.ends[world.slot().process].close()
    world.slots.receive(world.now)
    assert (world.slot().channel, world.states()[0]) == (None, SlotState.RUNNING)
    assert world.slots.connections == 2
