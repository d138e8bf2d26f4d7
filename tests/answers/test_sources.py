"""Sources of a worker's answers: seed, store, CTL file, monitors, status."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.purposes import Purpose
from ctlcache.deletion import deletion_marker
from proto.messages import QueryCertRequest
from tests.fixtures.certificates import certificate
from tests.fixtures.monitored import until
from tvs.answers.seed import Seed, read_seed
from tvs.answers.sources import Sources
from tvs.answers.verifier import TrustResult
from tvs.config.settings import Config
from tvs.status.sources import CTLStatus, DatabaseStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from ctlcache.signing import KeyFileSigner

FIRST, SECOND = certificate(serial=0x71), certificate(serial=0x72)


@pytest.fixture
def config(tmp_path: Path, store: CertificateStore) -> Config:
    """Settings of a state directory with one certificate in its store, and no CTL file."""
    store.import_certificate(FIRST, Purpose.TVS)
    (tmp_path / "tftp").mkdir()
    return Config(state=tmp_path)


@pytest.fixture
def events() -> list[str]:
    """The names of all events of the caches."""
    return []


@pytest.fixture
def make(events: list[str]) -> Iterator[Callable[..., Sources]]:
    """Makes sources: (settings, seed=); they are closed with the test."""
    made: list[Sources] = []

    def make_sources(config: Config, seed: Seed | None = None) -> Sources:
        def receive(event: str, _fields: Any) -> None:
            events.append(event)

        made.append(Sources(config, seed=seed, on_db_event=receive, on_ctl_event=receive, trace=None))
        return made[-1]

    yield make_sources
    for sources in made:
        sources.close()


def trusted(sources: Sources, serial: int) -> bool:
    """Whether the certificate with this serial number is trusted."""
    request = QueryCertRequest(
        session_id=1,
        device_name="SEP1",
        subject_name="",
        issuer_name="CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL",
        serial_number=serial.to_bytes(16),
    )
    return sources.verifier.answer(request).result is TrustResult.TRUSTED


def seed_of(config: Config) -> Seed:
    """The seed that the supervisor would read now."""
    return read_seed(config, lambda *_: None)


# -- loading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paced", [False, True])
def test_without_a_seed_everything_is_read(config: Config, make: Callable[..., Sources], *, paced: bool) -> None:
    """A worker without a seed reads the store, at once or slowly beside phones that are answered."""
    sources = make(config)
    assert "certificate database not loaded" in sources.problems()
    sources.load(paced=paced)
    assert sources.problems() == []
    assert (trusted(sources, 0x71), trusted(sources, 0x72)) == (True, False)


def test_seed_is_used_as_it_is(config: Config, make: Callable[..., Sources]) -> None:
    """The seed's index itself answers, so that all workers share its memory."""
    seed = seed_of(config)
    sources = make(config, seed)
    sources.load()
    assert sources.db.index is seed.index
    assert sources.db.change_number == seed.change_number


def test_changes_after_the_seed_are_read(
    config: Config, store: CertificateStore, make: Callable[..., Sources], events: list[str]
) -> None:
    """A worker that starts later than its seed was read knows what changed since."""
    seed = seed_of(config)
    store.import_certificate(SECOND, Purpose.CallManager)
    sources = make(config, seed)
    sources.load()
    assert (trusted(sources, 0x71), trusted(sources, 0x72)) == (True, True)
    assert len(seed.index) == 1
    assert "refreshed" in events


def test_seed_of_another_database(
    config: Config, store: CertificateStore, make: Callable[..., Sources], tmp_path: Path
) -> None:
    """A seed of a database in whose place another one was put is not used."""
    seed = seed_of(config)
    store.close()
    with closing(open_store(str(tmp_path / "restored.db"), create=True)) as restored:
        restored.import_certificate(SECOND, Purpose.TVS)
    (tmp_path / "restored.db").replace(tmp_path / "tvs.db")
    sources = make(config, seed)
    sources.load()
    assert (trusted(sources, 0x71), trusted(sources, 0x72)) == (False, True)


