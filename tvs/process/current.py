"""Settings, credentials and seed in use: what the next worker starts with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tvs.answers.seed import last_good_list

if TYPE_CHECKING:
    from tvs.answers.seed import Seed
    from tvs.config.settings import Config
    from tvs.server.credentials import Credentials


@dataclass(slots=True)
class Current:
    """Everything that a reload replaces, and the last good CTL file.

    Attributes:
        config: settings in use.
        credentials: TLS credentials in use.
        seed: certificates that workers share, with the last good CTL file.
    """

    config: Config
    credentials: Credentials
    seed: Seed
    _reported: dict[int, str] = field(default_factory=dict, init=False)  # by slot
    _verified: str | None = field(default=None, init=False)

    def swap(self, config: Config, credentials: Credentials) -> None:
        """Puts other settings and credentials in use. A CTL file at another path is read."""
        if config.ctl_path != self.config.ctl_path:
            self.seed = replace(self.seed, ctl=last_good_list(config, None))
        self.config, self.credentials = config, credentials

    def list_reported(self, slot: int, content: str | None) -> None:
        """Verifies the CTL file when a worker reports other content than before, once for all workers.

        Workers notice a change one after the other and go on reporting what they have: only a content that is new
        to a slot, and that was not the last one verified, is a change of the file.

        Args:
            slot: the worker's slot.
            content: digest of the file's content, as the worker reported it; None before its first look.
        """
        if content is None or content == self._reported.get(slot):
            return
        self._reported[slot] = content
        if content != self._verified:
            self._verified = content
            self.seed = replace(self.seed, ctl=last_good_list(self.config, self.seed.ctl))
