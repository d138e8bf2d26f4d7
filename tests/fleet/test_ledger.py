"""The ledger: what is seen is written in batches; what cannot be written waits, and what finds no room is counted."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from certstore.devices import Device, Standing, Unserved
from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from tests.fixtures.observed import TLS_1_2, answered, batch, failed
from tests.fixtures.stores import database
from tvs.errors import NotInCluster
from tvs.fleet import ledger as module
from tvs.fleet.ledger import CLEAN, COUNT, DAY, Ledger
from tvs.status.fleet import MAX_AT_RISK, FleetStatus, Group
from tvs.status.members import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database

__all__ = ["database"]  # a fixture

NOW = 1_800_000_000.0


class World:
    """A ledger of a database, and its clock."""

    def __init__(self, store: CertificateStore, path: Path) -> None:
        self.store = store
        self.path = path
        self.node = "cucm-pub"
        self.ledger = Ledger(store, self.own_name, 10)
        self.monotonic = 100.0

    def own_name(self) -> str:
        """The name of this node."""
        if not self.node:
            raise NotInCluster("no node")
        return self.node

    def write(self, seconds: float = 1.0, now: float = NOW) -> bool:
        """Writes so many seconds after the last time."""
        self.monotonic += seconds
        return self.ledger.write(self.monotonic, now)

    def devices(self) -> dict[str, Device]:
        """The devices in the database."""
        with self.store.devices().reading() as table:
            return {device.name: device for device in table.all()}

    def unserved(self) -> list[Unserved]:
        """The addresses in the database."""
        with self.store.devices().reading() as table:
            return [*table.unserved().values()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty database."""
    with closing(open_store(str(tmp_path / "tvs.db"), create=True)) as store:
        made = World(store, tmp_path)
        assert made.write()
        yield made


def test_what_is_seen_is_written(world: World) -> None:
    """Phones with an answer, and addresses that were turned away; no check, nobody without name, no broken network."""
    world.ledger.take(
        batch(
            answered(time=NOW, device="CP-8861-SEP000000000001"),
            answered(time=NOW, device="SEP000000000001", serial="0B", result="not_found"),
            answered(time=NOW, device=""),
            answered(time=NOW, device="TVS-CHECK"),
            failed(time=NOW, reason="unsupported_version", version="TLSv1"),
            failed(time=NOW, reason="unsupported_version", address="192.0.2.21"),
            failed(time=NOW, reason="unsupported_version", version="TLSv1"),
            failed(time=NOW, reason="closed", address="192.0.2.22"),
            failed(time=NOW, reason="no_request", address="192.0.2.23", tls=TLS_1_2),
        )
    )
    assert world.devices() == {}
    assert world.write()
    (device,) = world.devices().values()
    assert (device.name, device.model, device.node, device.requests) == ("SEP000000000001", "CP-8861", "cucm-pub", 2)
    assert [(row.address, row.failures) for row in world.unserved()] == [("192.0.2.20", 2), ("192.0.2.21", 1)]
    world.ledger.take(batch(answered(time=NOW + 9), failed(time=NOW + 9, reason="alert")))
    assert world.write()
    assert (world.devices()["SEP000000000001"].requests, world.unserved()[0].failures) == (3, 3)


def test_a_phone_that_asked_once(database: Database, tmp_path: Path) -> None:
    """It is written to each kind of database as it was seen, whatever it was told, and read again the same."""
    with closing(database.create()) as store:
        world = World(store, tmp_path)
        for device, result in (("SEP1", "trusted"), ("SEP2", "not_found")):
            world.ledger.take(batch(answered(time=NOW, device=device, result=result)))
        assert world.write(), world.ledger.status.problem
        found = [(device.name, device.requests, device.refused) for device in world.devices().values()]
    assert found == [("SEP1", 1, 0), ("SEP2", 1, 1)]


def test_generations(world: World) -> None:
    """What is seen has the generation that was known before, also if it waited in the channel meanwhile."""
    world.ledger.take(batch(answered(time=NOW, device="SEP1")))
    world.store.advance(0, who="x", what="y")
    world.ledger.take(batch(answered(time=NOW + 1, device="SEP2")))
    assert world.write(now=NOW + 2)
    world.ledger.take(batch(answered(time=NOW + 1, device="SEP3"), answered(time=NOW + 60, device="SEP4")))
    world.store.advance(1, who="x", what="y")
    assert world.write(now=NOW + 61)
    for device, time in (("SEP5", 1), ("SEP6", 60), ("SEP7", 120)):
        world.ledger.take(batch(answered(time=NOW + time, device=device)))
    assert world.write(now=NOW + 121)
    assert [device.generation for device in world.devices().values()] == [0, 0, 0, 1, 0, 1, 2]


