"""Metrics of trust: the signers of both lists, and the time that trusted certificates have left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.service import made_state, state
from tvs.admin.database import KEPT, READ, DatabaseReader
from tvs.admin.trusted import TrustCollector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from certstore.store import CertificateStore, StoreEntry
    from tvs.state import StateDirectory

__all__ = ["made_state", "state"]

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CTL, ITL = "tvs_list_signer_trusted CTLFile.tlv", "tvs_list_signer_trusted ITLFile.tlv"
NEXT = "tvs_trusted_certificates_next_expiry_timestamp_seconds"


class Trust:
    """The metrics of a state directory, on the first of January 2030.

    Attributes:
        passed: seconds since the beginning.
    """

    def __init__(self, state: StateDirectory) -> None:
        self.passed = 0.0
        self.reader = DatabaseReader(state, lambda: self.passed)
        self.collector = TrustCollector(self.reader, NOW.timestamp)


@pytest.fixture
def collector(state: StateDirectory) -> Iterator[Trust]:
    """The metrics of a fresh state directory."""
    made = Trust(state)
    yield made
    made.reader.close()


def metrics(collector: Trust) -> Mapping[str, float]:
    """The samples by name and label values, after a look at the database."""
    collector.reader.look()
    registry = CollectorRegistry()
    registry.register(collector.collector)
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def own(store: CertificateStore, unit: Purpose) -> StoreEntry:
    """The own certificate of a unit."""
    return store.entries(unit=unit)[0]


def test_signers_that_the_database_has(collector: Trust) -> None:
    """Both signers of a new state directory are trusted."""
    found = metrics(collector)
    assert (found[CTL], found[ITL]) == (1, 1)


def test_signer_that_is_gone_from_the_database(collector: Trust, state: StateDirectory) -> None:
    """The CTL file vouches for the signer as long as it has its record; without it nobody does."""
    with closing(state.store()) as store:
        store.delete(Purpose.ITLRecovery, own(store, Purpose.ITLRecovery).name)
    found = metrics(collector)
    assert (found[CTL], found[ITL]) == (1, 1)
    state.ctl_file.unlink()
    found = metrics(collector)
    assert found[ITL] == 0
    assert CTL not in found


def test_signer_that_may_not_sign(collector: Trust, state: StateDirectory) -> None:
    """The database's roles count, if it has any: without SAST among them the CTL file's do not help."""
    with closing(state.store()) as store:
        signer = own(store, Purpose.ITLRecovery)
        store.delete(Purpose.ITLRecovery, signer.name)
        store.import_certificate(signer.certificate.der, Purpose.Phone_trust, roles=[7])
    found = metrics(collector)
    assert (found[CTL], found[ITL]) == (0, 0)


def test_another_certificate_with_the_signers_identity(collector: Trust, state: StateDirectory) -> None:
    """Phones would get another certificate, with which the list does not verify."""
    with closing(state.store()) as store:
        signer = own(store, Purpose.ITLRecovery)
        store.delete(Purpose.ITLRecovery, signer.name)
        name, serial = signer.certificate.subject_name, int.from_bytes(signer.certificate.serial_number)
        store.import_certificate(certificate(name, serial), Purpose.Phone_SAST_trust)
    found = metrics(collector)
    assert (found[CTL], found[ITL]) == (0, 0)


@pytest.mark.parametrize("damage", [b"", b"not a list"])
def test_list_that_does_not_verify(collector: Trust, state: StateDirectory, damage: bytes) -> None:
    """A damaged list has no sample: other metrics report it."""
    state.itl_file.write_bytes(damage)
    found = metrics(collector)
    assert ITL not in found
    assert found[CTL] == 1


def test_time_that_certificates_have_left(collector: Trust, state: StateDirectory) -> None:
    """Each trusted certificate is in one class by the days that it has left; the next end is that of a valid one."""
    days = [-400, -1, 0, 1, 7, 8, 30, 31, 900]
    with closing(state.store()) as store:
        for number, left in enumerate(days):
            der = certificate(serial=0x100 + number, not_after=NOW + timedelta(days=left))
            store.import_certificate(der, Purpose.Phone_trust)
    found = metrics(collector)
    counts = {name.split()[1]: value for name, value in found.items() if name.startswith("tvs_trusted_certificates ")}
    assert counts == {"expired": 3, "within_7_days": 2, "within_30_days": 2, "later": 2}
    assert found[NEXT] == (NOW + timedelta(days=1)).timestamp()


def test_no_trusted_certificate(collector: Trust) -> None:
    """All classes exist from the start; the next end is missing until there is one."""
    found = metrics(collector)
    classes = ("expired", "within_7_days", "within_30_days", "later")
    assert [found[f"tvs_trusted_certificates {name}"] for name in classes] == [0, 0, 0, 0]
    assert NEXT not in found


def test_change_and_restored_database(collector: Trust, state: StateDirectory) -> None:
    """An import is in the next scrape, and so is a database that took the place of the other."""
    later = "tvs_trusted_certificates later"
    backup = state.path / "backup"
    with closing(state.store()) as store:
        store.import_certificate(certificate(serial=0x201), Purpose.Phone_trust)
    assert metrics(collector)[later] == 1
    with closing(sqlite3.connect(state.database)) as before, closing(sqlite3.connect(backup)) as copy:
        before.backup(copy)
    backup.chmod(0o600)
    with closing(state.store()) as store:
        store.import_certificate(certificate(serial=0x202), Purpose.Phone_trust)
    assert metrics(collector)[later] == 2
    for path in state.path.glob("tvs.db*"):
        path.unlink()
    backup.rename(state.database)
    collector.passed += READ
    metrics(collector)  # finds that the file was replaced
    assert metrics(collector)[later] == 1


def test_database_that_cannot_be_read(state: StateDirectory, collector: Trust) -> None:
    """The last values count for a minute; then there are no samples until it can be read again, and no failure."""
    aside = state.path / "aside"
    known = metrics(collector)
    state.database.rename(aside)
    collector.passed += READ
    assert metrics(collector) == known
    collector.passed += KEPT
    assert metrics(collector) == {}
    aside.rename(state.database)
    assert metrics(collector) == known


def test_no_database_from_the_start(state: StateDirectory, collector: Trust) -> None:
    """There are no samples, and no failure."""
    state.database.unlink()
    assert metrics(collector) == {}
