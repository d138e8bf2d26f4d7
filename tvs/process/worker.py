"""A worker: one process of the service that answers phones, from its fork to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from certstore.errors import StoreError
from tvs.errors import StateError
from tvs.process.supervisorlink import SupervisorLink
from tvs.process.tracefile import TraceFileWatch
from tvs.process.upkeep import Upkeep, WorkerLog
from tvs.server.countingfiles import CountingFiles
from tvs.server.metrics import Metrics
from tvs.server.service import Service
from tvs.state import StateDirectory
from tvs.system.limits import raise_descriptor_limit

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tvs.answers.seed import Seed
    from tvs.config.settings import Config
    from tvs.log.tracing import ActiveTrace
    from tvs.process.supervisorlog import SupervisorLog
    from tvs.server.credentials import Credentials
    from tvs.system.channel import Channel
    from tvs.system.funnel import FunnelSender
    from tvs.system.nudge import NudgeEnd
    from tvs.system.relay import RelayEnd

COLLECT_AFTER = 20_000
"""New objects after which the collector looks for cycles: sessions make none, and reference counts free them."""
FILE_THREADS = 8
"""Threads at most for what may hang: database, CTL file, trace file and a reload have one job at a time each, and as
many again may hang on what a reload has left behind. They begin when jobs meet: the last one may come after days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """Everything that a worker starts with.

    Attributes:
        slot: number of its slot.
        config: all settings.
        credentials: TLS credentials.
        seed: certificates that were read before the fork.
        listener: the slot's listening socket.
        relay: the slot's end of the relay to the other workers.
        observer: the slot's end of the funnel to the observer.
        nudge: its end of the follower's nudges.
        channel: to the supervisor.
        metrics: directory of the files in which all workers count.
        log: the supervisor's log, for a worker that cannot open the log, or cannot start; closed when it serves phones.
        trace: the trace order in force.
    """

    slot: int
    config: Config
    credentials: Credentials
    seed: Seed | None
    listener: socket.socket
    relay: RelayEnd
    observer: FunnelSender
    nudge: NudgeEnd
    channel: Channel
    metrics: Path
    log: SupervisorLog
    trace: ActiveTrace | None


def run_worker(setup: WorkerSetup) -> int:
    """Answers phones until SIGTERM, or until the supervisor is gone. Returns the exit status."""
    raise_descriptor_limit()  # the supervisor's may have been lowered since
    config = setup.config
    files = CountingFiles(setup.metrics, setup.slot)
    metrics = Metrics(CollectorRegistry())
    log = WorkerLog(config, inherited=setup.log, metrics=metrics)
    service = Service(
        config,
        setup.credentials,
        pipeline=log.pipeline,
        metrics=metrics,
        slot=setup.slot,
        seed=setup.seed,
        observer=setup.observer,
    )
    upkeep = Upkeep(service, files, log, slot=setup.slot)
    upkeep.report()
    try:
        service.load()
        service.trace(setup.trace)
        gc.freeze()  # what is loaded stays: the collector need not look at it again
        gc.set_threshold(COLLECT_AFTER)
        setup.log.close()
        return asyncio.run(_serve(service, setup, upkeep))
    except (StateError, StoreError, OSError) as error:
        service.log.error("worker_cannot_start", worker=setup.slot, reason=str(error))  # noqa: TRY400 - one sentence
        return 1
    finally:
        log.pipeline.close()


async def _serve(service: Service, setup: WorkerSetup, upkeep: Upkeep) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="files"))
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    service.start([setup.listener], setup.relay)

    def nudged() -> None:
        setup.nudge.take()
        service.look_soon()

    loop.add_reader(setup.nudge.fileno(), nudged)
    watch = TraceFileWatch(StateDirectory.of(setup.config).trace_file)
    link = SupervisorLink(
        service,
        setup.channel,
        on_closed=stop.set,
        before_heartbeat=upkeep,
        trace_file=lambda: watch.number,
    )
    watching = asyncio.create_task(watch.run(), name="trace-file-watch")
    with contextlib.closing(link):
        link.start()
        await stop.wait()
        watching.cancel()
        await service.drain()
        await service.close()
    return 0
