"""Processes and cores as the operating system reports them: affinity, CPU time, memory."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds of CPU time that /proc counts as one."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU time of a process tree, seconds, from its start on."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.user + self.system

    def __sub__(self, other: Cpu) -> Cpu:
        return Cpu(self.user - other.user, self.system - other.system)


def cpu_of(pids: list[int]) -> Cpu:
    """The CPU time of processes with all their threads; one that has gone counts nothing."""
    user = system = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            user += int(fields[11])
            system += int(fields[12])
    return Cpu(user * TICK, system * TICK)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the program's name, which can hold anything (proc(5): from `state` on)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for known in found:  # grows while it is read: each generation finds the next
        found += children.get(known, [])
    return found


def memory_of(pids: list[int]) -> int:
    """Bytes of memory that processes have for themselves (proportional set size without files)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
    return total * 1024


def resident_of(pid: int) -> int:
    """Bytes of a process that are in memory, shared ones and files too (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Time of a core since the machine's start, seconds."""

    idle: float
    stolen: float
    at: float

    def __sub__(self, other: CoreTime) -> CoreTime:
        return CoreTime(self.idle - other.idle, self.stolen - other.stolen, self.at - other.at)


def core_time(cores: frozenset[int]) -> CoreTime:
    """Idle and stolen time of cores together, from /proc/stat."""
    idle = stolen = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            idle += int(values[3]) + int(values[4])  # idle and waiting for a disk
            stolen += int(values[7])
    return CoreTime(idle * TICK, stolen * TICK, time.monotonic())


@cache
def all_cores() -> frozenset[int]:
    """The cores that this process was started on."""
    return frozenset(os.sched_getaffinity(0))


def describe() -> dict[str, object]:
    """The machine, for the reader of the figures."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    load = os.getloadavg()[0]
    return {
        "cpu": model,
        "cores": len(all_cores()),
        "kernel": os.uname().release,
        "load_before": round(load, 2),
        "python": f"{platform.python_version()} in {sys.base_prefix}",
    }
