"""The report of `/status.json`, put together from what supervisor, observer and workers have published."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tvs import __version__
from tvs.admin.counted import counted
from tvs.admin.facts import read_state
from tvs.status.cluster import STALENESS_BOUND
from tvs.status.health import out_of_sync, readiness
from tvs.status.members import StatusError
from tvs.status.observed import Observed
from tvs.status.report import StatusReport, VerdictState
from tvs.status.verdict import Facts, findings, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prometheus_client.registry import Collector

    from tvs.admin.database import DatabaseReader
    from tvs.admin.facts import StateFacts
    from tvs.state import StateDirectory
    from tvs.status.cluster import ClusterStatus
    from tvs.status.fleet import FleetStatus
    from tvs.status.model import ServiceStatus, SlotStatus
    from tvs.status.report import Finding
    from tvs.system.board import Board

FRESH: Final = 2.0
"""Seconds for which the state directory is not read again: a page that is asked for again and again costs little."""
LOOK: Final = 60.0
"""Seconds between two looks that nobody asked for: a verdict knows since when it is so. One takes 20 ms."""
GLANCE: Final = 1.0
"""Seconds between two glances at the service's state; a change is looked at at once."""
OBSERVER_SILENT: Final = 15.0
"""Seconds after which an observer that has not published counts as gone; it publishes every five."""


class StatusReporter:
    """Makes reports. Its methods can be called by any thread.

    Args:
        state: the state directory.
        database: what is read of its database.
        service: gives the status that the supervisor published last.
        cluster: gives the status that the follower published last.
        observed: what the observer publishes.
        workers: the metrics that the workers have counted.
        fleet: gives the status of the record of phones that the observer published last.
    """

    def __init__(
        self,
        state: StateDirectory,
        database: DatabaseReader,
        service: Callable[[], ServiceStatus],
        cluster: Callable[[], ClusterStatus],
        observed: Board,
        workers: Collector,
        fleet: Callable[[], FleetStatus],
    ) -> None:
        self._state = state
        self._database = database
        self._service = service
        self._cluster = cluster
        self._observed = observed
        self._workers = workers
        self._fleet = fleet
        self._lock = threading.Lock()
        self._facts: StateFacts | None = None
        self._read_at = 0.0
        self._read_for = ""
        self._known: dict[str, float] = {}  # since when each finding is found without a break

    def watch(self) -> None:
        """Looks now and then, for ever; for a thread of its own."""
        state, due = None, 0.0
        while True:
            with contextlib.suppress(Exception):  # requests show what is wrong; the next look may succeed
                if (now := self._service().state) is not state or time.monotonic() >= due:
                    state, due = now, time.monotonic() + LOOK
                    self.report()
            time.sleep(GLANCE)

    def report(self) -> StatusReport:
        """The report at this moment."""
        with self._lock:
            return self._report(time.time(), time.monotonic())

    def _report(self, now: float, monotonic: float) -> StatusReport:
        service, cluster, seen = self._service(), self._cluster(), self._seen()
        state = self._state_facts(service, now, monotonic)
        found = findings(
            Facts(
                now=now,
                monotonic=monotonic,
                service=service,
                cluster=cluster,
                lists=state.lists,
                presented=state.presented,
                observed=seen,
            )
        )
        self._remember(found, now)
        _, body = readiness(service, now, cluster, monotonic)
        return StatusReport(
            time=now,
            release=__version__,
            verdict=verdict(found, self._known, now),
            service=_service_json(service, body),
            caches=_caches_json(service, body, now),
            lists=state.lists,
            presented=state.presented,
            certificates=state.certificates,
            cluster=_cluster_json(cluster, monotonic),
            workers=tuple(_worker_json(slot, monotonic) for slot in service.slots),
            trace=_trace_json(service, now, monotonic),
            counted=counted(self._workers.collect()),
            observed=seen,
            fleet=self._fleet(),
            observing=service.observe and now - seen.time < OBSERVER_SILENT,
        )

    def _seen(self) -> Observed:
        """What the observer published; nothing while it publishes what cannot be read."""
        try:
            return Observed.from_json(self._observed.read())
        except (StatusError, ValueError):
            return Observed()

    def _state_facts(self, service: ServiceStatus, now: float, monotonic: float) -> StateFacts:
        fresh = monotonic - self._read_at < FRESH and self._read_for == service.fingerprint
        if self._facts is None or not fresh:
            self._facts = read_state(self._state, self._database.facts, service, now)
            self._read_at, self._read_for = monotonic, service.fingerprint
        return self._facts

    def _remember(self, found: Sequence[Finding], now: float) -> None:
        codes = [finding.code for finding in found] or [VerdictState.ANSWERED.value]
        self._known = {code: self._known.get(code, now) for code in codes}


def _service_json(service: ServiceStatus, readiness_body: Mapping[str, Any]) -> dict[str, object]:
    return {
        "state": str(service.state),
        "ready": readiness_body["status"] == "ready",
        "reasons": readiness_body["reasons"],
        "reload_successful": service.reload_successful,
        "restarts": {str(reason): number for reason, number in service.restarts.items() if number},
        "connections": readiness_body["connections"],
        "limits": dict(service.limits),
        "workers_out_of_sync": out_of_sync(service),
        "processes": dict(service.processes),
    }


def _caches_json(service: ServiceStatus, readiness_body: Mapping[str, Any], now: float) -> dict[str, object]:
    """The two caches of all workers as ``/readyz`` has them, and the seconds for which the oldest index is in use."""
    workers = [slot.worker for slot in service.slots if slot.worker is not None]
    begun = {
        "db": [worker.db.swapped for worker in workers],
        "ctl": [worker.ctl.last_success for worker in workers],
    }
    return {
        name: {**readiness_body[name], "age": _age(times, now)}
        for name, times in begun.items()
        if name in readiness_body
    }


def _age(times: Sequence[float | None], now: float) -> float | None:
    oldest = min((time for time in times if time is not None), default=None)
    return None if oldest is None else round(max(0.0, now - oldest), 1)


def _worker_json(slot: SlotStatus, monotonic: float) -> dict[str, object]:
    worker = slot.worker
    return {
        "slot": slot.slot,
        "state": str(slot.state),
        "pid": slot.pid,
        "silent_seconds": round(max(0.0, monotonic - slot.last_seen), 1),
        "connections": 0 if worker is None else worker.connections,
        "level": "" if worker is None else worker.level,
        "trace": "" if worker is None else worker.trace,
        "reasons": [] if worker is None else list(worker.reasons),
    }


def _cluster_json(cluster: ClusterStatus, monotonic: float) -> dict[str, object]:
    staleness = cluster.staleness(monotonic)
    return {
        "node": cluster.node,
        "generation": cluster.generation,
        "cluster_generation": cluster.current,
        "staleness": None if staleness is None else round(staleness, 1),
        "staleness_bound": STALENESS_BOUND,
        "problem": cluster.problem,
        "nodes": [node.to_json() for node in cluster.nodes],
    }


def _trace_json(service: ServiceStatus, now: float, monotonic: float) -> dict[str, object]:
    """The trace order in force; its end is a time of the day, as the clock stands now."""
    order = service.trace
    return {
        "settings_level": service.level,
        "number": "" if order is None else order.number,
        "level": None if order is None else order.level,
        "until": None if order is None else round(now + order.until - monotonic, 1),
        "devices": [] if order is None else list(order.devices),
        "addresses": [] if order is None else list(order.addresses),
    }
