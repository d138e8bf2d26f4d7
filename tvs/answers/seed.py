"""Seed of new workers: certificates and CTL file, read once before the fork."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from certstore.cache import CertificateDBCache
from certstore.errors import StoreUnavailable
from certstore.index import CacheEntry, CertificateIndex
from ctlcache.inspection import FileState, inspect_file
from tvs.state import StateDirectory
from tvs.system.inchild import NotDone, in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from certstore.certificate import TrustedCertificate
    from certstore.changes import Changes, LastChange
    from ctlcache.inspection import Inspection
    from tvs.answers.lastgood import LastGood
    from tvs.config.settings import Config

    OnEvent = Callable[[str, Mapping[str, object]], None]
    """Receives the name and the fields of a cache's event."""

T = TypeVar("T")

SECURITY_MODE: Final = "ClusterSecurityMode"
"""The cluster's parameter: 0 non-secure, 1 mixed mode."""
MAX_READ_AGAIN: Final = 20_000
"""Certificates of a database that the supervisor reads as a whole while the service runs: about half a second."""
MAX_CHANGES: Final = 5_000
"""Changes that the supervisor reads of a larger database: fewer than its log keeps, and read as fast."""
PATIENCE: Final = 4.0
"""Seconds that the supervisor waits for the database while the service runs: after 5 s it counts as stalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Certificates and CTL file of new workers. They are read before the fork, so that workers share the memory.

    Attributes:
        index: the certificates.
        change_number: the store's number of the last change in the index.
        token: of that change, see `certstore.changes.LastChange`; empty if it has none.
        time_to_live: seconds that answers carry by default.
        database: `CertificateStore.identity` of the database that it was read from.
        behind: whether the database had later changes that could not be read.
        security_mode: the cluster's parameter of that name; None if it is not set.
        ctl: the last good CTL file, unless it was deleted; a worker that starts while the file is damaged uses it.
    """

    index: CertificateIndex
    change_number: int
    time_to_live: int
    database: str | None
    token: str = ""
    behind: bool = False
    security_mode: str | None = None
    ctl: Inspection | None = None


def read_seed(config: Config, on_event: OnEvent) -> Seed:
    """Reads the whole store and the CTL file. Raises `StateError` and `StoreError`."""
    with closing(StateDirectory.of(config).store()) as store:
        cache = CertificateDBCache(store, default_time_to_live=config.time_to_live, on_event=on_event)
        cache.load()
        database, security_mode = store.identity(), store.parameter(SECURITY_MODE)
    return Seed(
        index=cache.index,
        change_number=cache.change_number,
        token=cache.token,
        time_to_live=config.time_to_live,
        database=database,
        security_mode=security_mode,
        ctl=last_good_list(config, None),
    )


def seed_from_copy(config: Config, copy: LastGood) -> Seed:
    """The seed of a start without the database: certificates of the last good copy, and the CTL file of today."""
    return Seed(
        index=copy.index,
        change_number=copy.change_number,
        token=copy.token,
        time_to_live=copy.time_to_live,
        database=copy.database,
        security_mode=copy.security_mode,
        ctl=last_good_list(config, None),
    )


def read_aside(config: Config, read: Callable[[], T]) -> T:
    """What a function reads from the database, in a child process: the supervisor must not stand still.

    A server that stalls, and a name server that is silent, can hold who waits for them for minutes.

    Raises `StoreUnavailable` if it takes longer than `PATIENCE`, `OSError` without a process, and what `read` raises.
    """
    try:
        return in_child(read, PATIENCE)
    except NotDone as error:
        raise StoreUnavailable(f"{StateDirectory.of(config).store_name}: the database {error}") from error


def next_seed(config: Config, seed: Seed, *, certificates: int, content: str = "") -> Seed:
    """The seed with the later changes of the database. Raises as `read_aside` does, `StateError` and `StoreError`.

    A database of other origin, or with changes that its log no longer has, is read as a whole if it is small; a larger
    one leaves the seed as it was, `behind`.

    Args:
        config: paths and the default time to live.
        seed: the seed so far.
        certificates: number of certificates in the database, as a worker counted them.
        content: `CertificateIndex.content` of a worker whose change number is the seed's; empty if there is none.
    """
    news = read_aside(config, partial(_read_news, config, seed, certificates, content))
    if news is None:
        return replace(seed, behind=True)
    return replace(
        seed,
        index=news.index(seed.index, config.time_to_live),
        change_number=news.last.number,
        token=news.last.token,
        time_to_live=config.time_to_live,
        database=news.database,
        behind=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """What the seed does not have.

    Attributes:
        database: as of `Seed`.
        last: the database's last change, in all of this.
        changes: those since the seed; None if the database was read as a whole.
        trusted: the whole database.
    """

    database: str | None
    last: LastChange
    changes: Changes | None
    trusted: tuple[TrustedCertificate, ...] = ()

    def index(self, before: CertificateIndex, time_to_live: int) -> CertificateIndex:
        """The index that follows on another one. `time_to_live`: the default, seconds."""

        def entry(trusted: TrustedCertificate) -> CacheEntry:
            return CacheEntry(**trusted.answer_values(time_to_live))

        if self.changes is None:
            return CertificateIndex(map(entry, self.trusted))
        return before.updated(remove=self.changes.removed, add=map(entry, self.changes.changed))


def _read_news(config: Config, seed: Seed, certificates: int, content: str) -> _News | None:
    """Reads what is new, for `next_seed`; None if that is too much. Only values: the entries are made once, there."""
    with closing(StateDirectory.of(config).lazy_store()) as store:
        database, last = store.identity(), store.last_change()
        follows = database == seed.database and config.time_to_live == seed.time_to_live
        if last.number == seed.change_number and content not in ("", seed.index.content):
            follows = False
        large = certificates > MAX_READ_AGAIN
        if large and not (follows and 0 <= last.number - seed.change_number <= MAX_CHANGES):
            return None
        changes = store.changes_since(seed.change_number, token=seed.token) if follows else None
        if changes is not None:
            return _News(database=database, last=changes.last, changes=changes)
        return None if large else _News(database=database, last=last, changes=None, trusted=tuple(store.trusted()))


def last_good_list(config: Config, known: Inspection | None) -> Inspection | None:
    """The inspection of the CTL file if it is good, None if an administrator deleted it, otherwise `known`."""
    copy_of = StateDirectory.of(config).ctl_file
    inspection = inspect_file(config.ctl_path, config.time_to_live, copy_of=copy_of)
    if inspection is not None and inspection.state is FileState.DELETED:
        return None
    return inspection if inspection is not None and inspection.state is FileState.OK else known
