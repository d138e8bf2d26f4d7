"""Seed of new workers, read once before the fork."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from certstore.purposes import Purpose
from ctlcache.deletion import deletion_marker
from ctlcache.inspection import FileState
from tests.fixtures.certificates import certificate
from tvs.answers.seed import last_good_list, read_seed
from tvs.config.settings import Config
from tvs.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore


@pytest.fixture
def config(tmp_path: Path, store: CertificateStore) -> Config:
    """Settings of a state directory with one certificate in its store."""
    store.import_certificate(certificate(serial=0x77), Purpose.TVS)
    (tmp_path / "tftp").mkdir()
    return Config(state=tmp_path, time_to_live=60)


def test_seed_has_the_store(config: Config, store: CertificateStore) -> None:
    """The seed is an index of all certificates, with the change number and the database that it belongs to."""
    events: list[tuple[str, Any]] = []
    seed = read_seed(config, lambda event, fields: events.append((event, dict(fields))))
    (entry,) = seed.index
    assert (entry.certificate, entry.roles, entry.time_to_live) == (
        certificate(serial=0x77),
        Purpose.TVS.roles,
        60,
    )
    assert (seed.change_number, seed.time_to_live) == (store.change_number(), 60)
    assert seed.database == store.identity() is not None
    assert seed.ctl is None
    assert [(event, fields["certificates"]) for event, fields in events] == [("refreshed", 1)]


def test_seed_needs_a_store(tmp_path: Path) -> None:
    """Without a database there is nothing to start from."""
    with pytest.raises(StateError, match=r"tvs\.db"):
        read_seed(Config(state=tmp_path), lambda *_: None)


def test_seed_has_a_good_list_only(config: Config, tokenless: bytes) -> None:
    """A CTL file that verifies is in the seed; a damaged one is not."""
    config.ctl_path.write_bytes(tokenless)
    seed = read_seed(config, lambda *_: None)
    assert seed.ctl is not None
    assert seed.ctl.state is FileState.OK
    config.ctl_path.write_bytes(tokenless[:-1])
    assert read_seed(config, lambda *_: None).ctl is None


def test_last_good_list_stays(config: Config, tokenless: bytes, regenerated: bytes) -> None:
    """A list that was good stays known while the file is damaged or missing, until there is another good one."""
    assert last_good_list(config, None) is None
    config.ctl_path.write_bytes(tokenless)
    known = last_good_list(config, None)
    assert known is not None
    for damaged in (tokenless[:-1], b"", b"\0" * 10_000):
        config.ctl_path.write_bytes(damaged)
        assert last_good_list(config, known) is known
    config.ctl_path.unlink()
    assert last_good_list(config, known) is known
    config.ctl_path.write_bytes(regenerated)
    newer = last_good_list(config, known)
    assert newer is not None
    assert newer.content != known.content


def test_deleted_list_is_not_kept(config: Config, tokenless: bytes) -> None:
    """A list that an administrator deleted is not known to new workers; one that vanished is."""
    config.ctl_path.write_bytes(tokenless)
    known = last_good_list(config, None)
    config.ctl_path.replace(deletion_marker(config.ctl_path))
    assert last_good_list(config, known) is None
    deletion_marker(config.ctl_path).unlink()
    assert last_good_list(config, known) is known
