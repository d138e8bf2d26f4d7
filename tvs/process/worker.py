"""A worker: one process of the service that answers phones, from its fork to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from certstore.store import StoreError
from tvs.errors import StateError
from tvs.log.pipeline import LogPipeline
from tvs.log.target import log_colors, open_log
from tvs.process.supervisorlink import SupervisorLink
from tvs.server.countingfiles import CountingFiles, count_in_memory
from tvs.server.metrics import Metrics
from tvs.server.service import Service

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tvs.answers.seed import Seed
    from tvs.config.settings import Config
    from tvs.server.credentials import Credentials
    from tvs.system.channel import Channel

COLLECT_AFTER = 20_000
"""New objects after which the collector looks for cycles: sessions make none, and reference counts free them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """Everything that a worker starts with.

    Attributes:
        slot: number of its slot.
        config: all settings.
        credentials: TLS credentials.
        seed: certificates that were read before the fork.
        listener: the slot's listening socket.
        channel: to the supervisor.
        metrics: directory of the files in which all workers count.
    """

    slot: int
    config: Config
    credentials: Credentials
    seed: Seed | None
    listener: socket.socket
    channel: Channel
    metrics: Path


def run_worker(setup: WorkerSetup) -> int:
    """Answers phones until SIGTERM, or until the supervisor is gone. Returns the exit status."""
    metrics, files, lost = _metrics(setup)
    config = setup.config
    pipeline = LogPipeline(
        open_log(config.log_file),
        log_format=config.log_format,
        level=config.log_level,
        colors=log_colors(config.log_file),
        dropped=metrics.log_dropped.labels("not_written"),
        beyond_budget=metrics.log_dropped.labels("budget"),
    )
    service = Service(config, setup.credentials, pipeline=pipeline, metrics=metrics, slot=setup.slot, seed=setup.seed)
    if lost is not None:
        service.log.warning("metrics_not_shared", worker=setup.slot, reason=str(lost))

    def keep_counting() -> None:
        if files is not None and files.restore():
            service.log.warning("metrics_files_restored", worker=setup.slot)

    try:
        service.load()
        gc.freeze()  # what is loaded stays: the collector need not look at it again
        gc.set_threshold(COLLECT_AFTER)
        return asyncio.run(_serve(service, setup, keep_counting))
    except (StateError, StoreError, OSError) as error:
        service.log.error("worker_cannot_start", worker=setup.slot, reason=str(error))  # noqa: TRY400 - one sentence
        return 1
    finally:
        pipeline.close()


def _metrics(setup: WorkerSetup) -> tuple[Metrics, CountingFiles | None, OSError | None]:
    """The worker's metrics with their files, or in memory alone with the error of the files: phones are answered."""
    try:
        files = CountingFiles(setup.metrics, setup.slot)
        return Metrics(CollectorRegistry()), files, None
    except OSError as error:
        count_in_memory()
        return Metrics(CollectorRegistry()), None, error


async def _serve(service: Service, setup: WorkerSetup, keep_counting: Callable[[], None]) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    service.start([setup.listener])
    link = SupervisorLink(service, setup.channel, slot=setup.slot, on_closed=stop.set, before_heartbeat=keep_counting)
    with contextlib.closing(link):
        link.start()
        await stop.wait()
        await service.drain()
        await service.close()
    return 0
