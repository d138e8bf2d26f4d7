"""SIGHUP: checks everything, then hands new settings and credentials to all workers, or those in use if one is bad.

A rollover of the TVS certificate has new credentials handed to them in the same way, with the settings in use.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from certstore.errors import StoreError
from tvs.answers.seed import read_aside
from tvs.config.loading import ConfigError
from tvs.errors import StateError
from tvs.process.checks import examine, warnings
from tvs.process.messages import ReloadOrder
from tvs.process.presenting import Attempts
from tvs.server.credentials import read_credentials
from tvs.system.channel import ChannelClosed, Order
from tvs.system.limits import shortage

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tvs.config.settings import Config
    from tvs.process.current import Current
    from tvs.process.messages import Report
    from tvs.process.publisher import Publisher
    from tvs.process.slot import Slot
    from tvs.process.slots import Slots
    from tvs.process.supervisorlog import SupervisorLog
    from tvs.server.credentials import Credentials
    from tvs.system.board import Board
    from tvs.system.notify import Notifier

NEED_RESTART: Final = ("state", "store", "listen", "admin", "workers")
"""Settings that stay as they are until the service is started again."""


class Reloader:
    """The reloads of a service, one at a time.

    Args:
        current: settings and credentials in use.
        slots: workers that get the new ones.
        notifier: tells the service manager of a reload's begin and end.
        publisher: takes the results, for board and log.
        log: is opened again by each reload.
        load_config: reads the settings again. Raises `ConfigError`.
        wanted: the follower writes on it which TVS certificate a rollover wants.
        listen: makes a listening socket for a slot that was given up. Raises `OSError`.

    Attributes:
        successful: whether the settings in use are those of the last reload, or of the start.
        fingerprint: SHA-256 of the certificate that all workers present, hex; empty from an order to present another
            one until all workers have carried it out: some present this one, some that one.
    """

    def __init__(
        self,
        current: Current,
        slots: Slots,
        notifier: Notifier,
        *,
        publisher: Publisher,
        log: SupervisorLog,
        load_config: Callable[[], Config],
        wanted: Board,
        listen: Callable[[], socket.socket],
    ) -> None:
        self._current = current
        self._slots = slots
        self._notifier = notifier
        self._publisher = publisher
        self._log = log
        self._load_config = load_config
        self._listen = listen
        self._attempts = Attempts(wanted)
        self._waiting: set[int] = set()  # process ids
        self._problems: list[str] = []
        self._again = False
        self._following = False
        self._not_followed = ""
        self.successful = True
        self.fingerprint = current.credentials.fingerprint

    def begin(self) -> None:
        """Checks everything, and swaps it in if it is good; else opens the logs again. During a reload: after it."""
        if self._waiting:
            self._again = True
            return
        self._notifier.reloading()
        self._problems = []
        try:
            config, credentials, self._problems = self._examined()
            if config is not None and credentials is not None:
                with contextlib.closing(Order(ReloadOrder(config=config, credentials=credentials))) as order:
                    self._swap(config, credentials, order)
            else:
                self._reopen_log()
        except (OSError, MemoryError) as error:  # the machine is short of something; a later reload may work
            self._problems.append(f"the reload could not be made: {shortage(error) or error}")
        self._finish_if_done()

    def follow(self, now: float) -> None:
        """Presents the TVS certificate that a rollover has put in use, if it is time; settings stay as they are.

        `now`: monotonic seconds. During a reload nothing happens; call it again and again.
        """
        if self._waiting or (certificate := self._attempts.due(self.fingerprint, now)) is None:
            return
        self._problems, self._following, config = [], True, self._current.config
        try:
            credentials = _read_aside(config)
            if credentials.fingerprint != certificate:  # the database went on: the follower says so next
                self._following = False
                return
            with contextlib.closing(Order(ReloadOrder(config=config, credentials=credentials))) as order:
                self._use(config, credentials)
                self._publisher.publish()  # from now on the workers can present different ones
                self._send(order)
        except (StateError, StoreError) as error:
            self._problems.append(str(error))
        except (OSError, MemoryError) as error:
            self._problems.append(shortage(error) or str(error))
        self._finish_if_done()

    def abandon(self) -> None:
        """Forgets the reload under way: the service stops."""
        self._waiting.clear()
        self._again = False

    def _examined(self) -> tuple[Config | None, Credentials | None, list[str]]:
        """All problems at once: those of the certificates too if the settings are bad."""
        problems: list[str] = []
        in_use = self._current.config
        try:
            config = self._load_config()
        except ConfigError as error:
            problems += error.problems
            config = in_use
        kept = {name: getattr(in_use, name) for name in NEED_RESTART}
        changed = [name for name, value in kept.items() if getattr(config, name) != value]
        config = replace(config, **kept)
        credentials, more = examine(config, _read_aside)
        problems += more
        for event, sentence in warnings(config):
            self._publisher.report("warning", event, problem=sentence)
        if problems:
            return None, None, problems
        if changed:
            self._publisher.report("warning", "restart_needed", settings=changed)
        return config, credentials, []

    def _swap(self, config: Config, credentials: Credentials, order: Order) -> None:
        """Puts everything in use. What can fail comes before: nothing is in use then."""
        self._publisher.publish()  # what happened before goes to the log that was in use then
        self._use(config, credentials)
        self._slots.timeout = config.worker_timeout
        try:
            self._log.reopen(config)
            self._slots.revive(self._listen)
        except OSError as error:
            self._problems.append(str(error))
        self._send(order)

    def _use(self, config: Config, credentials: Credentials) -> None:
        """What workers start with from now on; the running ones get an order."""
        self._current.swap(config, credentials)
        if self.fingerprint != credentials.fingerprint:
            self.fingerprint = ""

    def _reopen_log(self) -> None:
        """After a refusal opens the logs in use all the same: what was rotated is compressed or removed some day."""
        in_use = self._current
        with contextlib.closing(Order(ReloadOrder(config=in_use.config, credentials=in_use.credentials))) as order:
            try:
                self._log.reopen(in_use.config)
            except OSError as error:
                self._problems.append(str(error))
            self._send(order)

    def _send(self, order: Order) -> None:
        for slot in self._slots:
            if slot.channel is None:
                continue
            try:
                if slot.channel.send_order(order):
                    self._waiting.add(slot.process)
                else:
                    self._slots.hung(slot, 0.0)
            except ChannelClosed:  # it has ended; its exit status says why, and who replaces it has the new settings
                continue

    def acknowledged(self, slot: Slot, report: Report) -> None:
        """A worker has carried out its order, or reports why it could not."""
        if slot.process in self._waiting:
            self._waiting.remove(slot.process)
            if report.problem:
                self._problems.append(f"worker {slot.number}: {report.problem}")
            self._finish_if_done()

    def worker_ended(self, process: int) -> None:
        """A worker has ended; the one that replaces it starts with the new settings."""
        if process in self._waiting:
            self._waiting.remove(process)
            self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._waiting:
            return
        if not self._problems:
            self.fingerprint = self._current.credentials.fingerprint
        if self._following:
            self._followed()
        else:
            self._reloaded()
        if self._again:
            self._again = False
            self.begin()

    def _followed(self) -> None:
        """Logs that the service presents another certificate; why it does not is logged once."""
        self._following, problem = False, "; ".join(self._problems)
        if not problem:
            self._publisher.report("info", "certificate_followed", sha256=self.fingerprint)
        elif problem != self._not_followed:
            self._publisher.report("error", "certificate_not_followed", problem=problem)
        self._not_followed = problem
        self._publisher.publish()

    def _reloaded(self) -> None:
        self.successful = not self._problems
        if self.successful:
            self._publisher.report("info", "reloaded")
        for problem in self._problems:
            self._publisher.report("error", "reload_refused", problem=problem)
        self._publisher.publish()
        status = "Answering phones" if self.successful else "Answering phones; the last reload failed, see the log"
        self._notifier.ready(status)


def _read_aside(config: Config) -> Credentials:
    """Reads the credentials without waiting long for the database: the supervisor would stand still."""
    return read_aside(config, partial(read_credentials, config, lazy=True))