def test_a_generation_by_a_clock_that_was_set_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The channel keeps nothing for longer than a minute: what comes then was seen after the change."""
    world.store.advance(0, who="x", what="y")
    assert world.write()
    monkeypatch.setattr(module, "OLDEST", -1.0)
    world.ledger.take(batch(answered(time=NOW - 3600)))
    assert world.write()
    assert [device.generation for device in world.devices().values()] == [1]


def test_a_database_that_is_away(world: World) -> None:
    """What was seen waits, with what is seen meanwhile, and is written once."""
    path, away = world.path / "tvs-fleet.db", world.path / "away"
    path.rename(away)
    path.mkdir()
    world.ledger.take(batch(answered(time=NOW), failed(time=NOW, reason="alert")))
    assert not world.write()
    assert "tvs-fleet.db" in world.ledger.status.problem
    world.ledger.take(batch(answered(time=NOW + 1, address="192.0.2.11"), answered(time=NOW + 1, device="SEP2")))
    assert not world.write()
    path.rmdir()
    away.rename(path)
    assert world.write()
    assert world.ledger.status.problem == ""
    found = world.devices()
    assert (found["SEP000000000001"].requests, found["SEP000000000001"].addresses) == (2, "192.0.2.11 192.0.2.10")
    assert set(found) == {"SEP000000000001", "SEP2"}
    assert [row.failures for row in world.unserved()] == [1]


def test_numbers_that_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is not written once more because the database then has no connection left for a count."""

    def refuse(_: object) -> None:
        raise StoreUnavailable("too many connections")

    with monkeypatch.context() as broken:
        broken.setattr(type(world.store.devices()), "reading", refuse)
        world.ledger.take(batch(answered(time=NOW), failed(time=NOW, reason="alert")))
        for _ in range(3):
            assert not world.write(COUNT + 1)
        assert world.ledger.status.problem == "too many connections"
    assert world.write(COUNT + 1)
    assert world.devices()["SEP000000000001"].requests == 1
    assert [row.failures for row in world.unserved()] == [1]
    assert world.ledger.status.devices == 1


def test_a_damaged_record(world: World) -> None:
    """It is put aside, said once, and a new one begins with what was seen since."""
    world.ledger.take(batch(answered(device="SEP1")))
    assert world.write()
    path = world.path / "tvs-fleet.db"
    path.write_bytes(b"rubbish" * 4096)
    world.ledger.take(batch(answered(device="SEP2")))
    assert not world.write()
    assert "a new record begins" in world.ledger.status.problem
    assert world.write()
    assert set(world.devices()) == {"SEP2"}
    assert (world.path / "tvs-fleet.db.damaged").read_bytes() == b"rubbish" * 4096


def test_a_node_that_is_in_no_cluster(world: World) -> None:
    """What was seen waits until the node has a name."""
    lost = Ledger(world.store, world.own_name, 10)
    world.node = ""
    lost.take(batch(answered(time=NOW)))
    assert not lost.write(1.0, NOW)
    assert lost.status.problem == "no node"
    world.node = "cucm-sub"
    assert lost.write(2.0, NOW)
    assert [device.name for device in world.devices().values()] == ["SEP000000000001"]


def test_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phones and addresses beyond the bound are counted; those that wait already are not kept out."""
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    records = [answered(time=NOW, device=device) for device in ("SEP1", "SEP2", "SEP3", "SEP1")]
    failures = [
        failed(time=NOW, address=address, reason="alert") for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    ]
    world.ledger.take(batch(*records, *failures))
    assert world.ledger.status.dropped == 2
    assert world.write()
    assert [(device.name, device.requests) for device in world.devices().values()] == [("SEP1", 2), ("SEP2", 1)]


def test_a_full_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """New phones find no room among those that are known; what is seen of these is written."""
    with world.store.devices().writing() as table:
        table.put([Device("SEP1", requests=2, last=1), Device("SEP2", listed=1)])
    monkeypatch.setattr(type(table).room, "__defaults__", (2,))
    world.ledger.take(batch(*(answered(time=NOW, device=device) for device in ("SEP3", "SEP1", "SEP2"))))
    assert world.write()
    assert world.ledger.status.dropped == 1
    assert [(device.name, device.requests) for device in world.devices().values()] == [("SEP1", 3), ("SEP2", 1)]


def test_what_is_old_is_forgotten(world: World) -> None:
    """Once an hour."""
    world.ledger.take(batch(answered(time=NOW), failed(time=NOW, reason="alert")))
    assert world.write()
    assert world.write(CLEAN / 2, NOW + 11 * DAY)
    assert len(world.devices()) == 1
    assert world.write(CLEAN / 2 + 1, NOW + 11 * DAY)
    assert (world.devices(), world.unserved()) == ({}, [])


def test_status(world: World) -> None:
    """Numbers by model and standing, and as JSON and back."""
    assert world.ledger.status == FleetStatus(kept=True)
    for device, result in (("CP-8861-SEP000000000001", "trusted"), ("CP-8861-SEP000000000002", "not_found")):
        world.ledger.take(batch(answered(time=NOW, device=device, result=result)))
    world.ledger.take(batch(failed(time=NOW, reason="alert")))
    assert world.write(COUNT + 1)
    status = world.ledger.status
    assert set(status.groups) == {
        Group(model="CP-8861", standing=Standing.TRUSTING, devices=1),
        Group(model="CP-8861", standing=Standing.DENIED, devices=1),
    }
    assert (status.devices, status.unserved, status.dropped, status.problem) == (2, 1, 0, "")
    (phone,) = status.at_risk
    assert (phone.name, phone.model, phone.standing) == ("SEP000000000002", "CP-8861", Standing.DENIED)
    assert phone.last == int(NOW)
    assert FleetStatus.from_json(status.to_json()) == status
    assert FleetStatus.from_json({}) == FleetStatus()


def test_phones_at_risk_are_the_last_ones(world: World) -> None:
    """So many as the board has room for, however many there are."""
    for number in range(MAX_AT_RISK + 5):
        device = f"CP-8861-SEP{number:012X}"
        world.ledger.take(batch(answered(time=NOW + number, device=device, result="not_found")))
    assert world.write(COUNT + 1)
    names = [phone.name for phone in world.ledger.status.at_risk]
    assert names == [f"SEP{number:012X}" for number in range(MAX_AT_RISK + 4, 4, -1)]
    document: dict[str, Any] = world.ledger.status.to_json()
    with pytest.raises(StatusError):
        FleetStatus.from_json({**document, "at_risk": document["at_risk"] * 2})
