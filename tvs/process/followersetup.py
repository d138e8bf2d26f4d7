"""What the follower starts with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.answers.seed import Seed
    from tvs.config.settings import Config
    from tvs.process.slots import ReportEvent
    from tvs.system.board import Board
    from tvs.system.heartbeat import Heartbeat
    from tvs.system.nudge import Nudge


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerSetup:
    """Everything that a follower starts with.

    Attributes:
        config: all settings.
        seed: certificates that were read before the fork.
        board: the supervisor's status.
        cluster: the follower publishes the cluster's status on it.
        wanted: the follower writes on it which TVS certificate a rollover wants, see `tvs.process.presenting`.
        nudge: has the workers look at the database and the CTL file.
        event: takes events for the log.
        load_config: reads the settings again. Raises `ConfigError`.
        heartbeat: the supervisor replaces a process that gives no sign of life.
    """

    config: Config
    seed: Seed
    board: Board
    cluster: Board
    wanted: Board
    nudge: Nudge
    event: ReportEvent
    load_config: Callable[[], Config]
    heartbeat: Heartbeat

    def copy_failed(self, sentence: str) -> None:
        """Logs why the last good copy of the database is not kept."""
        self.event("error", "database_copy_failed", problem=sentence)
