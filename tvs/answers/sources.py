"""Sources of a worker's answers: the certificate store, the CTL file, and the verifier on both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from certstore.cache import CertificateDBCache
from certstore.certificate import Certificate
from certstore.errors import StoreError
from ctlcache.cache import CertificateCTLCache
from ctlcache.inspection import ACCEPTABLE, FileState
from tvs.answers.seed import SECURITY_MODE
from tvs.answers.verifier import TrustVerifier
from tvs.state import StateDirectory
from tvs.status.members import shortened
from tvs.status.sources import CTLStatus, DatabaseStatus, content_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from certstore.trace import Trace
    from tvs.answers.seed import OnEvent, Seed
    from tvs.config.settings import Config


class Sources:
    """The store, the two caches and the verifier.

    Args:
        config: paths and the default time to live.
        seed: certificates and CTL file that were read before; None to read everything in `load`.
        on_db_event: called with the name and fields of each event of the certificate database's cache.
        on_ctl_event: likewise of the CTL cache; a missing file is ``absent`` if the cluster needs none.
        trace: takes the lines of the CTL monitor; None if they are not written.

    Attributes:
        db: cache of the certificate database.
        ctl: cache of the CTL file.
        verifier: answers requests from both.
    """

    def __init__(
        self, config: Config, *, seed: Seed | None, on_db_event: OnEvent, on_ctl_event: OnEvent, trace: Trace | None
    ) -> None:
        self._config = config
        self._seed = seed
        self._on_ctl_event = on_ctl_event
        self._expects_list = True
        self._signer: tuple[int, float | None] = (0, None)  # generation of the CTL cache, expiry of its signer
        state = StateDirectory.of(config)
        self._store = state.lazy_store()
        self._behind = False
        self.db = CertificateDBCache(
            self._store, default_time_to_live=config.time_to_live, may_be_empty=False, on_event=on_db_event
        )
        self.ctl = CertificateCTLCache(
            config.ctl_path,
            copy_of=state.ctl_file,
            default_time_to_live=config.time_to_live,
            on_event=self._ctl_event,
            trace=trace,
        )
        self.verifier = TrustVerifier(self.db, self.ctl)

    def load(self, *, paced: bool = False) -> None:
        """Reads what the seed does not have. Blocking. Raises `StoreError` if there is no index to begin with.

        A worker that is to begin while the database cannot be read answers from its seed; the monitor goes on trying.

        Args:
            paced: read slowly, for a thread beside the event loop that answers phones.
        """
        seed = self._seed
        self._seed = None
        self._load_db(seed, paced=paced)
        known = seed is not None and seed.ctl is not None
        self._expects_list = known or self._security_mode(seed) != "0"
        self.ctl.load()
        deleted = self.ctl.state is FileState.DELETED
        if seed is not None and seed.ctl is not None and not (self.ctl.loaded or deleted):
            self.ctl.adopt(seed.ctl)

    def _security_mode(self, seed: Seed | None) -> str | None:
        """The cluster's security mode, as the seed has it while the database cannot be read."""
        try:
            if seed is None or self.db.db_up:
                return self._store.parameter(SECURITY_MODE)
        except StoreError:
            pass
        return None if seed is None else seed.security_mode

    def _load_db(self, seed: Seed | None, *, paced: bool) -> None:
        if seed is not None and self._is_ours(seed):
            self.db.adopt(seed.index, seed.change_number, token=seed.token)
        read = self.db.refresh if paced or self.db.loaded else self.db.load
        try:
            read()
        except StoreError:
            if seed is None:
                raise
            if not self.db.loaded:
                token = seed.token if seed.time_to_live == self._config.time_to_live else ""
                self.db.adopt(seed.index, seed.change_number, token=token, same_database=False)
            self._behind = seed.behind

    @property
    def ctl_absent(self) -> bool:
        """Whether there is rightly no CTL file: deleted by an administrator, or never made in non-secure mode."""
        if self.ctl.state is FileState.MISSING:
            return not (self._expects_list or self.ctl.loaded)
        return self.ctl.state is FileState.DELETED

    def _ctl_event(self, event: str, fields: Mapping[str, object]) -> None:
        self._on_ctl_event("absent" if event == FileState.MISSING and self.ctl_absent else event, fields)

    def _is_ours(self, seed: Seed) -> bool:
        """Whether the seed fits the settings and was read from the database that the store has open."""
        try:
            same = seed.database is not None and seed.database == self._store.identity()
        except StoreError:
            return False
        return same and seed.time_to_live == self._config.time_to_live

    def monitors(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Monitors that keep the caches in step with their sources, by name; run each as a task."""
        return {"db-cache-monitor": self.db.monitor, "ctl-cache-monitor": self.ctl.monitor}

    def look_soon(self) -> None:
        """Has both monitors look now, because another program knows of a change; call it on their loop."""
        self.db.look_soon()
        self.ctl.look_soon()

    def close(self) -> None:
        """Closes the store."""
        self._store.close()

    def problems(self) -> list[str]:
        """Reasons why answers are not complete; empty if they are.

        When a source fails later, its last good index stays in use: that is not a reason, and the status shows it. A
        CTL file that exists and has not been good since the start is one: certificates in it alone are refused.
        """
        found = []
        if not self.db.loaded:
            found.append("certificate database not loaded")
        if self._behind and not self.db.db_up:
            found.append("certificate database cannot be read, and had changes that this worker does not know")
        if not self.ctl.loaded and self.ctl.state not in ACCEPTABLE:
            found.append(f"CTL file {self.ctl.state}, and no good one was seen since the start")
        return found

    def db_status(self) -> DatabaseStatus:
        """Status of the index of the certificate store."""
        return DatabaseStatus(
            up=self.db.db_up,
            certificates=len(self.db),
            generation=self.db.generation,
            change_number=self.db.change_number,
            swapped=self.db.swapped,
            content=self.db.index.content,
            problem=shortened(self.db.problem),
            known_at=self.db.known_at,
        )

    def ctl_status(self) -> CTLStatus:
        """Status of the index of the CTL file."""
        content = self.ctl.content
        return CTLStatus(
            state=str(self.ctl.state),
            certificates=len(self.ctl),
            generation=self.ctl.generation,
            content=None if content is None else content_text(content),
            last_success=self.ctl.last_success,
            signer_not_after=self._signer_not_after(),
        )

    def _signer_not_after(self) -> float | None:
        """Expiry of the signer of the list in use, found once for each list."""
        generation, found = self._signer
        if generation != self.ctl.generation:
            signer = self.ctl.signer
            entry = None if signer is None else self.ctl.index.find(signer.serial_number, signer.issuer_name)
            found = None if entry is None else Certificate.from_der(entry.certificate).not_after.timestamp()
            self._signer = (self.ctl.generation, found)
        return found
