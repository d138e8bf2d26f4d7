"""Settings, credentials and seed in use: what the next worker starts with."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from certstore.errors import StoreError, StoreUnavailable
from tvs.answers.lastgood import read_last_good
from tvs.answers.seed import last_good_list, next_seed, read_seed, seed_from_copy
from tvs.errors import NoDatabase, NotInCluster, StateError
from tvs.server.credentials import credentials_of, read_credentials
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from tvs.answers.seed import OnEvent, Seed
    from tvs.config.settings import Config
    from tvs.log.tracing import ActiveTrace
    from tvs.server.credentials import Credentials
    from tvs.status.sources import DatabaseStatus

SHARE: Final = 10
"""Pause after a read of the database's changes, as a multiple of the time that it took."""
FIRST_PAUSE: Final = 0.5
"""Seconds between two reads of the database, at least."""
LONG_PAUSE: Final = 10.0
"""The same after a read that failed, or a database that is too large to be read as a whole."""


@dataclass(slots=True)
class Current:
    """Everything that a reload replaces, and the last good sources of answers.

    Attributes:
        config: settings in use.
        credentials: TLS credentials in use.
        seed: certificates that workers share, with the last good CTL file.
        copy_as_of: when the last good copy was made with which the service started, seconds since 1970; None if it
            started with the database, or a worker has read it since.
        trace: the trace order in force; None without one.
    """

    config: Config
    credentials: Credentials
    seed: Seed
    copy_as_of: float | None = None
    trace: ActiveTrace | None = field(default=None, init=False)
    _reported: dict[int, str] = field(default_factory=dict, init=False)  # by slot
    _verified: str | None = field(default=None, init=False)
    _refuted: tuple[int, str] | None = field(default=None, init=False)  # a worker's report that a read did not confirm
    _next_read: float = field(default=0.0, init=False)

    @classmethod
    def read(cls, config: Config, on_db_event: OnEvent) -> Self:
        """Reads what all workers share. Raises `StateError` and `StoreError`.

        Args:
            config: settings in use.
            on_db_event: called with events of the certificate database.
        """
        gc.disable()  # nothing of what follows is garbage
        try:
            found = _read(config, on_db_event)
            gc.freeze()  # the collector would write to every page that the workers share
        finally:
            gc.enable()
        return cls(config, *found)

    def swap(self, config: Config, credentials: Credentials) -> None:
        """Puts other settings and credentials in use. A CTL file at another path is read."""
        if config.ctl_path != self.config.ctl_path:
            self.seed = replace(self.seed, ctl=last_good_list(config, None))
        self.config, self.credentials = config, credentials

    def list_reported(self, slot: int, content: str | None, *, good: bool = False) -> None:
        """Verifies the CTL file when a worker reports other content than before, once for all workers.

        Workers notice a change one after the other and go on reporting what they have: only a content that is new
        to a slot, and that was not the last one verified, is a change of the file.

        Args:
            slot: the worker's slot.
            content: start of the digest of the file's content, as the worker reported it; None before its first look.
            good: whether the worker answers from it; what this process cannot read then is tried at the next report.
        """
        if content is None or content == self._reported.get(slot):
            return
        self._reported[slot] = content
        if content != self._verified:
            self._verified = content
            self.seed = replace(self.seed, ctl=last_good_list(self.config, self.seed.ctl))
            if good and not self._knows(content):  # this process has no descriptor left, say
                self._verified = None
                del self._reported[slot]

    def _knows(self, content: str) -> bool:
        return self.seed.ctl is not None and self.seed.ctl.content.hex().startswith(content)

    def database_reported(self, status: DatabaseStatus, now: float) -> None:
        """Reads the database's changes when a worker reports that it has others than the seed.

        Another database with the same change number (a restored backup) is known by its content.
        A worker that starts while the database cannot be read then answers as the others do. A database that is late
        counts as one that cannot be read. `now`: monotonic seconds.
        """
        reported = (status.change_number, status.content or self.seed.index.content)
        if status.up:
            self.copy_as_of = None
        if not status.up or reported == self._refuted:
            return
        if reported == (self.seed.change_number, self.seed.index.content):
            self._refuted = None
            return
        if now < self._next_read:
            newer = status.change_number >= self.seed.change_number
            self.seed = replace(self.seed, behind=self.seed.behind or newer)
            return
        started = time.monotonic()
        try:
            same_number = status.change_number == self.seed.change_number
            content = status.content if same_number else ""
            self.seed = next_seed(self.config, self.seed, certificates=status.certificates, content=content)
            if status.content and (self.seed.change_number, self.seed.index.content) != reported:
                self._refuted = None if self.seed.behind else reported
        except (StateError, StoreError, OSError):
            self.seed = replace(self.seed, behind=True)
        pause = LONG_PAUSE if self.seed.behind else FIRST_PAUSE
        self._next_read = now + max(pause, SHARE * (time.monotonic() - started))


def _read(config: Config, on_event: OnEvent) -> tuple[Credentials, Seed, float | None]:
    """Credentials and seed from the database, or from the last good copy, with the time from which that is.

    A node that was deleted from the cluster answers as before: phones that know its certificate may ask it still.
    """
    try:
        return read_credentials(config), read_seed(config, on_event), None
    except (StoreUnavailable, NoDatabase, NotInCluster) as error:
        state = StateDirectory.of(config)
        try:
            copy = read_last_good(state)
        except StateError as damaged:
            raise type(error)(f"{error}. The last good copy could not take its place: {damaged}") from error
        if copy is None:
            raise
        on_event("copy_in_use", {"reason": str(error), "certificates": len(copy.index), "as_of": _utc(copy.as_of)})
        return credentials_of(config, copy.certificate, copy.expiry), seed_from_copy(config, copy), copy.as_of


def _utc(seconds: float | None) -> str:
    """Seconds since 1970 as people write them."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
