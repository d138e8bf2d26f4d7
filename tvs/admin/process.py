"""The admin process: metrics and health over HTTP, for monitoring; phones never come here.

    /metrics   Prometheus text
    /healthz   200 while supervisor and workers give signs of life, else 503
    /readyz    200 while phones are answered from complete data, else 503; the body says why
    /status.json  all that there is to know of the service and of the last queries, see docs/status.md
    /          the same as a page

The supervisor forks it. It reads the files in which the workers count, and the supervisor's board. Threads of the
standard library's WSGI server serve the requests, so that a stalled reader delays no other. The database is read by a
thread of its own, and no request waits for it.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry

from tvs.admin.access import Access
from tvs.admin.cluster import ClusterCollector, cluster_status
from tvs.admin.collector import ServiceCollector
from tvs.admin.database import DatabaseReader
from tvs.admin.expiry import WorkersCollector
from tvs.admin.files import FilesCollector
from tvs.admin.fleet import FleetCollector, fleet_status
from tvs.admin.lastgood import CopyCollector
from tvs.admin.server import AdminServer
from tvs.admin.status import StatusReporter
from tvs.admin.trusted import TrustCollector
from tvs.status.health import health, readiness
from tvs.status.model import ServiceStatus
from tvs.system.signals import end_on_sigterm

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tvs.state import StateDirectory
    from tvs.status.cluster import ClusterStatus
    from tvs.system.board import Board
    from tvs.system.heartbeat import Heartbeat

FIRST_LOOK: Final = 1.0
"""Seconds for which the first request waits for the first look at the database."""


def run_admin(
    listener: socket.socket,
    *,
    board: Board,
    observed: Board,
    cluster: Board,
    fleet: Board,
    metrics: Path,
    state: StateDirectory,
    token_file: Path | None,
    supervisor: int,
    heartbeat: Heartbeat,
) -> int:
    """Serves the monitoring port until SIGTERM. Returns the exit status.

    Args:
        listener: a listening socket.
        board: the status that the supervisor publishes.
        observed: what the observer publishes.
        cluster: what the follower publishes.
        fleet: what the observer publishes of the record of phones.
        metrics: directory of the files in which the workers count.
        state: the state directory, whose certificates expire.
        token_file: file of the admin token; None: there is none.
        supervisor: its process id. If it died, this process is the last one, and removes `metrics`.
        heartbeat: the supervisor replaces a process that gives no sign of life.
    """

    def status() -> ServiceStatus:
        return ServiceStatus.from_json(board.read())

    def nodes() -> ClusterStatus:
        return cluster_status(cluster)

    end_on_sigterm()
    database = DatabaseReader(state)
    threading.Thread(target=database.watch, name="database", daemon=True).start()
    registry, workers = CollectorRegistry(), FilesCollector(metrics)
    registry.register(WorkersCollector(workers, state, database, status))
    registry.register(ServiceCollector(status))
    registry.register(TrustCollector(database))
    registry.register(CopyCollector(state, status))
    registry.register(ClusterCollector(nodes))
    registry.register(FleetCollector(lambda: fleet_status(fleet)))
    reporter = StatusReporter(state, database, status, nodes, observed, workers, lambda: fleet_status(fleet))
    threading.Thread(target=reporter.watch, name="status", daemon=True).start()
    server = AdminServer(
        listener,
        registry=registry,
        health=lambda: health(status(), time.monotonic()),
        readiness=lambda: readiness(status(), time.time(), nodes(), time.monotonic()),
        report=lambda: reporter.report().to_json(),
        access=Access(token_file),
        on_turn=heartbeat.beat,
    )
    try:
        database.wait(FIRST_LOOK)
        server.serve()
    finally:
        database.close()
        if os.getppid() != supervisor:
            shutil.rmtree(metrics, ignore_errors=True)
    return 0
