"""SIGHUP: everything is checked, then all workers go on with the new settings and the new certificate, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tvs.answers.seed import last_good_list
from tvs.config.loading import ConfigError
from tvs.process.checks import examine
from tvs.process.worker import Reload

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.config.settings import Config
    from tvs.process.slots import Slot
    from tvs.process.supervisor import Supervisor
    from tvs.server.credentials import Credentials

NEED_RESTART: Final = ("state", "listen", "admin", "workers")
"""Settings that stay as they are until the service is started again."""


class Reloader:
    """The reloads of a supervisor, one at a time.

    Args:
        supervisor: whose settings are replaced.
        load_config: reads the settings again. Raises `ConfigError`.

    Attributes:
        successful: whether the settings in use are those of the last reload, or of the start.
    """

    def __init__(self, supervisor: Supervisor, load_config: Callable[[], Config]) -> None:
        self._supervisor = supervisor
        self._load_config = load_config
        self._waiting: dict[int, int] = {}  # process: slot number
        self._problems: list[str] = []
        self._again = False
        self.successful = True

    def begin(self) -> None:
        """Checks everything, and hands it to the workers where it is good."""
        if self._waiting:
            self._again = True
            return
        self._supervisor.notifier.reloading()
        config, credentials, problems = self._examined()
        if config is None or credentials is None:
            self._failed(problems)
        else:
            self._swap(config, credentials)

    def _examined(self) -> tuple[Config | None, Credentials | None, list[str]]:
        """All problems at once: also those of the certificates where the settings are bad."""
        problems: list[str] = []
        try:
            config = self._load_config()
        except ConfigError as error:
            problems += error.problems
            config = self._supervisor.config
        kept = {name: getattr(self._supervisor.config, name) for name in NEED_RESTART}
        changed = [name for name, value in kept.items() if getattr(config, name) != value]
        config = replace(config, **kept)
        credentials, more = examine(config)
        problems += more
        if problems:
            return None, None, problems
        if changed:
            self._supervisor.log.warning("restart_needed", settings=changed)
        return config, credentials, []

    def _swap(self, config: Config, credentials: Credentials) -> None:
        supervisor = self._supervisor
        if config.ctl_path != supervisor.config.ctl_path:
            supervisor.seed = replace(supervisor.seed, ctl=last_good_list(config, None))
        supervisor.config, supervisor.credentials = config, credentials
        supervisor.slots.timeout = config.worker_timeout
        self._problems = []
        try:
            supervisor.changed(log=True)
            supervisor.slots.revive(supervisor.listen_again)
        except OSError as error:
            self._problems.append(str(error))
        order = Reload(config=config, credentials=credentials)
        for slot in supervisor.slots:
            if slot.channel is None:
                continue
            if slot.channel.send_order(order):
                self._waiting[slot.process] = slot.number
            else:
                supervisor.slots.hung(slot, 0.0)
        self._finish_if_done()

    def acknowledged(self, slot: Slot, problem: str) -> None:
        """A worker has changed over, or says why it could not."""
        self._waiting.pop(slot.process, None)
        if problem:
            self._problems.append(f"worker {slot.number}: {problem}")
        self._finish_if_done()

    def worker_ended(self, process: int) -> None:
        """A worker is gone; the one that replaces it begins with the new settings."""
        if self._waiting.pop(process, None) is not None:
            self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._waiting:
            return
        if self._problems:
            self._failed(self._problems)
        else:
            self.successful = True
            self._supervisor.publish()
            self._supervisor.log.info("reloaded")
            self._end()

    def _failed(self, problems: list[str]) -> None:
        self.successful = False
        self._supervisor.publish()
        for problem in problems:
            self._supervisor.log.error("reload_refused", problem=problem)
        self._end()

    def _end(self) -> None:
        status = "Answering phones" if self.successful else "Answering phones; the last reload failed, see the log"
        self._supervisor.notifier.ready(status)
        if self._again:
            self._again = False
            self.begin()
