"""What the service's processes have: memory, descriptors, threads; and what stands in its directories."""

from __future__ import annotations

import json
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.soak.site import files_below

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.soak.site import Site

LOOKS, PAUSE = 5, 0.2
"""Looks at the processes for one sample, and seconds between them."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        memory: bytes of anonymous memory, heaps and stacks (``Anonymous`` in proc_pid_smaps(5)). Pages that it shares
            with a process which it forked, or which forked it, count whole: what it shares comes and goes with the
            follower's forks, and pages of programs with any other Python on the machine.
        pss: bytes of memory, what is shared counted in parts (proportional set size).
        descriptors: open ones.
        threads: its threads.
    """

    memory: int
    pss: int
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The service at a moment at which no connection is open.

    Attributes:
        processes: by name: ``supervisor``, ``admin``, ``worker 0`` …
        files: number of files by directory.
        connections: connections so far.
    """

    processes: dict[str, Process]
    files: dict[str, int]
    connections: int

    @property
    def memory(self) -> int:
        """Bytes of anonymous memory of all processes."""
        return sum(process.memory for process in self.processes.values())

    @property
    def admin(self) -> int:
        """Those of the admin process, 0 without one."""
        return self.processes["admin"].memory if "admin" in self.processes else 0


def pids(site: Site) -> dict[str, int]:
    """The service's processes by name, without workers that do not run and the follower: each reload replaces it."""
    supervisor = site.service.process.pid
    slots = json.loads(site.get("/readyz"))["workers"]
    found = {f"worker {slot}": worker["pid"] for slot, worker in enumerate(slots) if worker["state"] == "running"}
    helpers = json.loads(site.get("/status.json"))["service"]["processes"]
    return {"supervisor": supervisor, "admin": helpers["admin"], "observer": helpers["observer"], **found}


def sample(site: Site, connections: int) -> Sample:
    """Looks at everything."""
    looks = [_processes(site) for _ in range(LOOKS)]
    directories = {name: len(files_below(site.directory / name)) for name in ("state", "runtime", "logs")}
    return Sample({name: min_of(look[name] for look in looks) for name in looks[-1]}, directories, connections)


def _processes(site: Site) -> dict[str, Process]:
    found = {name: process(pid) for name, pid in pids(site).items()}
    time.sleep(PAUSE)
    return found


def min_of(looks: Iterable[Process]) -> Process:
    """The least of each figure: what a scrape or a timer needs for a moment does not count."""
    memory, pss, descriptors, threads = map(min, zip(*map(astuple, looks), strict=True))
    return Process(memory, pss, descriptors, threads)


def process(pid: int) -> Process:
    """What a process has now."""
    kept = {"Pss:": 0, "Anonymous:": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, *values = line.split()
        if name in kept:
            kept[name] = int(values[0]) * 1024
    return Process(
        memory=kept["Anonymous:"],
        pss=kept["Pss:"],
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
    )
