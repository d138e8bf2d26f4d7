"""Metrics and health over HTTP, for monitoring; phones never come here.

    /metrics   Prometheus text
    /healthz   200 while the event loop turns, else 503
    /readyz    200 while phones are answered from complete data, else 503; the body says why

A process of its own, which the supervisor forks: it reads the files in which the workers count, and the
supervisor's board. Requests are served by threads of the standard library's WSGI server, so that a stalled reader
holds up nobody.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tvs.admin.collector import BoardCollector
from tvs.admin.server import AdminServer
from tvs.status.health import health, readiness

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tvs.system.board import Board

    Probe = Callable[[], tuple[bool, Mapping[str, object]]]


def run_admin(listener: socket.socket, board: Board, metrics: Path, supervisor: int) -> int:
    """The admin process: serves until SIGTERM. Returns the exit status.

    Args:
        listener: a listening socket.
        board: what the supervisor knows.
        metrics: directory of the files in which the workers count.
        supervisor: its process id. Where it died, there is nobody else left to remove `metrics`.
    """
    signal.signal(signal.SIGTERM, _end)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(metrics))  # type: ignore[no-untyped-call] # prometheus-client has no types here
    registry.register(BoardCollector(board))
    server = AdminServer(
        listener,
        registry=registry,
        health=lambda: health(board.read(), time.monotonic()),
        readiness=lambda: readiness(board.read()),
    )
    try:
        server.serve()
    finally:
        if os.getppid() != supervisor:
            shutil.rmtree(metrics, ignore_errors=True)
    return 0


def _end(_number: int, _frame: object) -> None:
    raise SystemExit(0)
