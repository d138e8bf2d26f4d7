"""The parts of the supervisor by themselves: when workers are restarted, what monitoring is told, what is shared."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tvs.config.loading import ConfigError, load_config
from tvs.config.settings import Config
from tvs.log.pipeline import whole_lines
from tvs.process.restarts import GIVE_UP, STABLE, RestartPolicy
from tvs.process.slots import Slots
from tvs.server.deadlines import Deadline, Deadlines
from tvs.status.health import health, out_of_sync, readiness
from tvs.system.board import SIZE, Board
from tvs.system.listening import listen_together

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.process.slots import Slot
    from tvs.system.channel import Channel


# -- when workers are restarted ------------------------------------------------------------------------------------


def test_workers_that_die_are_replaced_soon_for_ever() -> None:
    """A worker that answered phones is replaced at once the first times, and never later than after a second."""
    policy = RestartPolicy()
    waits = [policy.ended(answered=True, lived=0.5) for _ in range(50)]
    assert waits[:5] == [0.0, 0.0, 0.0, 0.1, 0.2]
    assert waits[-1] == 1.0


def test_workers_that_never_answer_are_given_up() -> None:
    """Failures to start wait longer each time, and end after a fixed number."""
    policy = RestartPolicy()
    waits = [policy.ended(answered=False, lived=0.1) for _ in range(GIVE_UP)]
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, None]


def test_a_long_life_makes_good_what_was_before() -> None:
    """A worker that ran for a while begins with a clean record."""
    policy = RestartPolicy()
    for _ in range(GIVE_UP - 1):
        policy.ended(answered=False, lived=0.1)
    assert policy.ended(answered=False, lived=STABLE) == 0.1


def test_slot_whose_workers_fail_is_closed_and_can_be_opened_again() -> None:
    """A slot that gets no worker to run keeps no phones waiting: its port is closed, until a reload."""
    listeners = listen_together("127.0.0.1", 0, 1)
    host, port = listeners[0].getsockname()
    ends: list[Channel] = []

    def start(_slot: Slot, channel: Channel) -> int:
        ends.append(channel)
        return os.posix_spawn("/bin/false", ["/bin/false"], {})

    log = structlog.wrap_logger(None, processors=[_drop])
    slots = Slots(listeners, start=start, hear=lambda *_: None, log=log, timeout=10)
    now = 0.0
    for _ in range(GIVE_UP):
        slots.start_due(now)
        process, status = os.waitpid(-1, 0)
        assert slots.reaped(process, status, now)
        now += 10
    assert (slots.count("closed"), slots.restarts, slots.alive) == (1, {"failed": GIVE_UP}, False)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port))
    slots.start_due(now)
    assert len(ends) == GIVE_UP
    slots.revive(lambda: listen_together(host, port, 1)[0])
    socket.create_connection((host, port)).close()
    slots.start_due(now)
    assert len(ends) == GIVE_UP + 1
    os.waitpid(-1, 0)
    slots.close()


def _drop(*_arguments: object) -> Any:
    raise structlog.DropEvent


def test_sockets_share_a_port_only_among_themselves() -> None:
    """The sockets of one service share its port; another service is refused it."""
    listeners = listen_together("127.0.0.1", 0, 3)
    with contextlib.ExitStack() as stack:
        for listener in listeners:
            stack.enter_context(listener)
        assert len({listener.getsockname() for listener in listeners}) == 1
        with pytest.raises(OSError, match="in use"):
            listen_together("127.0.0.1", listeners[0].getsockname()[1], 2)


# -- what monitoring is told ---------------------------------------------------------------------------------------


def worker(slot: int = 0, *, state: str = "running", heard: float = 100.0, **status: Any) -> dict[str, Any]:
    """A worker as the supervisor describes it."""
    caches = {
        "db": {"up": True, "certificates": 4, "generation": 1, "change_number": 7},
        "ctl": {"state": "ok", "certificates": 2, "generation": 1, "content": "aa", "last_success": 50.0},
    }
    known = {"ready": True, "reasons": [], "connections": 1, **caches, **status}
    return {
        "slot": slot,
        "state": state,
        "pid": 10 + slot,
        "heard": heard,
        "status": known if state != "waiting" else {},
    }


def document(*workers: dict[str, Any], state: str = "running", time: float = 100.0) -> dict[str, Any]:
    """What the supervisor knows."""
    return {"time": time, "state": state, "workers": list(workers)}


def test_health_is_that_of_the_most_silent() -> None:
    """Healthy while supervisor and workers gave signs of life lately; a worker that is not there has none to give."""
    assert health(document(worker()), 101)[0]
    assert health(document(worker(), worker(1, heard=96)), 100.9)[0]
    assert not health(document(worker(), worker(1, heard=94)), 100)[0]
    assert not health(document(worker(), time=90), 100)[0]
    assert health(document(worker(), worker(1, state="waiting", heard=0)), 101)[0]
    assert not health({}, 100)[0]


def test_readiness_names_reason_and_workers() -> None:
    """Ready when whoever a phone comes to can answer completely; slots that were given up get no phones."""
    assert readiness(document(worker(), worker(1, state="closed")))[0]
    ready, told = readiness(document(worker(), worker(1, reasons=["CTL file damaged"]), worker(2, state="waiting")))
    assert not ready
    assert told["reasons"] == ["CTL file damaged (worker 1)", "worker is waiting (worker 2)"]
    assert (told["connections"], told["db"]["certificates"]) == (2, 4)
    assert readiness(document(worker(), state="stopping"))[1]["reasons"] == ["draining"]
    assert readiness({})[1]["reasons"] == ["starting"]


def test_workers_out_of_sync_are_counted() -> None:
    """The newest store and the newest list are what all should have."""
    behind = worker(1, db={"up": True, "certificates": 4, "generation": 1, "change_number": 6})
    other = worker(2, ctl={"state": "ok", "certificates": 2, "generation": 1, "content": "bb", "last_success": 40.0})
    assert out_of_sync(document(worker())) == out_of_sync({}) == 0
    assert out_of_sync(document(worker(), behind, other)) == 2
    assert out_of_sync(document(worker(), worker(1, state="waiting"))) == 0


# -- what is shared ------------------------------------------------------------------------------------------------


def test_board_is_never_read_half_written() -> None:
    """Whatever moment the reader comes at, it gets a whole document."""
    board = Board()
    assert board.read() == {}
    ended = threading.Event()

    def write() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            board.write({"first": number, "filling": "x" * (number % 3000), "last": number})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2000):
            read = board.read()
            assert read.get("first") == read.get("last")
    finally:
        ended.set()
        writer.join()
    with pytest.raises(ValueError, match="does not fit"):
        board.write({"x": "x" * SIZE})


@given(st.lists(st.integers(0, 6000), max_size=8))
def test_log_is_written_in_whole_lines(lengths: list[int]) -> None:
    """Pieces hold whole lines, no more than the system writes in one go, and together everything."""
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    pieces = list(whole_lines(data))
    assert b"".join(pieces) == data
    for piece in pieces:
        assert piece.endswith(b"\n")
        assert len(piece) <= select.PIPE_BUF or piece.count(b"\n") == 1


class _Waiting:
    """Something with deadlines that remembers those that passed."""

    def __init__(self) -> None:
        self.passed: list[Deadline] = []

    def expired(self, deadline: Deadline) -> None:
        self.passed.append(deadline)


def test_deadlines_follow_new_durations() -> None:
    """A shorter duration also ends what was begun before it; a longer one does not extend that."""
    deadlines = Deadlines(dict.fromkeys(Deadline, 10.0))
    early, late = _Waiting(), _Waiting()
    deadlines.set(early, Deadline.REQUEST, 0.0)
    deadlines.change(dict.fromkeys(Deadline, 1.0), 2.0)
    deadlines.set(late, Deadline.REQUEST, 2.5)
    deadlines.expire(3.0)
    assert (early.passed, late.passed) == ([Deadline.REQUEST], [])
    deadlines.change(dict.fromkeys(Deadline, 100.0), 3.0)
    deadlines.expire(3.5)
    assert late.passed == [Deadline.REQUEST]


def test_limits_of_the_service_are_shared_out(tmp_path: Path) -> None:
    """Limits are for the whole service: each worker has its part, and never none."""
    config = Config(state=tmp_path, workers=4)
    assert [config.share(limit) for limit in (10_000, 10, 1)] == [2_500, 3, 1]
    assert Config(state=tmp_path).worker_count == len(os.sched_getaffinity(0))
    for bad in ("0", "257", "many"):
        with pytest.raises(ConfigError, match="workers"):
            load_config({"state": str(tmp_path), "workers": bad}, environment={})
