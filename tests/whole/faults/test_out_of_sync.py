"""Workers that answer from databases of other histories with one change number are told apart by what these hold."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.fixtures.certificates import certificate
from tests.fixtures.processes import halt, until
from tests.whole.faults.scenario import add, answers, restored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Workers = Callable[[Running], list[int]]

OUT_OF_SYNC = "tvs_cache_workers_out_of_sync"
OLD, NEW = certificate("CN=old", 0x73), certificate("CN=new", 0x74)
CONVERSATIONS = 10


async def test_worker_with_another_history(
    serve: Serve, scrape: Scrape, probe: Probe, workers: Workers, state: StateDirectory, tmp_path: Path
) -> None:
    """The metric counts a worker that stood still while the database was restored, until it has read it too."""
    backup = tmp_path / "backup.db"
    restored(state.database, backup)
    service = serve("--workers", "2", "--log-level", "info", "--worker-timeout", "600")
    number = add(state, OLD)
    await until(lambda: probe(service, "/readyz")[1]["db"]["generation"] == 2, "both workers have the old one")
    await until(lambda: scrape(service)[OUT_OF_SYNC] == 0, "both have the same")
    running, standing = workers(service)
    for worker in (running, standing):
        halt(worker)  # it must not see what comes piece by piece
    restored(backup, state.database)
    assert add(state, NEW) == number
    os.kill(running, signal.SIGCONT)
    await until(lambda: scrape(service)[OUT_OF_SYNC] == 1, "one worker has read the other history")
    os.kill(standing, signal.SIGCONT)
    await until(lambda: scrape(service)[OUT_OF_SYNC] == 0, "both have read it")
    assert workers(service) == [running, standing]
    assert {tuple(await answers(service, OLD, NEW)) for _ in range(CONVERSATIONS)} == {(False, True)}
