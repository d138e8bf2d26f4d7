"""The supervisor: starts the workers and their helpers, watches them, and ends them.

It has no event loop and no thread, so that it can fork at any time, and it talks to no phone, so that no phone can
hurt it. Signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from ctlcache.inspection import FileState
from tvs.config.endpoint import Endpoint
from tvs.process.checks import warnings
from tvs.process.children import Children
from tvs.process.counting import Counting
from tvs.process.current import Current
from tvs.process.listeners import open_admin_listener, open_listeners, said_endpoint
from tvs.process.publisher import Publisher
from tvs.process.reload import Reloader
from tvs.process.slots import Slots
from tvs.process.supervisorlog import SupervisorLog
from tvs.process.traceorders import TraceOrders
from tvs.status.model import ServiceState, ServiceStatus, SlotState
from tvs.system.board import Board
from tvs.system.limits import raise_descriptor_limit
from tvs.system.listening import listen
from tvs.system.notify import Notifier
from tvs.system.presence import present
from tvs.system.relay import Relay
from tvs.system.scratch import metrics_directory
from tvs.system.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.config.settings import Config
    from tvs.process.messages import Report
    from tvs.process.slot import Slot

INTERRUPTED: Final = 130
"""Exit status after a second signal."""
DRAIN_EXTRA: Final = 5.0
"""Seconds that workers have to end beyond `drain_timeout`."""
LOOK: Final = 1.0
"""Seconds between two turns of the loop, at most."""
SHORT_PAUSE: Final = 0.5
"""Seconds until the next turn after one for which there was not enough memory."""
END_PATIENCE: Final = 2.0
"""Seconds that the helpers have to end, and then killed processes to be gone: a stuck disk can hold them."""


class Supervisor:
    """The service as a whole.

    Args:
        config: all settings.
        load_config: reads the settings again, for a reload. Raises `ConfigError`.
        announce: called with the endpoints in use when all workers accept phones.
    """

    def __init__(
        self, config: Config, *, load_config: Callable[[], Config], announce: Callable[[Endpoint, Endpoint], None]
    ) -> None:
        self._config = config
        self._load_config = load_config
        self._announce = announce
        self._announced = False
        self._notifier = Notifier()
        self._kill_at = 0.0
        self._exit_status = 0

    def run(self) -> int:
        """Serves until a signal ends it. Returns the exit status.

        Raises `StartError`, `StateError` and `StoreError` if the service cannot start.
        """
        raise_descriptor_limit()
        with contextlib.ExitStack() as stack:
            self._prepare(stack)
            try:
                self._supervise()
            finally:
                self._end()
        return self._exit_status

    # -- start ----------------------------------------------------------------------------------------------------

    def _prepare(self, stack: contextlib.ExitStack) -> None:
        """Everything that can fail, before there is a second process."""
        config = self._config
        self._sign = stack.enter_context(present(config.state))
        self._log = SupervisorLog(config)
        self._current = Current.read(config, self._log.db_event)
        for event, sentence in warnings(config):
            self._log.logger.warning(event, problem=sentence)
        listeners = open_listeners(config)
        self._admin_listener = stack.enter_context(contextlib.closing(open_admin_listener(config)))
        directory = stack.enter_context(metrics_directory())
        self._signals = stack.enter_context(Signals())
        self._phones = said_endpoint(config, listeners[0])
        board = Board()
        self._relay = Relay(len(listeners))
        stack.callback(self._relay.close)
        self._publisher = Publisher(board, self._log, self._status)
        self._counting = Counting(directory, self._publisher.report)
        self._traces = TraceOrders(self._current, self._publisher.report)
        self._traces.begin()
        self._children = Children(
            self._current,
            board=board,
            relay=self._relay,
            slots=len(listeners),
            metrics=directory.path,
            log=self._log,
            admin_listener=self._admin_listener,
            leave=self._leave,
            event=self._publisher.report,
            load_config=self._load_config,
        )
        stack.callback(self._children.close)
        self._slots = Slots(
            listeners,
            start=self._children.fork_worker,
            on_report=self._reported,
            event=self._publisher.report,
            timeout=config.worker_timeout,
        )
        stack.callback(self._slots.close)
        self._reloader = Reloader(
            self._current,
            self._slots,
            self._notifier,
            publisher=self._publisher,
            log=self._log,
            load_config=self._load_config,
            wanted=self._children.wanted,
            listen=partial(listen, self._phones.host, self._phones.port, shared=True),
        )

    def _leave(self, keep: Slot | None) -> None:
        """In a child: closes what belongs to the supervisor alone, except for a slot's listening socket."""
        self._slots.close(keep=keep)
        self._relay.close(keep=None if keep is None else keep.number)
        self._admin_listener.close()
        self._signals.close()
        self._notifier.close()
        if self._sign is not None:
            os.close(self._sign)

    # -- loop -----------------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        while True:
            try:
                if self._turn(time.monotonic()):
                    return
            except MemoryError:  # what was not done is done in the next turn
                self._log.logger.error("supervisor_out_of_memory", effect="tried again")  # noqa: TRY400 - one sentence
                time.sleep(SHORT_PAUSE)

    def _turn(self, now: float) -> bool:
        """What is due now, and a wait for more; whether the service has ended."""
        self._slots.receive(now)  # before silent workers are killed: this process may have stood still
        self._reap(now)
        if self._slots.stopping and not self._slots.alive:
            return True
        self._keep_running(now)
        self._publisher.publish_due(now)
        self._notifier.watchdog(now)
        self._wait(now)
        for number in self._signals.pending():
            self._signalled(number)
        return False

    def _reap(self, now: float) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                process, wait_status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    return
                self._publisher.changed()
                if not self._children.helper_ended(process, now) and self._slots.reaped(process, wait_status, now):
                    self._reloader.worker_ended(process)

    def _keep_running(self, now: float) -> None:
        if self._slots.stopping:
            if now > self._kill_at:
                self._slots.kill()
            return
        self._slots.kill_hung(now)
        self._counting.keep()
        self._traces.keep(now)
        self._slots.start_due(now)
        self._children.keep_helpers(now)
        self._reloader.follow(now)
        if self._slots.count(SlotState.CLOSED) == len(self._slots):
            self._publisher.report("error", "no_worker_left", advice="the lines above say why; the service ends")
            self._exit_status = 1
            self._stop()
        elif not self._announced and not self._slots.count(SlotState.STARTING, SlotState.WAITING):
            self._announced = True
            self._tell()

    def _tell(self) -> None:
        """All workers accept phones: publishes, then announces."""
        admin = Endpoint(self._config.admin.host, self._admin_listener.getsockname()[1])
        fields = {"phones": str(self._phones), "admin": str(admin), "workers": self._slots.count(SlotState.RUNNING)}
        self._publisher.report("info", "listening", **fields, pid=os.getpid())
        self._publisher.publish()
        self._announce(self._phones, admin)
        self._notifier.ready(f"Answering phones on {self._phones}")

    def _wait(self, now: float) -> None:
        """Waits for a report, a signal or the next time that is due."""
        waiting = select.poll()
        waiting.register(self._signals.fileno(), select.POLLIN)
        for slot in self._slots:
            if slot.channel is not None:
                waiting.register(slot.channel.fileno(), select.POLLIN)
        waiting.poll(min(LOOK, self._slots.next_due(now)) * 1000 + 1)

    def _reported(self, slot: Slot, report: Report) -> None:
        self._publisher.changed()
        self._traces.reported(slot, report, time.monotonic())
        ctl = report.status.ctl
        self._current.list_reported(slot.number, ctl.content, good=ctl.state == FileState.OK)
        self._current.database_reported(report.status.db, time.monotonic())
        if report.reloaded:
            self._reloader.acknowledged(slot, report)

    def _status(self, now: float) -> ServiceStatus:
        running = ServiceState.RUNNING if self._announced else ServiceState.STARTING
        processes = {str(slot.number): slot.process for slot in self._slots if slot.process}
        return ServiceStatus(
            time=now,
            state=ServiceState.STOPPING if self._slots.stopping else running,
            reload_successful=self._reloader.successful,
            restarts=self._slots.restarts,
            processes={**processes, **self._children.processes, "supervisor": os.getpid()},
            presented=self._current.credentials.presented,
            fingerprint=self._reloader.fingerprint,
            observe=self._current.config.observe,
            limits=self._current.config.limits,
            level=self._current.config.log_level,
            trace=self._traces.status(),
            copy_as_of=self._current.copy_as_of,
            slots=tuple(slot.status() for slot in self._slots),
        )

    # -- signals and end ------------------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP and not self._slots.stopping:
            self._reloader.begin()
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._slots.stopping:
                self._exit_status = INTERRUPTED
                self._slots.kill()
            else:
                self._stop()

    def _stop(self) -> None:
        seconds = self._current.config.drain_timeout + DRAIN_EXTRA
        self._kill_at = time.monotonic() + seconds
        self._reloader.abandon()
        self._slots.stopping = True
        self._publisher.report("info", "stopping", connections=self._slots.connections)
        self._publisher.publish()
        self._notifier.stopping(seconds)
        self._slots.drain()
        self._publisher.changed()

    def _end(self) -> None:
        """Ends all processes, and waits for them a bounded time."""
        self._slots.kill()
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._children.end_helpers(number)
            self._wait_for_ends(END_PATIENCE)
        self._publisher.report("info", "stopped")
        self._publisher.publish()

    def _wait_for_ends(self, seconds: float) -> None:
        """Waits until there is no process left, at most so long."""
        until = time.monotonic() + seconds
        waiting = select.poll()
        waiting.register(self._signals.fileno(), select.POLLIN)
        with contextlib.suppress(ChildProcessError):
            while (left := until - time.monotonic()) > 0:
                process, _ = os.waitpid(-1, os.WNOHANG)
                if process:
                    self._children.helper_ended(process, until)
                else:
                    waiting.poll(left * 1000 + 1)  # SIGCHLD is a signal too
                    self._signals.pending()
