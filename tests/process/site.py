"""A reloader with its surroundings: workers that exist only in the test, a real board, log and CTL file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.fixtures.statuses import service, worker
from tests.process.world import World
from tvs.answers.seed import read_seed
from tvs.config.loading import load_config
from tvs.process.current import Current
from tvs.process.messages import ReloadOrder, Report
from tvs.process.publisher import Publisher
from tvs.process.reload import Reloader
from tvs.process.supervisorlog import SupervisorLog
from tvs.server.credentials import read_credentials
from tvs.status.model import ServiceStatus
from tvs.system.board import Board
from tvs.system.listening import listen
from tvs.system.notify import Notifier

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.config.settings import Config
    from tvs.state import StateDirectory


class Manager(Notifier):
    """A service manager that reads the board with each notification.

    Attributes:
        told: first lines of the notifications, with the status on the board at that moment.
    """

    def __init__(self, board: Board) -> None:
        super().__init__({})
        self._board = board
        self.told: list[tuple[str, ServiceStatus]] = []

    def _send(self, *lines: str) -> None:
        self.told.append((lines[0], ServiceStatus.from_json(self._board.read())))


@dataclass
class Site:
    """A service's reloader with two workers that run.

    Attributes:
        options: settings beside the state directory and the log.
    """

    state: StateDirectory
    log_file: Path
    options: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.load()
        self.world = World(2)
        self.world.run()
        self.board, self.wanted = Board(), Board()
        self.log = SupervisorLog(config)
        self.current = Current(config, read_credentials(config), read_seed(config, lambda *_: None))
        self.publisher = Publisher(self.board, self.log, self._status)
        self.manager = Manager(self.board)
        host, port = self.world.address
        self.reloader = Reloader(
            self.current,
            self.world.slots,
            self.manager,
            publisher=self.publisher,
            log=self.log,
            load_config=self.load,
            wanted=self.wanted,
            listen=partial(listen, host, port, shared=True),
        )

    def _status(self, now: float) -> ServiceStatus:
        published = service(*(slot.status() for slot in self.world.slots), time=now)
        return ServiceStatus(
            time=now, state=published.state, reload_successful=self.reloader.successful, slots=published.slots
        )

    def load(self) -> Config:
        """Reads the settings."""
        given = {"state": str(self.state.path), "log_file": str(self.log_file), **self.options}
        return load_config(given, environment={})

    def orders(self, number: int) -> list[ReloadOrder]:
        """The orders that the worker of a slot has got."""
        return list(self.world.ends[self.world.slot(number).process].orders())

    def acknowledge(self, number: int, problem: str = "") -> None:
        """The worker of a slot has carried out its order."""
        slot = self.world.slot(number)
        self.reloader.acknowledged(slot, Report(status=worker(), reloaded=True, problem=problem))

    def end(self, number: int) -> None:
        """The worker of a slot ends."""
        process = self.world.slot(number).process
        self.world.end(number)
        self.reloader.worker_ended(process)

    def lines(self) -> list[str]:
        """The log, without times."""
        return [line.split(" | ", 1)[1] for line in self.log_file.read_text().splitlines()]

    def told(self) -> list[str]:
        """The first lines of the notifications."""
        return [line for line, _ in self.manager.told]

    def close(self) -> None:
        """Closes sockets and the log."""
        self.world.close()
        self.log.close()
