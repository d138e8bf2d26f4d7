"""A restored database of another history, whose change number is the one that the service knows."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.certificates import certificate
from tests.fixtures.processes import halt, until
from tests.whole.faults.scenario import add, answers, restored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Workers = Callable[[Running], list[int]]

PAUSE = 3.0
"""Seconds after which the supervisor reads a further change at once: it rests after each read (docs/operations.md)."""
OLD, NEW = certificate("CN=old", 0x71), certificate("CN=new", 0x72)


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
async def test_other_history_with_the_same_change_number(
    serve: Serve, probe: Probe, workers: Workers, state: StateDirectory, tmp_path: Path, *, killed: bool
) -> None:
    """Phones get the restored answers, from a worker that ran meanwhile, and from one that starts afterwards.

    The latter then dies while the database is gone: its replacement has the restored answers from the supervisor.
    """
    backup = tmp_path / "backup.db"
    restored(state.database, backup)
    service = serve("--workers", "1", "--log-level", "info")
    number = add(state, OLD)
    await until(lambda: probe(service, "/readyz")[1]["db"]["generation"] == 2, "the supervisor knows the old one")
    assert await answers(service, OLD, NEW) == [True, False]
    await asyncio.sleep(PAUSE)
    (worker,) = workers(service)
    halt(worker)  # it must not see what comes piece by piece
    restored(backup, state.database)
    assert add(state, NEW) == number
    os.kill(worker, signal.SIGKILL if killed else signal.SIGCONT)
    if killed:
        await until(lambda: not {0, worker} & set(workers(service)), "a new worker")
    known = 2 if killed else 3
    await until(lambda: probe(service, "/readyz")[1]["db"]["generation"] == known, "the supervisor knows the new one")
    assert await answers(service, OLD, NEW) == [False, True]
    state.database.rename(tmp_path / "away.db")
    (worker,) = workers(service)
    os.kill(worker, signal.SIGKILL)
    await until(lambda: not {0, worker} & set(workers(service)), "a new worker")
    assert await answers(service, OLD, NEW) == [False, True]
