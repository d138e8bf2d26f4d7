"""The processes that the supervisor forks: workers, and the admin process."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

from tvs.admin.process import run_admin
from tvs.process.restarts import RestartPolicy
from tvs.process.worker import WorkerSetup, run_worker
from tvs.server.metrics import drop_gauges
from tvs.state import StateDirectory
from tvs.system.fork import fork
from tvs.system.heartbeat import Heartbeat
from tvs.system.limits import shortage

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tvs.process.current import Current
    from tvs.process.slot import Slot
    from tvs.process.supervisorlog import SupervisorLog
    from tvs.system.board import Board
    from tvs.system.channel import Channel
    from tvs.system.relay import Relay


ADMIN_PATIENCE: Final = 10.0
"""Seconds without a sign of life after which the admin process is replaced."""


class Children:
    """Forks workers and the admin process, and replaces the latter.

    Args:
        current: what workers start with.
        board: memory that the admin process reads.
        relay: hands connections from worker to worker.
        metrics: directory of the files in which workers count.
        log: the log that is open, for workers that cannot open it themselves.
        admin_listener: listening socket of the admin port.
        leave: called in a child: closes what belongs to the supervisor alone, except for a slot's listening socket.

    Attributes:
        admin: process id of the admin process; 0 without one.
    """

    def __init__(
        self,
        current: Current,
        *,
        board: Board,
        relay: Relay,
        metrics: Path,
        log: SupervisorLog,
        admin_listener: socket.socket,
        leave: Callable[[Slot | None], None],
    ) -> None:
        self._current = current
        self._board = board
        self._relay = relay
        self._metrics = metrics
        self._log = log
        self._admin_listener = admin_listener
        self._leave = leave
        self._policy = RestartPolicy()
        self._started = self._due = 0.0
        self._heartbeat = Heartbeat()
        self._beats = 0
        self._admin_seen = 0.0
        self._killed = False
        self.admin = 0

    def fork_worker(self, slot: Slot, channel: Channel) -> int:
        """Forks a worker for a slot; returns its process id. Raises `OSError`."""
        drop_gauges(self._metrics, slot.number)

        def work() -> int:
            self._leave(slot)
            if slot.listener is None:
                raise RuntimeError("a worker without a listening socket")
            return self._run(
                WorkerSetup(
                    slot=slot.number,
                    config=self._current.config,
                    credentials=self._current.credentials,
                    seed=self._current.seed,
                    listener=slot.listener,
                    relay=self._relay.end(slot.number),
                    channel=channel,
                    metrics=self._metrics,
                    log=self._log,
                )
            )

        return fork(work)

    def _run(self, setup: WorkerSetup) -> int:
        """Runs a worker, in its process. Where it lacks memory, its own log may be what cannot be made."""
        try:
            return run_worker(setup)
        except Exception as error:
            reason = shortage(error)
            if reason is None:
                raise
            self._log.logger.error("worker_cannot_start", worker=setup.slot, reason=reason)  # noqa: TRY400 - a sentence
            return 1

    def start_admin_due(self, now: float) -> None:
        """Forks the admin process if there is none and its back-off is over. `now`: monotonic seconds."""
        if self.admin or now < self._due:
            return
        self._started = self._admin_seen = now
        self._killed = False
        try:
            self.admin = self._fork_admin()
        except OSError:  # no processes left for the moment
            self._back_off(now)

    def _fork_admin(self) -> int:
        supervisor = os.getpid()

        def work() -> int:
            listener = self._admin_listener.dup()
            self._leave(None)
            self._log.close()  # this process writes none
            state = StateDirectory(self._current.config.state)
            return run_admin(listener, self._board, self._metrics, state, supervisor, self._heartbeat)

        return fork(work, on_parents_death=signal.SIGTERM)

    def admin_ended(self, process: int, now: float) -> bool:
        """A child process has ended; whether it was the admin process. `now`: monotonic seconds."""
        if process != self.admin:
            return False
        self.admin = 0
        self._back_off(now)
        return True

    def _back_off(self, now: float) -> None:
        self._due = now + (self._policy.ended(answered=True, lived=now - self._started) or 0.0)

    def kill_hung_admin(self, now: float) -> float | None:
        """Kills an admin process that gave no sign of life for too long. `now`: monotonic seconds.

        Returns the seconds of its silence, None for a process that lives.
        """
        beats = self._heartbeat.count
        if beats != self._beats:
            self._beats, self._admin_seen = beats, now
        silence = now - self._admin_seen
        if not self.admin or self._killed or silence <= ADMIN_PATIENCE:
            return None
        self._killed = True
        self.end_admin(signal.SIGKILL)
        return silence

    def end_admin(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends the admin process with a signal; a stopped process obeys SIGKILL only."""
        if self.admin:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.admin, number)
