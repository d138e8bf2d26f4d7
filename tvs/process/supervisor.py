"""The supervisor: starts the workers and the admin process, looks after them, and ends them.

It has no event loop and no thread, so that it can fork at any time, and it talks to no phone, so that no phone can
hurt it. Signals: SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from tvs.admin.process import run_admin
from tvs.answers.seed import last_good_list, read_seed
from tvs.config.endpoint import Endpoint
from tvs.log.logger import logger_for
from tvs.process.listeners import direct_log, open_admin_listener, open_direct_log, open_listeners
from tvs.process.reload import Reloader
from tvs.process.slots import Slots
from tvs.process.worker import Post, run_worker
from tvs.server.credentials import read_credentials
from tvs.server.metrics import drop_gauges
from tvs.system.board import Board
from tvs.system.fork import fork
from tvs.system.limits import raise_descriptor_limit
from tvs.system.listening import listen
from tvs.system.notify import Notifier
from tvs.system.scratch import metrics_directory
from tvs.system.signals import Signals

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from tvs.config.settings import Config
    from tvs.process.slots import Slot
    from tvs.system.channel import Channel

INTERRUPTED: Final = 130
"""Exit status after a second signal."""
DRAIN_EXTRA: Final = 5.0
"""Seconds that workers have to end beyond `drain_timeout`."""
LOOK: Final = 1.0
"""Seconds between two looks at everything at the most."""


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
        self.config = config
        self._load_config = load_config
        self._announce = announce
        self._announced = False
        self._board = Board()
        self.notifier = Notifier()
        self._admin_process = 0
        self._kill_at = 0.0
        self._status = 0
        self._published = 0.0
        self._list_seen: str | None = None
        self._changed = True

    def run(self) -> int:
        """Serves until a signal ends it. Returns the exit status.

        Raises `StartError`, `StateError` and `StoreError` where the service cannot start.
        """
        raise_descriptor_limit()
        with contextlib.ExitStack() as stack:
            self._prepare(stack)
            try:
                self._supervise()
            finally:
                self._end()
        return self._status

    # -- beginning ------------------------------------------------------------------------------------------------

    def _prepare(self, stack: contextlib.ExitStack) -> None:
        """Everything that can fail, before there is a second process."""
        self._direct_log = open_direct_log(self.config)
        self.log = logger_for(self._direct_log)
        self.credentials = read_credentials(self.config)
        self._warn_of_keylog()
        gc.disable()  # nothing of what follows is garbage
        self.seed = read_seed(self.config, self._db_event)
        gc.freeze()  # the collector would write to every page that the workers share
        gc.enable()
        listeners = open_listeners(self.config)
        self._admin_listener = stack.enter_context(contextlib.closing(open_admin_listener(self.config)))
        self._metrics = stack.enter_context(metrics_directory())
        self._signals = stack.enter_context(Signals())
        self._phones = Endpoint(self.config.listen.host, listeners[0].getsockname()[1])
        self.slots = Slots(
            listeners, start=self._fork_worker, hear=self._heard, log=self.log, timeout=self.config.worker_timeout
        )
        stack.callback(self.slots.close)
        self._reloader = Reloader(self, self._load_config)

    def listen_again(self) -> socket.socket:
        """One more listening socket for phones. Raises `OSError`."""
        return listen(self._phones.host, self._phones.port, shared=True)

    def _warn_of_keylog(self) -> None:
        if self.config.tls_keylog is not None:
            self.log.warning(
                "tls_keylog", file=str(self.config.tls_keylog), warning="who has this file can read the phones' traffic"
            )

    # -- children -------------------------------------------------------------------------------------------------

    def _fork_worker(self, slot: Slot, channel: Channel) -> int:
        drop_gauges(self._metrics, slot.number)

        def work() -> int:
            self._leave(keep=slot)
            if slot.listener is None:
                raise RuntimeError("a worker without a listening socket")
            return run_worker(
                Post(
                    slot=slot.number,
                    config=self.config,
                    credentials=self.credentials,
                    seed=self.seed,
                    listener=slot.listener,
                    channel=channel,
                    metrics=self._metrics,
                )
            )

        return fork(work)

    def _fork_admin(self) -> None:
        supervisor = os.getpid()

        def work() -> int:
            listener = self._admin_listener.dup()
            self._leave()
            return run_admin(listener, self._board, self._metrics, supervisor)

        self._admin_process = fork(work, on_parents_death=signal.SIGTERM)

    def _leave(self, keep: Slot | None = None) -> None:
        """In a child: closes what is the supervisor's alone."""
        self.slots.close(keep=keep)
        self._admin_listener.close()
        self._signals.close()
        self.notifier.close()

    def _reap(self, now: float) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                process, wait_status = os.waitpid(-1, os.WNOHANG)
                if not process:
                    return
                self._changed = True
                if process == self._admin_process:
                    self._admin_process = 0
                elif self.slots.reaped(process, wait_status, now):
                    self._reloader.worker_ended(process)

    # -- the loop -------------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        while True:
            now = time.monotonic()
            self._reap(now)
            if self.slots.stopping and not self.slots.alive:
                return
            self._keep_running(now)
            if self._changed or now - self._published >= LOOK:
                self.publish()
            self.notifier.watchdog(now)
            self._wait(now)
            for number in self._signals.pending():
                self._signalled(number)
            self.slots.listen(time.monotonic())

    def _keep_running(self, now: float) -> None:
        if self.slots.stopping:
            if now > self._kill_at:
                self.slots.kill()
            return
        self.slots.kill_hung(now)
        self.slots.start_due(now)
        if not self._admin_process:
            self._fork_admin()
        if self.slots.count("closed") == len(list(self.slots)):
            self.log.error("no_worker_left", advice="the lines above say why; the service ends")
            self._status = 1
            self._stop()
        elif not self._announced and not self.slots.count("starting", "waiting"):
            self._announced = True
            self.publish()
            self._tell()

    def _tell(self) -> None:
        """All workers accept phones."""
        admin = Endpoint(self.config.admin.host, self._admin_listener.getsockname()[1])
        workers = self.slots.count("running")
        self.log.info("listening", phones=str(self._phones), admin=str(admin), workers=workers, pid=os.getpid())
        self._announce(self._phones, admin)
        self.notifier.ready(f"Answering phones on {self._phones}")

    def _wait(self, now: float) -> None:
        """Until a worker says something, a signal comes, or something is due."""
        waiting = select.poll()
        waiting.register(self._signals.fileno(), select.POLLIN)
        for slot in self.slots:
            if slot.channel is not None:
                waiting.register(slot.channel.fileno(), select.POLLIN)
        waiting.poll(min(LOOK, self.slots.next_due(now)) * 1000 + 1)

    def _heard(self, slot: Slot, message: dict[str, Any]) -> None:
        self._changed = True
        if message["kind"] == "reloaded":
            self._reloader.acknowledged(slot, message["problem"])
        content = slot.status["ctl"]["content"]
        if content != self._list_seen:  # another CTL file: where it is good, the next worker may need it
            self._list_seen = content
            self.seed = replace(self.seed, ctl=last_good_list(self.config, self.seed.ctl))

    # -- signals --------------------------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP and not self.slots.stopping:
            self._reloader.begin()
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self.slots.stopping:
                self._status = INTERRUPTED
                self.slots.kill()
            else:
                self._stop()

    def _stop(self) -> None:
        seconds = self.config.drain_timeout + DRAIN_EXTRA
        self._kill_at = time.monotonic() + seconds
        connections = sum(slot.status.get("connections", 0) for slot in self.slots)
        self.slots.stopping = True
        self.publish()
        self.notifier.stopping(seconds)
        self.log.info("stopping", connections=connections)
        self._changed = True
        self.slots.drain()

    def _end(self) -> None:
        """Nothing is left behind."""
        self.slots.kill()
        if self._admin_process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._admin_process, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)
        self.log.info("stopped")

    # -- what others are told -------------------------------------------------------------------------------------

    def changed(self, *, log: bool = False) -> None:
        """Something has changed that the admin process should know; with `log`, where the log goes."""
        self._changed = True
        if log:
            before, self._direct_log = self._direct_log, direct_log(self.config)
            self.log = self.slots.log = logger_for(self._direct_log)
            before.close()
            self._warn_of_keylog()

    def publish(self) -> None:
        """Publishes the status for the admin process. What is announced is published first."""
        now = time.monotonic()
        self._changed, self._published = False, now
        processes = {str(slot.number): slot.process for slot in self.slots if slot.process}
        self._board.write(
            {
                "time": now,
                "state": "stopping" if self.slots.stopping else "running" if self._announced else "starting",
                "reload_successful": int(self._reloader.successful),
                "restarts": self.slots.restarts,
                "processes": {**processes, "admin": self._admin_process, "supervisor": os.getpid()},
                "workers": [
                    {
                        "slot": slot.number,
                        "state": slot.state,
                        "pid": slot.process,
                        "heard": slot.heard,
                        "status": slot.status,
                    }
                    for slot in self.slots
                ],
            }
        )

    def _db_event(self, event: str, fields: Mapping[str, object]) -> None:
        level = "info" if event == "refreshed" else "warning"
        getattr(self.log, level)(f"db_{event}", **fields)
