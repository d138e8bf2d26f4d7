"""Fixtures of services that something happens to while they run."""

from __future__ import annotations

import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.clock import clock_library, make_clock
from tests.fixtures.disks import make_disk
from tests.fixtures.processes import probe, workers
from tests.fixtures.running import services
from tests.fixtures.service import made_state, scrape, serve, state, tvs
from tests.whole.faults.scenario import KNOWN, add, run
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.disks import Disk, MakeDisk
    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.programs import RequireProgram
    from tests.whole.faults.scenario import Fault, GoThrough, ServeAt, Workers

__all__ = [
    "clock_library",
    "made_state",
    "make_clock",
    "make_disk",
    "probe",
    "scrape",
    "serve",
    "state",
    "tvs",
    "workers",
]


@pytest.fixture
def go_through(
    serve: Serve,
    probe: Probe,
    workers: Workers,
    state: StateDirectory,
    tmp_path: Path,
    require_program: RequireProgram,
) -> GoThrough:
    """A function that runs a service through a fault of some kind: (kind, **further attributes)."""
    folder = tmp_path / "aside"
    folder.mkdir()
    plain = (require_program("setpriv"), "--bounding-set", "-dac_override,-dac_read_search")  # root reads all otherwise
    prefix = plain if os.geteuid() == 0 else ()

    async def go(kind: type[Fault], **fields: Any) -> None:
        await run(kind(state=state, folder=folder, start={"prefix": prefix}, **fields), serve, probe, workers)

    return go


@pytest.fixture
def serve_at(tmp_path: Path) -> Iterator[ServeAt]:
    """A function that returns `serve` for another state directory."""
    with services(tmp_path) as start:
        yield lambda state: partial(start, state)


@pytest.fixture
def small_disk(make_disk: MakeDisk) -> Disk:
    """A file system of 1 MiB."""
    return make_disk(1024)


@pytest.fixture
def small_state(small_disk: Disk, made_state: Path) -> StateDirectory:
    """A state directory on it, whose database has the certificate that phones ask about."""
    state = StateDirectory(small_disk.path / "state")
    shutil.copytree(made_state, state.path)
    add(state, KNOWN)
    return state