def test_seed_with_another_time_to_live(config: Config, make: Callable[..., Sources]) -> None:
    """Answers carry the time to live of the current settings, not that of the seed."""
    seed = seed_of(config)
    sources = make(replace(config, time_to_live=60), seed)
    sources.load()
    (entry,) = sources.db.index
    assert entry.time_to_live == 60


def test_store_that_cannot_be_read(
    config: Config, store: CertificateStore, make: Callable[..., Sources], tmp_path: Path
) -> None:
    """Without a seed an unreadable store is an error; a worker with a seed of it starts and answers from that."""
    store.close()
    seed = seed_of(config)
    without, with_seed = make(config), make(config, seed)
    with (tmp_path / "tvs.db").open("r+b") as database:
        database.write(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable):
        without.load()
    with_seed.load()
    assert trusted(with_seed, 0x71)


def test_database_that_is_gone(
    config: Config, store: CertificateStore, make: Callable[..., Sources], tmp_path: Path
) -> None:
    """A worker that starts without its database answers from the seed, also from one that does not fit it."""
    store.close()
    seed = seed_of(config)
    (tmp_path / "tvs.db").unlink()
    for settings, used in ((config, seed), (replace(config, time_to_live=60), replace(seed, database="1:2"))):
        sources = make(settings, used)
        sources.load()
        assert (trusted(sources, 0x71), sources.problems()) == (True, [])
        status = sources.db_status()
        assert (status.up, "there is no database" in status.problem) == (False, True)


def test_database_without_rows(config: Config, store: CertificateStore, make: Callable[..., Sources]) -> None:
    """A worker takes a database without nodes and certificates for one that cannot be read, and answers from the seed.

    What the cluster's mode is, the seed says too.
    """
    seed = replace(seed_of(config), security_mode="0")
    for entry in store.entries():
        store.delete(entry.unit, entry.name)
    for used in (seed, replace(seed, database="1:2")):
        sources = make(config, used)
        sources.load()
        assert (trusted(sources, 0x71), sources.problems()) == (True, [])
        status = sources.db_status()
        assert (status.up, "its tables have no rows; restore a backup" in status.problem) == (False, True)
    with pytest.raises(StoreUnavailable):
        make(config).load()


def test_seed_that_is_behind(
    config: Config, store: CertificateStore, make: Callable[..., Sources], tmp_path: Path
) -> None:
    """A worker from a seed that lacks changes is not ready while the database cannot be read, and is afterwards."""
    store.close()
    sources = make(config, replace(seed_of(config), behind=True))
    (tmp_path / "tvs.db").rename(tmp_path / "away")
    sources.load()
    (problem,) = sources.problems()
    assert problem == "certificate database cannot be read, and had changes that this worker does not know"
    (tmp_path / "away").rename(tmp_path / "tvs.db")
    sources.db.refresh()
    assert (sources.problems(), sources.db_status().problem) == ([], "")


# -- the CTL file ----------------------------------------------------------------------------------------------------


def test_ctl_file_is_read(
    config: Config, make: Callable[..., Sources], tokenless: bytes, publisher: KeyFileSigner
) -> None:
    """Certificates of a good list are trusted."""
    config.ctl_path.write_bytes(tokenless)
    sources = make(config)
    sources.load()
    assert trusted(sources, 0x70CAF64E090751B9DF22F49F754FC5BB)
    assert publisher.certificate in [entry.certificate for entry in sources.ctl.index]


def test_last_good_list_of_the_seed(config: Config, make: Callable[..., Sources], tokenless: bytes) -> None:
    """A worker that starts while the file is damaged answers from the last good list, and says so in its status."""
    config.ctl_path.write_bytes(tokenless)
    seed = seed_of(config)
    config.ctl_path.write_bytes(tokenless[:-1])
    sources = make(config, seed)
    sources.load()
    assert trusted(sources, 0x70CAF64E090751B9DF22F49F754FC5BB)
    assert sources.problems() == []
    assert sources.ctl_status().state in ("damaged", "unverified")


