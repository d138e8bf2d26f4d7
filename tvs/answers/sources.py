"""Where a worker's answers come from: the certificate store, the CTL file, and the verifier on both."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from certstore.cache import CertificateDBCache
from certstore.store import StoreError
from ctlcache.cache import CertificateCTLCache
from ctlcache.look import State
from tvs.answers.verifier import TrustVerifier
from tvs.state import StateDirectory
from tvs.status.model import CTLStatus, DatabaseStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from certstore.trace import Trace
    from tvs.answers.seed import Seed
    from tvs.config.settings import Config

    OnEvent = Callable[[str, Mapping[str, object]], None]


class Sources:
    """The store, the two caches and the verifier.

    Args:
        config: says where they are.
        seed: what was read before; None: everything is read here.
        on_db_event, on_ctl_event: told what happens to the caches.
        trace: takes the lines of the CTL monitor; None where nobody reads them.
    """

    def __init__(
        self, config: Config, *, seed: Seed | None, on_db_event: OnEvent, on_ctl_event: OnEvent, trace: Trace | None
    ) -> None:
        self._config = config
        self._seed = seed
        self._store = StateDirectory(config.state).store()
        self.db = CertificateDBCache(self._store, default_time_to_live=config.time_to_live, on_event=on_db_event)
        self.ctl = CertificateCTLCache(
            config.ctl_path, default_time_to_live=config.time_to_live, on_event=on_ctl_event, trace=trace
        )
        self.verifier = TrustVerifier(self.db, self.ctl)

    def load(self, *, paced: bool = False) -> None:
        """Reads what is not there yet. Blocking. Raises `StoreError` where there is no index to begin with.

        Args:
            paced: leave phones their turns meanwhile, which the event loop of another thread answers.
        """
        seed = self._seed
        self._seed = None
        if seed is not None and self._is_ours(seed):
            self.db.adopt(seed.index, seed.change_number)
            with contextlib.suppress(StoreError):  # the monitor goes on trying
                self.db.refresh()
        elif paced:
            self.db.refresh()
        else:
            self.db.load()
        self.ctl.load()
        if seed is not None and seed.ctl is not None and not self.ctl.loaded:
            self.ctl.adopt(seed.ctl)

    def _is_ours(self, seed: Seed) -> bool:
        """Whether a seed has the answers of our settings and was read from the database that our store has open."""
        same = seed.database is not None and seed.database == self._store.identity()
        return same and seed.time_to_live == self._config.time_to_live

    def monitors(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What keeps the caches in step with their sources, by name, to be run as tasks."""
        return {"db-cache-monitor": self.db.monitor(), "ctl-cache-monitor": self.ctl.monitor()}

    def close(self) -> None:
        """Closes the store."""
        self._store.close()

    def problems(self) -> list[str]:
        """Why answers would not be complete.

        The last good index stays in use when a source fails later: that is no problem here, and the status says so.
        A CTL file that never was good, beside an existing file, is one: what only it vouches for is refused.
        """
        found = []
        if not self.db.loaded:
            found.append("certificate database not loaded")
        if not self.ctl.loaded and self.ctl.state not in (State.OK, State.MISSING):
            found.append(f"CTL file {self.ctl.state}, and no good one was seen since the start")
        return found

    def db_status(self) -> DatabaseStatus:
        """Status of the index of the certificate store."""
        return DatabaseStatus(
            up=self.db.db_up,
            certificates=len(self.db),
            generation=self.db.generation,
            change_number=self.db.change_number,
        )

    def ctl_status(self) -> CTLStatus:
        """Status of the index of the CTL file."""
        content = self.ctl.content
        return CTLStatus(
            state=str(self.ctl.state),
            certificates=len(self.ctl),
            generation=self.ctl.generation,
            content=None if content is None else content.hex()[:32],
            last_success=self.ctl.last_success,
        )
