"""The admin process as a whole: what it answers while the database does not."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.service import made_state, state
from tests.fixtures.silent import silent_name_server, silent_server
from tests.fixtures.statuses import service, slot
from tvs.admin.process import run_admin
from tvs.process.observer import BOARD_SIZE
from tvs.state import StateDirectory
from tvs.system.board import Board
from tvs.system.fork import fork
from tvs.system.heartbeat import Heartbeat
from tvs.system.listening import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["made_state", "silent_name_server", "silent_server", "state"]

PATIENCE = 60.0


@pytest.fixture(params=["silent_server", "silent_name_server"])
def get(request: pytest.FixtureRequest, state: StateDirectory, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Asks the admin process of a service whose database is silent for a path."""
    elsewhere = StateDirectory(state.path, request.getfixturevalue(request.param))
    board = Board()
    board.write(service(slot()).to_json())
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    with closing(listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        parent = os.getpid()

        def work() -> int:
            return run_admin(
                listener,
                board=board,
                observed=Board(BOARD_SIZE),
                cluster=Board(),
                fleet=Board(),
                metrics=metrics,
                state=elsewhere,
                token_file=None,
                supervisor=parent,
                heartbeat=Heartbeat(),
            )

        process = fork(work)

    def asked(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    try:
        yield asked
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def test_scrape_while_the_database_is_silent(get: Callable[[str], str]) -> None:
    """Each scrape is answered whole before the port's deadline, again and again; what is not known has no sample."""
    for _ in range(4):
        samples = get("/metrics")
        assert "tvs_build_info{" in samples
        assert "tvs_list_signer_trusted{" not in samples


def test_status_while_the_database_is_silent(get: Callable[[str], str]) -> None:
    """The status has what it knows without the database; the probe is answered meanwhile."""
    for _ in range(2):
        report = json.loads(get("/status.json"))
        assert report["certificates"] == []
        assert [found["verified"] for found in report["lists"]] == [True, True]
    assert get("/")
