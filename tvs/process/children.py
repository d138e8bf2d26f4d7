"""The processes that the supervisor forks: workers, and three helpers, admin process, observer and follower."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tvs.admin.fleet import fleet_status
from tvs.admin.process import run_admin
from tvs.process.follower import run_follower
from tvs.process.followersetup import FollowerSetup
from tvs.process.helper import Helper
from tvs.process.observer import BOARD_SIZE, ObserverSetup, run_observer
from tvs.process.presenting import BOARD_SIZE as WANTED_SIZE
from tvs.process.worker import WorkerSetup, run_worker
from tvs.server.metrics import drop_gauges
from tvs.state import StateDirectory
from tvs.status.fleet import FLEET_BOARD
from tvs.system.board import Board
from tvs.system.fork import fork
from tvs.system.funnel import Funnel
from tvs.system.limits import shortage
from tvs.system.nudge import Nudge

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tvs.config.settings import Config
    from tvs.process.current import Current
    from tvs.process.publisher import Level
    from tvs.process.slot import Slot
    from tvs.process.slots import ReportEvent
    from tvs.process.supervisorlog import SupervisorLog
    from tvs.system.channel import Channel
    from tvs.system.heartbeat import Heartbeat
    from tvs.system.relay import Relay


class Children:
    """Forks workers and helpers, and replaces the latter.

    Args:
        current: what workers start with.
        board: memory that the admin process reads.
        relay: hands connections from worker to worker.
        slots: number of worker slots.
        metrics: directory of the files in which workers count.
        log: the log that is open, for workers that cannot open it themselves.
        admin_listener: listening socket of the admin port.
        leave: called in a child: closes what belongs to the supervisor alone, except for a slot's listening socket.
        event: takes events for the log.
        load_config: reads the settings again. Raises `ConfigError`.

    Attributes:
        admin: the admin process.
        observer: the observer.
        follower: the follower.
        wanted: the follower writes on it, see `tvs.process.presenting`.
    """

    def __init__(
        self,
        current: Current,
        *,
        board: Board,
        relay: Relay,
        slots: int,
        metrics: Path,
        log: SupervisorLog,
        admin_listener: socket.socket,
        leave: Callable[[Slot | None], None],
        event: ReportEvent,
        load_config: Callable[[], Config],
    ) -> None:
        self._current = current
        self._board = board
        self._relay = relay
        self._metrics = metrics
        self._log = log
        self._admin_listener = admin_listener
        self._leave = leave
        self._event = event
        self._load_config = load_config
        self._funnel = Funnel(slots)
        self._nudge = Nudge(slots)
        self._observed = Board(BOARD_SIZE)
        self._cluster = Board()
        self._fleet = Board(FLEET_BOARD)
        self.wanted = Board(WANTED_SIZE)
        self._recorded: tuple[object, ...] = ()
        self._fleet_seen: tuple[int, int] | None = None
        self._fleet_problem = ""
        self._admin_token_file: Path | None = None
        self.admin = Helper("admin", self._fork_admin)
        self.observer = Helper("observer", self._fork_observer)
        self.follower = Helper("follower", self._fork_follower)
        self._followed = 0
        self._helpers = (self.admin, self.observer, self.follower)

    def close(self) -> None:
        """Closes what the children share: at the supervisor's end."""
        self._funnel.close()
        self._nudge.close()

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
                    observer=self._funnel.sender(slot.number),
                    nudge=self._nudge.end(slot.number),
                    channel=channel,
                    metrics=self._metrics,
                    log=self._log,
                    trace=self._current.trace,
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

    def keep_helpers(self, now: float) -> None:
        """Starts the helpers that are due, and ends those that hang or are not wanted. `now`: monotonic seconds."""
        for helper in self._helpers:
            if (process := helper.process) and (silence := helper.kill_hung(now)) is not None:
                self._event("error", f"{helper.name}_hung", pid=process, silent_seconds=round(silence, 1))
        if self.admin.process and self._admin_token_file != self._current.config.admin_token_file:
            self.admin.end()  # the next one asks for the token of the new settings
        self.admin.start_due(now)
        if self.follower.process and self._followed != self._log.opened:
            self.follower.end()  # a reload: the next one has its settings, and the log that it opened
        self.follower.start_due(now)
        self._keep_observer(now)

    def _keep_observer(self, now: float) -> None:
        if self._current.config.observe:
            if self.observer.process and self._recorded != _recording(self._current.config):
                self.observer.end()  # a reload: the next one records as the new settings want it
            self.observer.start_due(now)
        else:
            self.observer.end()
            if not self.observer.process:
                self._observed.clear()
                self._fleet.clear()
        if (stamp := self._fleet.stamp) != self._fleet_seen:
            self._fleet_seen = stamp
            problem = fleet_status(self._fleet).problem
            if problem and not self._fleet_problem:
                self._event("warning", "phones_not_recorded", problem=problem)
            self._fleet_problem = problem

    def helper_ended(self, process: int, now: float) -> bool:
        """A child process has ended; whether it was a helper. `now`: monotonic seconds."""
        return any(helper.ended(process, now) for helper in self._helpers)

    def end_helpers(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends the helpers with a signal; a stopped process obeys SIGKILL only."""
        for helper in self._helpers:
            helper.end(number)

    @property
    def processes(self) -> dict[str, int]:
        """Process ids of the helpers by name, 0 without one; without the observer if the settings want none."""
        return {helper.name: helper.process for helper in self._helpers if helper is self.admin or helper.process}

    def _fork_admin(self, heartbeat: Heartbeat) -> int:
        supervisor = os.getpid()
        token_file = self._admin_token_file = self._current.config.admin_token_file

        def work() -> int:
            listener = self._admin_listener.dup()
            self._leave(None)
            self.close()
            self._log.close()  # this process writes none
            state = StateDirectory.of(self._current.config)
            return run_admin(
                listener,
                board=self._board,
                observed=self._observed,
                cluster=self._cluster,
                fleet=self._fleet,
                metrics=self._metrics,
                state=state,
                token_file=token_file,
                supervisor=supervisor,
                heartbeat=heartbeat,
            )

        return fork(work, on_parents_death=signal.SIGTERM)

    def _fork_follower(self, heartbeat: Heartbeat) -> int:
        self._followed = self._log.opened

        def work() -> int:
            self._leave(None)
            self._funnel.close()

            def event(level: Level, event: str, **fields: object) -> None:
                getattr(self._log.logger, level)(event, **fields)

            setup = FollowerSetup(
                config=self._current.config,
                seed=self._current.seed,
                board=self._board,
                cluster=self._cluster,
                wanted=self.wanted,
                nudge=self._nudge,
                event=event,
                load_config=self._load_config,
                heartbeat=heartbeat,
            )
            try:
                return run_follower(setup)
            except Exception as error:
                if (reason := shortage(error)) is None:
                    raise
                setup.copy_failed(reason)
                return 1

        return fork(work)

    def _fork_observer(self, heartbeat: Heartbeat) -> int:
        config = self._current.config
        self._recorded = _recording(config)

        def work() -> int:
            self._leave(None)
            self._nudge.close()
            self._log.close()
            return run_observer(
                ObserverSetup(
                    config=config,
                    receivers=self._funnel.receivers(),
                    board=self._observed,
                    fleet=self._fleet,
                    heartbeat=heartbeat,
                )
            )

        return fork(work)


def _recording(config: Config) -> tuple[object, ...]:
    """The settings of the record of phones."""
    return config.fleet, config.fleet_days
