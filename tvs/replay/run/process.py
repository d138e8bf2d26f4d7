"""Generator processes of a run and their reports to the parent."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from tvs.replay.run.counters import Counters, Final, Phase, Progress
from tvs.replay.run.engine import Engine
from tvs.replay.run.histograms import merged
from tvs.replay.run.timeline import Timeline
from tvs.system.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from tvs.replay.run.schedule import Schedule
    from tvs.replay.run.setup import Setup

START_DELAY = 0.2
"""Seconds from the readiness of the last process to the schedule's zero, which is the same for all."""
POLL_INTERVAL = 0.25
"""Seconds between the parent's checks for an interrupt."""
STOP_TIMEOUT = 10.0
"""Seconds that interrupted processes have to deliver their counts."""


class GeneratorError(Exception):
    """The generator processes cannot run; the sentence says why."""


def generate(schedule: Schedule, setup: Setup, pipe: Connection, parents: Sequence[Connection]) -> None:
    """Main function of a generator process. The parent handles interrupts.

    `parents` are the parent's ends of the pipes, inherited by the fork; closing them lets a pipe end with the parent.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for other in parents:
        other.close()
    raise_descriptor_limit()
    counters = Counters()
    engine = Engine(
        schedule, setup, counters, report=lambda in_flight: pipe.send(counters.take(in_flight)), control=pipe.fileno()
    )
    pipe.send(None)
    with contextlib.suppress(EOFError):  # the parent gave up
        start = pipe.recv()
        gc.freeze()  # the schedule never changes: the garbage collector need not scan it
        if start is not None:
            engine.run(start)
            pipe.send(counters.take(0))
            pipe.send(counters.final())


@dataclass(slots=True)
class RunCounts:
    """Counts of all processes of a run.

    Attributes:
        started_at: seconds since 1970 of the schedule's zero.
        seconds: from there to the last answer.
        timeline: counts by second.
        finals: totals of each process that reached its end.
        lost: processes that ended early.
        interrupted: whether the run was stopped before its end.
    """

    started_at: float
    seconds: float = 0.0
    timeline: Timeline = field(default_factory=Timeline)
    finals: list[Final] = field(default_factory=list)
    lost: int = 0
    interrupted: bool = False


class Run:
    """One run of a schedule by several processes, which are forked at once.

    Args:
        schedule: the whole schedule.
        setup: server, sources, TLS and limits.
        processes: number of generator processes.
    """

    def __init__(self, schedule: Schedule, setup: Setup, processes: int) -> None:
        self._interrupts = 0
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.process.BaseProcess] = []
        context = multiprocessing.get_context("fork")  # there are no threads, and nothing is imported again
        for number in range(processes):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            arguments = (schedule.part(number, processes), setup, theirs, tuple(self._pipes))
            process = context.Process(target=generate, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)

    def execute(self, watch: Callable[[Timeline, float], None]) -> RunCounts:
        """Runs to the end, or until SIGINT or SIGTERM; a second signal raises `KeyboardInterrupt`.

        `watch` is called a few times a second with the timeline so far and the seconds of the run.
        Raises `GeneratorError` if a process cannot start.
        """
        before = {number: signal.signal(number, self._interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._await_ready()
            return self._collect(watch)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._end()

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            raise KeyboardInterrupt

    def _await_ready(self) -> None:
        for pipe in self._pipes:
            try:
                pipe.recv()
            except EOFError:
                raise GeneratorError("a generator process ended before the run began; its error stands above") from None

    def _collect(self, watch: Callable[[Timeline, float], None]) -> RunCounts:
        start = time.monotonic() + START_DELAY
        counts = RunCounts(started_at=time.time() + START_DELAY)
        for pipe in self._pipes:
            pipe.send(start)
        running = list(self._pipes)
        stop_by = None
        while running and (stop_by is None or time.monotonic() < stop_by):
            if self._interrupts and stop_by is None:
                stop_by = time.monotonic() + STOP_TIMEOUT
                counts.interrupted = True
                self._stop(running)
            ready = wait(running, POLL_INTERVAL)
            running = [pipe for pipe in running if pipe not in ready or self._take(pipe, counts)]
            counts.seconds = max(0.0, time.monotonic() - start)
            watch(counts.timeline, counts.seconds)
        counts.lost += len(running)
        return counts

    def _take(self, pipe: Connection, counts: RunCounts) -> bool:
        """Receives one message of a process; returns False if it was the last."""
        try:
            message = pipe.recv()
        except (EOFError, ConnectionResetError):
            counts.lost += 1
            return False
        if isinstance(message, Progress):
            counts.timeline.add(self._pipes.index(pipe), message)
            return True
        counts.finals.append(message)
        return False

    @staticmethod
    def _stop(pipes: list[Connection]) -> None:
        for pipe in pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)

    def _end(self) -> None:
        for process in self._processes:
            process.join(1)
            if process.is_alive():
                process.kill()
                process.join()
        for pipe in self._pipes:
            pipe.close()


def histograms_of(counts: RunCounts) -> dict[Phase, bytes]:
    """Histograms of all processes, merged and encoded, by phase."""
    return {phase: merged(final.histograms[phase] for final in counts.finals).encode() for phase in Phase}
