"""Workers count in files; that the files' directory is removed stops no answer."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import alive, helper_process, under_load, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Scrape, Serve
    from tests.fixtures.running import Running

    Workers = Callable[[Running], list[int]]

ACCEPTED = "tvs_connections_accepted_total"
QUIET = ("--log-level", "info")


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """The place of the files' directory."""
    path = tmp_path / "runtime"
    path.mkdir()
    return path


def start(serve: Serve, runtime: Path, workers: int) -> Running:
    """A service that keeps its files there."""
    return serve("--workers", str(workers), *QUIET, environment={"RUNTIME_DIRECTORY": str(runtime)})


def files_of(runtime: Path) -> Path:
    """The directory in which the workers count."""
    (directory,) = runtime.glob("tvs-metrics-*")
    return directory


def remove(directory: Path) -> None:
    """Removes a directory with its files at once: no worker makes a file in it meanwhile."""
    shutil.rmtree(directory.rename(directory.with_name("removed")))


async def ask(service: Running) -> int:
    """Phones ask; returns the number of answers."""
    async with under_load(service) as load:
        pass
    assert load.failures == []
    return load.answered


async def kill_one(service: Running, workers: Workers) -> None:
    """Kills the first worker, and waits for the one that replaces it."""
    victim = workers(service)[0]
    os.kill(victim, signal.SIGKILL)
    await until(lambda: not {0, victim} & set(workers(service)), "a new worker")


def count(service: Running, event: str) -> int:
    """Number of log lines with an event."""
    return sum(f" {event}" in line for line in service.lines())


@pytest.mark.parametrize("all_of_it", [True, False], ids=["directory", "files"])
async def test_counters_come_back(
    serve: Serve, scrape: Scrape, workers: Workers, runtime: Path, *, all_of_it: bool
) -> None:
    """Workers that run go on from the numbers reached, in new files; their replacements go on from there."""
    service = start(serve, runtime, 2)
    answered = await ask(service)
    await until(lambda: scrape(service)[ACCEPTED] == answered, "all are counted")
    directory = files_of(runtime)
    if all_of_it:
        remove(directory)
    else:
        for path in list(directory.glob("counter_*")):
            path.unlink()
    await until(lambda: count(service, "metrics_files_restored") == 2, "both workers have files again")
    await until(lambda: scrape(service).get(ACCEPTED) == answered, "the counters are back")
    await kill_one(service, workers)
    answered += await ask(service)
    await until(lambda: scrape(service)[ACCEPTED] == answered, "all are counted")
    assert count(service, "metrics_directory_restored") == int(all_of_it)


async def test_worker_dies_at_once_after_the_directory(
    serve: Serve, scrape: Scrape, workers: Workers, runtime: Path
) -> None:
    """It is replaced, phones are answered and counted, although its own count is lost with the directory."""
    service = start(serve, runtime, 1)
    await ask(service)
    (victim,) = workers(service)
    remove(files_of(runtime))
    os.kill(victim, signal.SIGKILL)
    await until(lambda: not {0, victim} & set(workers(service)), "a new worker")
    before = scrape(service)[ACCEPTED]
    answered = await ask(service)
    await until(lambda: scrape(service)[ACCEPTED] == before + answered, "all are counted")
    assert service.process.poll() is None


async def test_directory_that_cannot_be_made_again(
    serve: Serve, scrape: Scrape, workers: Workers, runtime: Path
) -> None:
    """Workers are replaced and answer without counting, which two lines say; later ones count when it is possible."""
    service = start(serve, runtime, 1)
    directory = files_of(runtime)
    remove(directory)
    directory.touch()
    await until(lambda: count(service, "metrics_directory_lost") == 1, "the loss is reported")
    await kill_one(service, workers)
    uncounted = await ask(service)
    admin = helper_process(service, "admin")
    os.kill(admin, signal.SIGKILL)
    await until(lambda: not alive(admin), "the admin process's end")
    metrics = scrape(service)
    assert metrics['tvs_workers{state="running"}'] == 1
    assert ACCEPTED not in metrics
    assert (count(service, "metrics_directory_lost"), count(service, "metrics_not_shared")) == (1, 1)
    directory.unlink()
    await until(lambda: count(service, "metrics_directory_restored") == 1, "the directory")
    await until(lambda: count(service, "metrics_files_restored") == 1, "the worker counts in files")
    await until(lambda: scrape(service).get(ACCEPTED) == uncounted, "what it counted in memory is in them")
    await kill_one(service, workers)
    answered = uncounted + await ask(service)
    await until(lambda: scrape(service)[ACCEPTED] == answered, "all are counted")
