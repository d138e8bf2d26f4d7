"""The generator processes and what they tell their parent."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from tvs.replay.run.engine import Engine
from tvs.replay.run.histograms import merged
from tvs.replay.run.tally import Final, Phase, Progress, Tally
from tvs.replay.run.timeline import Timeline
from tvs.system.limits import raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from tvs.replay.run.schedule import Plan
    from tvs.replay.run.setup import Setup

START_DELAY = 0.2
"""Seconds between the last process's word that it is ready and the start of the schedule, the same for all."""
POLL_INTERVAL = 0.25
"""Seconds after which the parent looks whether it was interrupted."""
STOP_TIMEOUT = 10.0
"""Seconds that interrupted processes have to hand over what they counted."""


class GeneratorError(Exception):
    """The generator processes cannot run: a sentence."""


def generate(plan: Plan, setup: Setup, pipe: Connection, parents: Sequence[Connection]) -> None:
    """A generator process's whole life. Interrupts are the parent's business.

    `parents` are the parent's ends of the pipes, copied by the fork: closed, so that a pipe ends with the parent.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for other in parents:
        other.close()
    raise_descriptor_limit()
    tally = Tally()
    engine = Engine(
        plan, setup, tally, report=lambda in_flight: pipe.send(tally.take(in_flight)), control=pipe.fileno()
    )
    pipe.send(None)
    with contextlib.suppress(EOFError):  # the parent gave up
        start = pipe.recv()
        gc.freeze()  # the schedule stays as it is: the collector need not look at it
        if start is not None:
            engine.run(start)
            pipe.send(tally.take(0))
            pipe.send(tally.final())


@dataclass(slots=True)
class Outcome:
    """What all processes counted.

    Attributes:
        started_at: seconds since 1970 of the schedule's zero.
        seconds: from there to the last answer.
        timeline: the counts by second.
        finals: one for each process that lived to its end.
        lost: processes that ended before.
        interrupted: whether the run was stopped before its end.
    """

    started_at: float
    seconds: float = 0.0
    timeline: Timeline = field(default_factory=Timeline)
    finals: list[Final] = field(default_factory=list)
    lost: int = 0
    interrupted: bool = False


class Run:
    """One run of a plan by several processes.

    Args:
        plan: the whole schedule.
        setup: how to connect.
        processes: how many generator processes.
    """

    def __init__(self, plan: Plan, setup: Setup, processes: int) -> None:
        self._interrupts = 0
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.process.BaseProcess] = []
        context = multiprocessing.get_context("fork")  # there is no thread, and nothing need be imported again
        for number in range(processes):
            ours, theirs = context.Pipe()
            self._pipes.append(ours)
            arguments = (plan.part(number, processes), setup, theirs, tuple(self._pipes))
            process = context.Process(target=generate, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)

    def execute(self, watch: Callable[[Timeline, float], None]) -> Outcome:
        """Runs to the end, or until SIGINT or SIGTERM; a second one of them raises `KeyboardInterrupt`.

        `watch` is called a few times a second with what happened so far and the seconds of the run.
        Raises `GeneratorError` where a process cannot begin.
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

    def _collect(self, watch: Callable[[Timeline, float], None]) -> Outcome:
        start = time.monotonic() + START_DELAY
        outcome = Outcome(started_at=time.time() + START_DELAY)
        for pipe in self._pipes:
            pipe.send(start)
        running = list(self._pipes)
        stop_by = None
        while running and (stop_by is None or time.monotonic() < stop_by):
            if self._interrupts and stop_by is None:
                stop_by = time.monotonic() + STOP_TIMEOUT
                outcome.interrupted = True
                self._stop(running)
            ready = wait(running, POLL_INTERVAL)
            running = [pipe for pipe in running if pipe not in ready or self._take(pipe, outcome)]
            outcome.seconds = max(0.0, time.monotonic() - start)
            watch(outcome.timeline, outcome.seconds)
        outcome.lost += len(running)
        return outcome

    def _take(self, pipe: Connection, outcome: Outcome) -> bool:
        """One message of a process; False where it was the last."""
        try:
            message = pipe.recv()
        except (EOFError, ConnectionResetError):
            outcome.lost += 1
            return False
        if isinstance(message, Progress):
            outcome.timeline.add(self._pipes.index(pipe), message)
            return True
        outcome.finals.append(message)
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


def histograms_of(outcome: Outcome) -> dict[Phase, bytes]:
    """The histograms of all processes, merged and encoded."""
    return {phase: merged(final.histograms[phase] for final in outcome.finals).encode() for phase in Phase}
