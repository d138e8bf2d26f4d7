"""Processes of a cluster: found by their command lines, so that nothing is forgotten after a kill at any moment."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.cluster.errors import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_TURN = 0.05
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process.

    Attributes:
        pid, parent: process IDs.
        words: its command line.
    """

    pid: int
    parent: int
    words: tuple[str, ...]

    def has(self, part: tuple[str, ...]) -> bool:
        """Whether these words stand in its command line, one after the other."""
        return any(self.words[at : at + len(part)] == part for at in range(len(self.words) - len(part) + 1))


def processes() -> Iterator[Process]:
    """All processes that run; one that has ended and was not waited for does not."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                words = tuple((folder / "cmdline").read_text(errors="replace").split("\0"))
                if state not in {"Z", "X"}:
                    yield Process(int(folder.name), int(parent), words)


def of_part(part: tuple[str, ...]) -> list[Process]:
    """The processes whose command line has these words."""
    return [process for process in processes() if process.pid != os.getpid() and process.has(part)]


def leader(part: tuple[str, ...]) -> int | None:
    """The first process of a part, the one that started the others; None if there is none."""
    found = of_part(part)
    pids = {process.pid for process in found}
    return next((process.pid for process in found if process.parent not in pids), None)


def start(command: list[str], log: Path, **settings: Any) -> subprocess.Popen[bytes]:
    """Starts a process that goes on when this one ends; `settings` are those of `subprocess.Popen`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment(),
            **settings,
        )


def stop(part: tuple[str, ...], number: signal.Signals, patience: float) -> bool:
    """Ends a part: its first process gets the signal; what is left after `patience` seconds is killed.

    Returns whether there was anything.
    """
    everything = _family(part)
    if not everything:
        return False
    if (first := leader(part)) is not None:
        _send(first, number)
    if not _gone(part, everything, patience):
        for process in {*everything, *_family(part)}:
            _send(process.pid, signal.SIGKILL)
        _gone(part, everything, patience)
    return True


def _family(part: tuple[str, ...]) -> list[Process]:
    """The processes of a part and their children, whatever these call themselves."""
    running = list(processes())
    pids = {process.pid for process in of_part(part)}
    return [process for process in running if process.pid in pids or process.parent in pids]


def _gone(part: tuple[str, ...], everything: list[Process], patience: float) -> bool:
    """Waits until these processes, and all of the part, have ended."""
    until = time.monotonic() + patience
    while of_part(part) or {process.pid for process in processes()} & {process.pid for process in everything}:
        if time.monotonic() > until:
            return False
        time.sleep(_TURN)
    return True


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