def test_deleted_list_of_the_seed(config: Config, make: Callable[..., Sources], tokenless: bytes) -> None:
    """A worker that starts after the deletion answers from no list, whatever the seed has, and has no problem."""
    config.ctl_path.write_bytes(tokenless)
    seed = seed_of(config)
    config.ctl_path.replace(deletion_marker(config.ctl_path))
    sources = make(config, seed)
    sources.load()
    assert not trusted(sources, 0x70CAF64E090751B9DF22F49F754FC5BB)
    assert (sources.problems(), sources.ctl_status().state) == ([], "deleted")


@pytest.mark.parametrize(("mode", "absent", "event"), [("0", True, "absent"), ("1", False, "missing")])
def test_no_list_from_the_start(
    config: Config,
    store: CertificateStore,
    make: Callable[..., Sources],
    events: list[str],
    mode: str,
    event: str,
    *,
    absent: bool,
) -> None:
    """In non-secure mode a cluster rightly has no CTL file; in mixed mode the file is missing."""
    store.set_parameter("ClusterSecurityMode", mode)
    sources = make(config, seed_of(config))
    sources.load()
    assert (sources.ctl_absent, sources.problems()) == (absent, [])
    assert event in events


def test_list_that_vanished_is_missing(
    config: Config, make: Callable[..., Sources], events: list[str], tokenless: bytes
) -> None:
    """A file that was in use and is gone is missing in non-secure mode too, also for a worker that starts later."""
    config.ctl_path.write_bytes(tokenless)
    seed = seed_of(config)
    sources = make(config)
    sources.load()
    config.ctl_path.unlink()
    for _ in range(2):
        sources.ctl.check()
    later = make(config, seed)
    later.load()
    assert (sources.ctl_absent, later.ctl_absent) == (False, False)
    assert events.count("missing") == 2
    assert "absent" not in events


def test_deleted_list_is_rightly_absent(config: Config, make: Callable[..., Sources], tokenless: bytes) -> None:
    """After an administrator's deletion there is rightly no CTL file, and no signer that could expire."""
    config.ctl_path.write_bytes(tokenless)
    sources = make(config)
    sources.load()
    end = sources.ctl_status().signer_not_after
    assert end == datetime(2040, 6, 4, tzinfo=UTC).timestamp()
    config.ctl_path.replace(deletion_marker(config.ctl_path))
    sources.ctl.check()
    assert sources.ctl_absent
    assert sources.ctl_status().signer_not_after is None


def test_damaged_list_without_a_good_one(config: Config, make: Callable[..., Sources], tokenless: bytes) -> None:
    """A worker that has seen no good list beside a damaged file has a problem; without any file it has none."""
    config.ctl_path.write_bytes(tokenless[:-1])
    sources = make(config, seed_of(config))
    sources.load()
    (problem,) = sources.problems()
    assert problem == f"CTL file {sources.ctl.state}, and no good one was seen since the start"


# -- the status and the monitors -------------------------------------------------------------------------------------


def test_status_of_both_caches(config: Config, store: CertificateStore, make: Callable[..., Sources]) -> None:
    """The status says what each cache holds and from when."""
    sources = make(config)
    sources.load()
    assert sources.db_status() == DatabaseStatus(
        up=True,
        certificates=1,
        generation=1,
        change_number=store.change_number(),
        swapped=sources.db.swapped,
        content=sources.db.index.content,
        known_at=sources.db.known_at,
    )
    assert 0 < sources.db.known_at <= time.monotonic()
    status = sources.ctl_status()
    assert status == CTLStatus(state="missing", certificates=0, generation=0, content=status.content, last_success=None)


async def test_monitors_follow_the_sources(
    config: Config, store: CertificateStore, make: Callable[..., Sources], tokenless: bytes
) -> None:
    """While the monitors run, a changed store and a new CTL file are in the answers soon."""
    sources = make(config)
    sources.load()
    tasks = [asyncio.create_task(work(), name=name) for name, work in sources.monitors().items()]
    try:
        store.import_certificate(SECOND, Purpose.CallManager)
        config.ctl_path.write_bytes(tokenless)
        await until(lambda: trusted(sources, 0x72))
        await until(lambda: trusted(sources, 0x70CAF64E090751B9DF22F49F754FC5BB))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
