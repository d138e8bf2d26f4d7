"""Health, readiness and workers out of sync, computed from a status."""

from __future__ import annotations

from dataclasses import replace

from tests.fixtures.statuses import service, slot, worker
from tvs.status.cluster import ClusterStatus
from tvs.status.health import STALLED, Expired, expired, health, out_of_sync, readiness
from tvs.status.model import ServiceState, ServiceStatus, SlotState

NOW = 1000.0
"""The time of day, seconds since 1970."""


def test_health_is_that_of_the_most_silent() -> None:
    """Healthy while supervisor and workers gave signs of life lately; a worker that is not there has none to give."""
    assert health(service(slot()), 101)[0]
    assert health(service(slot(), slot(1, last_seen=96)), 100.9)[0]
    assert not health(service(slot(), slot(1, last_seen=94)), 100)[0]
    assert not health(service(slot(), time=90), 100)[0]
    assert health(service(slot(), slot(1, state=SlotState.WAITING, last_seen=0)), 101)[0]
    assert not health(ServiceStatus(), 100)[0]


def test_body_of_health() -> None:
    """The body says ok or stalled, and the seconds since the oldest sign of life."""
    assert health(service(slot(last_seen=98.5)), 100.0) == (True, {"status": "ok", "silent_seconds": 1.5})
    assert health(service(slot()), 100.0 + STALLED) == (False, {"status": "stalled", "silent_seconds": 5.0})


def test_readiness_names_reason_and_workers() -> None:
    """Ready when every worker that a phone can come to answers completely; slots that were given up get no phones."""
    assert readiness(service(slot(), slot(1, state=SlotState.CLOSED)), NOW)[0]
    damaged = slot(1, status=worker(reasons=("CTL file damaged",)))
    ready, body = readiness(service(slot(), damaged, slot(2, state=SlotState.WAITING)), NOW)
    assert not ready
    assert body["reasons"] == ["CTL file damaged (worker 1)", "worker is waiting (worker 2)"]
    assert (body["connections"], body["db"]["certificates"]) == (2, 4)
    assert readiness(service(slot(), state=ServiceState.STOPPING), NOW)[1]["reasons"] == ["draining"]
    assert readiness(ServiceStatus(), NOW)[1]["reasons"] == ["starting"]


def test_body_of_readiness() -> None:
    """The whole body of a service with two workers: of both caches the smallest numbers and what is not good."""
    ready, body = readiness(service(slot(), slot(1)), NOW)
    assert ready
    assert body == {
        "status": "ready",
        "reasons": [],
        "db": {"up": True, "certificates": 4, "generation": 1},
        "ctl": {"state": "ok", "certificates": 2, "generation": 1},
        "expired": [],
        "service_behind": [],
        "connections": 2,
        "workers": [{"slot": 0, "state": "running", "pid": 10}, {"slot": 1, "state": "running", "pid": 11}],
    }


def test_a_service_that_is_behind() -> None:
    """What it must be reloaded for is shown, and it stays ready: phones that do not need that are answered."""
    cluster = ClusterStatus(time=1.0, certificate="ab" * 32, profile="legacy")
    ready, body = readiness(service(slot()), NOW, cluster, 1.0)
    assert (ready, body["service_behind"]) == (True, ["TVS certificate", "tls_profile legacy"])


def test_one_reason_of_several_workers_is_named_once() -> None:
    """A reason that several workers have is one sentence with the numbers of all of them."""
    status = worker(reasons=("certificate database not loaded",))
    reasons = readiness(service(slot(status=status), slot(1, status=status)), NOW)[1]["reasons"]
    assert reasons == ["certificate database not loaded (worker 0, 1)"]


def test_workers_out_of_sync_are_counted() -> None:
    """The newest store and the newest list are what all should have."""
    behind = slot(1, status=worker(change_number=6))
    other = slot(2, status=worker(content="bb", last_success=40.0))
    assert out_of_sync(service(slot())) == out_of_sync(ServiceStatus()) == 0
    assert out_of_sync(service(slot(), behind, other)) == 2
    assert out_of_sync(service(slot(), slot(1, state=SlotState.WAITING))) == 0


def test_expired_certificates_are_shown() -> None:
    """An expired certificate in use is named in the body, and is not a reason; its last second is not its first."""
    signed = service(slot(), slot(1, status=worker(signer_not_after=1000.0, last_success=60.0)))
    status = replace(signed, presented={"TVS.pem": 1001.0})
    assert expired(status, 999.0) == []
    assert expired(status, 1000.0) == [Expired("signer", "CTLFile.tlv", 1000.0)]
    ready, body = readiness(status, 1001.0)
    assert (ready, body["expired"]) == (True, ["TVS TVS.pem", "signer CTLFile.tlv"])
    assert readiness(ServiceStatus(), NOW)[1]["expired"] == []


def test_age_of_the_copy_in_use() -> None:
    """A service that was started from a copy is ready, and says how old that is; one with the database does not."""
    ready, body = readiness(replace(service(slot(), slot(1)), copy_as_of=NOW - 90), NOW)
    assert (ready, body["db"]["copy_age"]) == (True, 90)
    assert "copy_age" not in readiness(service(slot()), NOW)[1]["db"]
