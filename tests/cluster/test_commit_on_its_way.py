"""A commit that the database has not made yet, whose command has ended: another command leaves its keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509

from certstore.purposes import Purpose
from tests.cluster.test_lost_commit import admin, database, init, place, relay, store
from tests.fixtures.administrator import Administrator, command
from tests.fixtures.generations import check_settled, generation
from tests.fixtures.running import wait_until
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.fixtures.cutting import CuttingRelay

__all__ = ["admin", "database", "place", "relay", "store"]


def test_a_commit_on_its_way(admin: Administrator, relay: CuttingRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command beside a commit that the database has not made yet leaves the keys of both outcomes alone."""
    monkeypatch.setattr("tvs.cluster.outcome.PATIENCE", 0.0)
    before = admin.situation().require(Purpose.ITLRecovery)
    relay.hold_next_commit()
    done = admin("set", "cert", "regen", "ITLRecovery", "-y", "--force")
    assert (done.status, relay.cuts) == (1, 1)
    assert "cannot be asked whether the change was made" in done.err
    other = admin("set", "csr", "gen", "CAPF", "--key", "p256")
    assert other.status == 1, "the database makes one change after the other"
    relay.deliver()
    wait_until(lambda: generation(admin.state).number == 2, "the commit is made")
    for der in (before, admin.situation().require(Purpose.ITLRecovery)):
        key = admin.state.private_key(Purpose.ITLRecovery, der)
        assert key.public_key() == x509.load_der_x509_certificate(der).public_key()
    admin.does("set", "csr", "gen", "CAPF", "--key", "p256")
    check_settled(admin.state)
    admin.does("set", "cert", "restore", "ITLRecovery", "-y", "--force")
    assert admin.situation().require(Purpose.ITLRecovery) == before


def test_init_beside_its_own_commit(
    store: str, relay: CuttingRelay, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the commit of an earlier try is on its way, the next one touches no key; then it completes the cluster."""
    monkeypatch.setattr("tvs.cluster.outcome.PATIENCE", 0.0)
    relay.hold_next_commit()
    assert (init(store, place).status, relay.cuts) == (1, 1)
    keys = sorted(path.name for path in (place / "keys").iterdir())
    early = init(store, place)
    assert early.status == 1
    assert sorted(path.name for path in (place / "keys").iterdir()) == keys
    relay.deliver()
    wait_until(lambda: init(store, place).status == 0, "the cluster is completed")
    assert sorted(path.name for path in (place / "keys").iterdir()) == keys
    assert not (place / "joining").exists()
    Administrator(StateDirectory(place)).does("set", "cert", "regen", "TVS", "-y")


def test_join_beside_its_own_commit(admin: Administrator, relay: CuttingRelay, place: Path) -> None:
    """Likewise of a node that joins."""
    words = ("init", "--join", admin.state.store_name, "--state", place, "--name", "sub1", "--address", "127.0.0.2")
    relay.hold_next_commit()
    done = command(*words)
    assert (done.status, relay.cuts) == (1, 1)
    keys = sorted(path.name for path in (place / "keys").iterdir())
    early = command(*words)
    assert early.status == 1
    assert sorted(path.name for path in (place / "keys").iterdir()) == keys
    relay.deliver()
    wait_until(lambda: "which an earlier try had entered" in command(*words).out, "the node is completed")
    assert sorted(path.name for path in (place / "keys").iterdir()) == keys
    assert Administrator(StateDirectory(place)).situation().subscriber == "sub1"
