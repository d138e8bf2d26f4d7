"""Cores and priority of a program."""

from __future__ import annotations

import os
from dataclasses import dataclass


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
