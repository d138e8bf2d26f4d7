"""Cores and priority of a program."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.client import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SESSION = Path("/proc/self/autogroup")
"""Where Linux groups programs by session, nice values count within a session only, and sessions have their own."""


@dataclass(frozen=True, slots=True)
class Place:
    """The cores of a program, and its priority.

    Attributes:
        cores: it and what it starts run there only.
        nice: the nice value; below 0 takes the cores from other programs of this machine, and only root may.
    """

    cores: frozenset[int]
    nice: int = 0

    def take(self) -> None:
        """Moves the process that calls this there; for `preexec_fn`, in a program without threads."""
        os.sched_setaffinity(0, self.cores)
        os.setpriority(os.PRIO_PROCESS, 0, self.nice)

    def one(self, core: int) -> Place:
        """The same priority on one core."""
        return Place(frozenset({core}), self.nice)


@contextlib.contextmanager
def session_priority(nice: int) -> Iterator[None]:
    """Gives the session of this process, and so of all that it starts, a priority for a while; 0 leaves it alone.

    Raises `BenchError` if only root may.
    """
    before = _session_priority()
    if not nice or before is None:
        yield
        return
    try:
        _SESSION.write_text(str(nice))
    except PermissionError:
        raise BenchError(f"--nice {nice}: only root may hold other programs off") from None
    try:
        yield
    finally:
        _SESSION.write_text(str(before))


def _session_priority() -> int | None:
    """The session's nice value; None where sessions have none."""
    try:
        text = _SESSION.read_text()  # "/autogroup-4711 nice 0"
    except OSError:
        return None
    return int(text.split()[-1]) if text.strip() else None
