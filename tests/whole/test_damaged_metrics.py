"""Files in which workers count are damaged while the service runs: nothing but the counts is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import under_load, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.running import Running

    Workers = Callable[[Running], list[int]]

ACCEPTED = "tvs_connections_accepted_total"


def cut(path: Path) -> None:
    """Three bytes are left: a worker that has the file mapped dies by SIGBUS."""
    os.truncate(path, 3)


def emptied(path: Path) -> None:
    """Nothing is left, with the same effect."""
    os.truncate(path, 0)


def garbage(path: Path) -> None:
    """All bytes are others."""
    overwrite(path, 0, b"\xa5" * path.stat().st_size)


def beyond_the_end(path: Path) -> None:
    """The header says that more is used than the file has."""
    overwrite(path, 0, struct.pack("i", 1 << 30))


def negative(path: Path) -> None:
    """The header says that less than nothing is used."""
    overwrite(path, 0, struct.pack("i", -8))


def other_names(path: Path) -> None:
    """The names of the numbers cannot be read; everything else can."""
    data = path.read_bytes()
    overwrite(path, 0, data.replace(b'["tvs_', b'["tvs"'))


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Writes into the file that workers have mapped."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def files(folder: Path) -> list[Path]:
    """The files of the only worker."""
    found = list(folder.glob("tvs-metrics-*/*.db"))
    assert len(found) == 5
    return found


@pytest.mark.parametrize(
    "damage", [cut, emptied, garbage, beyond_the_end, negative, other_names], ids=lambda damage: damage.__name__
)
async def test_worker_starts_in_spite_of_damaged_files(
    serve: Serve,
    scrape: Scrape,
    probe: Probe,
    workers: Workers,
    tmp_path: Path,
    damage: Callable[[Path], None],
) -> None:
    """The admin port answers, the next worker makes new files, answers phones, and counts."""
    service = serve("--log-level", "info", environment={"RUNTIME_DIRECTORY": str(tmp_path)})
    async with under_load(service, phones=2):
        pass
    (victim,) = workers(service)
    for path in files(tmp_path):
        with contextlib.suppress(FileNotFoundError):  # the worker has died of the first, and its gauges are dropped
            damage(path)
    assert scrape(service)['tvs_workers{state="closed"}'] == 0
    with contextlib.suppress(ProcessLookupError):  # it may have died by itself
        os.kill(victim, signal.SIGKILL)
    await until(lambda: not {0, victim} & set(workers(service)), "a new worker")
    before = scrape(service)[ACCEPTED]
    async with under_load(service, phones=2) as load:
        pass
    assert load.failures == []
    await until(lambda: scrape(service)[ACCEPTED] == before + load.answered, "all are counted")
    assert probe(service, "/readyz")[0] == 200
    assert not any("Traceback" in line for line in service.lines())
