"""The status report: facts of the state directory, of supervisor, observer and workers in one."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

import tvs.admin.status
from certstore.purposes import Purpose
from tests.fixtures.observed import answered, batch
from tests.fixtures.service import made_state, state
from tests.fixtures.statuses import service, slot, worker
from tvs.admin.database import DatabaseReader
from tvs.admin.status import StatusReporter
from tvs.config.loading import load_config
from tvs.fleet.tally import Tally
from tvs.process.observer import BOARD_SIZE
from tvs.server.credentials import read_credentials
from tvs.status.cluster import ClusterStatus
from tvs.status.fleet import FleetStatus
from tvs.status.model import ServiceStatus
from tvs.system.board import Board

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.state import StateDirectory

__all__ = ["made_state", "state"]


class Clock:
    """The clocks that the reporter reads."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now

    def monotonic(self) -> float:
        """Monotonic seconds: those at which the status was published, and what has passed since."""
        return self.now - 1_800_000_000.0 + 100.0


class World:
    """A reporter of a service that runs on a real state directory.

    Attributes:
        status: what the supervisor has published.
        board: the observer's.
    """

    def __init__(self, state: StateDirectory) -> None:
        credentials = read_credentials(load_config({"state": str(state.path)}, environment={}))
        self.status: ServiceStatus = replace(
            service(slot(), slot(1)),
            presented=credentials.presented,
            fingerprint=credentials.fingerprint,
            observe=True,
        )
        self.board = Board(BOARD_SIZE)
        self.clock = Clock()
        self.cluster = ClusterStatus()
        self.fleet = FleetStatus()
        self.reader = DatabaseReader(state)
        self._reporter = StatusReporter(
            state,
            self.reader,
            lambda: self.status,
            lambda: self.cluster,
            self.board,
            CollectorRegistry(),
            lambda: self.fleet,
        )

    def observe(self) -> None:
        """The observer publishes one trusted and one refused query."""
        tally = Tally(self.clock.now)
        refused = answered(time=self.clock.now, device="<b>SEP2</b>", serial="0B", result="not_found")
        tally.take(batch(answered(time=self.clock.now), refused, connections=2), 0, self.clock.now)
        self.board.write(tally.observed(self.clock.now).to_json())

    def report(self, passed: float = 0.0) -> dict[str, Any]:
        """The report so many seconds later, as a client reads it."""
        self.clock.now += passed
        self.reader.look()
        self.status = replace(self.status, time=self.clock.monotonic())
        document: dict[str, Any] = json.loads(json.dumps(self._reporter.report().to_json()))
        return document


