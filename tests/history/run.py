"""A run: two administrators on different nodes change the cluster at random, readers look, and things are cut."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fixtures.running import wait_until
from tests.history.events import History, Operation
from tests.history.readers import Readers, read_end
from tests.history.registers import CERT, read_record, take_snapshot
from tests.history.site import NAMES, running_site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.history.site import Site

ADMINISTRATORS = NAMES[:2]
PAUSE = (1.0, 5.0)
"""Seconds between two cuts: the shortest and the longest pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that has ended.

    Attributes:
        history: what was seen.
        cuts: what happened, by kind.
        unanswered: connections of readers without an answer.
        seconds: that the operations took.
    """

    history: History
    cuts: dict[str, int]
    unanswered: int
    seconds: float

    def __str__(self) -> str:
        history = self.history
        outcomes = Counter(str(operation.outcome) for operation in history.operations)
        confirmed = Counter(len(operation.confirmed) for operation in history.operations if operation.confirmed)
        lines = [
            f"{len(history.operations)} operations in {self.seconds:.0f} s: {_counted(outcomes)}",
            f"confirmed by: {', '.join(f'{nodes} nodes {times}' for nodes, times in sorted(confirmed.items()))}",
            f"cuts: {_counted(self.cuts)}",
            f"{len(history.observations)} observations of nodes, {self.unanswered} connections without an answer",
            f"{len(history.snapshots)} snapshots of the database",
        ]
        return "\n".join(lines)


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in sorted(numbers.items()))


class Log:
    """The operations that an administrator has written down, read as they come.

    Args:
        path: the file.

    Attributes:
        serials: serial numbers of its certificates, with the time of their last use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.serials: dict[str, float] = {}
        self._operations: dict[float, Operation] = {}
        self._read = 0
        self._lock = threading.Lock()
        path.touch()

    def operations(self) -> list[Operation]:
        """The operations: of each the last line. One whose administrator was killed has no outcome."""
        with self._lock, self.path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    self._take(Operation.from_line(line.decode()))
            return list(self._operations.values())

    def _take(self, operation: Operation) -> None:
        self._operations[operation.invoked] = operation
        for register in operation.effects:
            if register.startswith(CERT):
                self.serials[register.removeprefix(CERT)] = operation.invoked


class Administrators:
    """The administrators' processes.

    Args:
        site: the cluster.
        number: of operations that each of them makes, at least.
        seed: for what they do.
    """

    def __init__(self, site: Site, number: int, seed: str) -> None:
        self._site = site
        self._number = number
        self._seed = seed
        self._starts = 0
        self.logs = {name: Log(site.folder / f"{name}.operations") for name in ADMINISTRATORS}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        for name in ADMINISTRATORS:
            self._start(name)

    def _start(self, name: str) -> None:
        missing = self._number - len(self.logs[name].operations())
        if missing > 0:
            self._starts += 1
            words = (self._site.states[name].path, f"{self._seed}-{name}-{self._starts}", missing, self.logs[name].path)
            command = [sys.executable, "-m", "tests.history.administrator", *map(str, words)]
            self._running[name] = subprocess.Popen(command)

    @property
    def busy(self) -> bool:
        """Whether one of them has not finished; an administrator that failed is an error."""
        for name, process in list(self._running.items()):
            if (status := process.poll()) is not None:
                assert status == 0, f"the administrator on {name} ended with status {status}"
                del self._running[name]
        return bool(self._running)

    def kill(self, dice: random.Random) -> None:
        """One of them is killed in the middle of what it does, and begins anew."""
        if self._running:
            name = dice.choice(sorted(self._running))
            process = self._running.pop(name)
            process.kill()
            process.wait()
            self._start(name)

    def close(self) -> None:
        """Ends all of them."""
        for process in self._running.values():
            process.kill()
            process.wait()

    def operations(self) -> list[Operation]:
        """What they have done so far."""
        return [operation for log in self.logs.values() for operation in log.operations()]

    def serials(self) -> list[str]:
        """Serial numbers of their certificates, the one that was used last at the end."""
        self.operations()
        used: dict[str, float] = {}
        for log in self.logs.values():
            for serial, time_of in list(log.serials.items()):
                used[serial] = max(time_of, used.get(serial, 0.0))
        return sorted(used, key=used.__getitem__)


def make_history(folder: Path, number: int, seed: str) -> Run:
    """Runs so many operations in all.

    Args:
        folder: an empty folder.
        number: of operations.
        seed: repeats the choices, not the moments.
    """
    dice = random.Random(seed)
    with running_site(folder) as site:
        with site.server.connect(site.database) as connection:
            start = take_snapshot(connection)
        _settle(site, start.generation)
        administrators = Administrators(site, -(-number // len(ADMINISTRATORS)), seed)
        began = time.monotonic()
        try:
            with Readers(site, administrators.serials, seed) as readers:
                while _pause(administrators, dice):
                    if dice.random() < 1 / 6:
                        administrators.kill(dice)
                        site.cuts["kill_administrator"] = site.cuts.get("kill_administrator", 0) + 1
                    else:
                        site.cut(dice)
                seconds = time.monotonic() - began
        finally:
            administrators.close()
        with site.server.connect(site.database) as connection:
            record = read_record(connection, start.generation)
            end = take_snapshot(connection)
        _settle(site, end.generation)
        return Run(
            history=History(
                nodes=NAMES,
                start=start,
                operations=administrators.operations(),
                record=record,
                observations=readers.observations,
                snapshots=readers.snapshots,
                ends={"the database": end.values, **read_end(site, administrators.serials())},
            ),
            cuts=site.cuts,
            unanswered=readers.unanswered,
            seconds=seconds,
        )


def _pause(administrators: Administrators, dice: random.Random) -> bool:
    """Waits until the next cut; whether the administrators are still at work then."""
    until = time.monotonic() + dice.uniform(*PAUSE)
    while administrators.busy and time.monotonic() < until:
        time.sleep(0.05)
    return administrators.busy


def _settle(site: Site, generation: int) -> None:
    """Waits until all nodes report that they serve a generation."""

    def reported() -> bool:
        rows = site.server.run("SELECT node, generation FROM nodereport", database=site.database)
        return {node for node, number in rows if number >= generation} >= set(NAMES)

    wait_until(reported, f"all nodes report generation {generation}")