@pytest.fixture
def world(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A service in order, seen by nobody yet."""
    world = World(state)
    monkeypatch.setattr(tvs.admin.status, "time", world.clock)
    monkeypatch.setattr("tvs.status.verdict.health", lambda _status, _now: (True, {}))
    yield world
    world.reader.close()


def test_service_in_order(world: World, state: StateDirectory) -> None:
    """All phones are answered; lists, own certificates and caches are as the state directory has them."""
    report = world.report()
    assert (report["version"], report["verdict"]["sentence"]) == (1, "All phones are answered")
    assert [(found["name"], found["verified"], found["signer_trusted"]) for found in report["lists"]] == [
        ("CTLFile.tlv", True, True),
        ("ITLFile.tlv", True, True),
    ]
    assert report["lists"][0]["modified"] == state.ctl_file.stat().st_mtime
    presented = {own["unit"]: own["presented"] for own in report["certificates"]}
    assert presented == {"CallManager": None, "TVS": True, "CAPF": None, "ITLRecovery": None}
    assert (report["presented"]["in_database"], report["presented"]["in_itl"]) == (True, True)
    assert (report["caches"]["db"]["certificates"], report["caches"]["ctl"]["state"]) == (4, "ok")
    assert [found["slot"] for found in report["workers"]] == [0, 1]
    assert report["observer"] == {
        "running": False,
        "since": None,
        "dropped": 0,
        "unreadable": 0,
        "signers_forgotten": 0,
    }


def test_what_was_seen(world: World) -> None:
    """Queries, refused ones, signers and rates are the observer's; markup of a phone stays what it is, a text."""
    world.observe()
    report = world.report()
    assert [query["device"] for query in report["queries"]] == ["<b>SEP2</b>", "SEP000000000001"]
    assert [query["device"] for query in report["refused"]] == ["<b>SEP2</b>"]
    assert [signer["trusted"] for signer in report["signers"]] == [False, True]
    assert (report["rates"]["connections"][-1], report["observer"]["running"]) == (2, True)
    assert report["latency"]["answer"]["p50"] == pytest.approx(0.00005)
    assert [finding["code"] for finding in report["verdict"]["findings"]] == ["signer_refused"]


@pytest.mark.parametrize("document", [{"since": "never"}, {"queries": []}])
def test_observer_that_publishes_nonsense(world: World, document: dict[str, Any]) -> None:
    """A board that cannot be read is one without queries; the rest of the report stands."""
    world.board.write(document)
    report = world.report()
    assert (report["queries"], report["verdict"]["state"]) == ([], "answered")


def test_observer_that_is_gone(world: World) -> None:
    """It counts as gone some seconds after its last publication, and at once if the settings want none."""
    world.observe()
    assert world.report(14)["observer"]["running"]
    assert not world.report(2)["observer"]["running"]
    world.observe()
    world.status = replace(world.status, observe=False)
    assert not world.report()["observer"]["running"]


def test_certificate_that_waits_for_a_reload(world: World, state: StateDirectory) -> None:
    """The service presents another certificate than the database has: the verdict says so."""
    with closing(state.store()) as store:
        (old,) = store.entries(own=True, unit=Purpose.TVS)
        store.delete(Purpose.TVS, old.name)
    report = world.report()
    assert (report["presented"]["in_database"], report["presented"]["in_cluster"]) == (False, True)
    world.status = replace(world.status, fingerprint="00" * 32)
    report = world.report()
    assert (report["presented"]["in_itl"], report["verdict"]["state"]) == (False, "turned_away")


def test_lists_that_phones_refuse(world: World, state: StateDirectory) -> None:
    """A damaged file, a missing one, one that is no file: each is what it is, and nothing fails."""
    state.ctl_file.write_bytes(state.ctl_file.read_bytes()[:-1] + b"?")
    state.itl_file.unlink()
    report = world.report()
    assert [(found["found"], found["reason"]) for found in report["lists"]] == [
        (True, "bad_signature"),
        (False, "missing"),
    ]
    assert {finding["code"] for finding in report["verdict"]["findings"]} == {"list_not_verified_ctl", "itl_missing"}
    state.ctl_file.unlink()
    state.ctl_file.mkdir()
    assert world.report(3)["lists"][0]["reason"] == "unreadable"


def test_state_directory_is_read_now_and_then(world: World, state: StateDirectory) -> None:
    """Requests one after the other read it once; some seconds later, or after a reload, it is read again."""
    assert world.report()["lists"][1]["found"]
    state.itl_file.unlink()
    assert world.report(1)["lists"][1]["found"]
    assert not world.report(1.5)["lists"][1]["found"]


def test_database_that_cannot_be_read(world: World, state: StateDirectory) -> None:
    """Without it there are no own certificates; whether the presented one is in it is not known."""
    state.database.unlink()
    report = world.report()
    presented = report["presented"]
    assert (report["certificates"], presented["in_database"], presented["in_cluster"]) == ([], None, None)
    assert report["lists"][0]["signer_trusted"] is None


def test_since_when_it_is_so(world: World) -> None:
    """A verdict has the time at which it was first found, and a new one begins anew."""
    began = world.clock.now
    assert world.report()["verdict"]["since"] == began
    assert world.report(100)["verdict"]["since"] == began
    world.status = replace(world.status, reload_successful=False)
    assert world.report(5)["verdict"]["since"] == began + 105
    assert world.report(5)["verdict"]["since"] == began + 105
    world.status = replace(world.status, reload_successful=True)
    assert world.report(1)["verdict"]["since"] == began + 111


def test_before_the_first_publication(world: World) -> None:
    """A service that starts has a report too."""
    world.status = ServiceStatus()
    report = world.report()
    assert report["verdict"]["sentence"].startswith("Phones are turned away: the service is starting")
    assert (report["workers"], report["caches"], report["presented"]["sha256"]) == ([], {}, "")


def test_ages(world: World) -> None:
    """The age of a cache is that of the oldest index of a worker."""
    indexes = [replace(worker(), db=replace(worker().db, swapped=world.clock.now - age)) for age in (50, 70)]
    slots = tuple(slot(number, status=status) for number, status in enumerate(indexes))
    world.status = replace(world.status, slots=slots)
    assert world.report()["caches"]["db"]["age"] == 70
