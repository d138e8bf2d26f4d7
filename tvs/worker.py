"""One process of the service, from its settings to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from tvs.acceptor import listen
from tvs.admin import AdminServer
from tvs.config import Endpoint
from tvs.log import LogPipeline, is_terminal, logger_for, open_log_file
from tvs.metrics import Metrics
from tvs.service import Service

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tvs.config import Config


class StartError(Exception):
    """The service cannot start: a sentence that says what to do."""


def run_worker(config: Config, announce: Callable[[Endpoint, Endpoint], None]) -> int:
    """Serves phones until SIGTERM or SIGINT; a second one ends at once. Returns the exit status.

    Args:
        config: all settings.
        announce: called with the endpoints in use when phones can connect.

    Raises `StartError`, `StateError` and `StoreError` where the service cannot start.
    """
    raise_descriptor_limit()
    disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus-client has no types here
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    metrics = Metrics(registry)
    pipeline = _pipeline(config, metrics)
    service = Service(config, pipeline=pipeline, log=logger_for(pipeline), metrics=metrics)
    try:
        service.load()
        return asyncio.run(_serve(service, announce))
    finally:
        pipeline.close()


def _pipeline(config: Config, metrics: Metrics) -> LogPipeline:
    try:
        descriptor = sys.stderr.fileno() if config.log_file is None else open_log_file(config.log_file)
    except OSError as error:
        raise StartError(f"{config.log_file}: the log cannot be opened: {error.strerror}") from None
    return LogPipeline(
        descriptor,
        log_format=config.log_format,
        level=config.log_level,
        colors=config.log_file is None and is_terminal(sys.stderr),
        dropped=metrics.log_dropped,
    )


async def _serve(service: Service, announce: Callable[[Endpoint, Endpoint], None]) -> int:
    config = service.config
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(_listener(config.listen)))
        admin = stack.enter_context(contextlib.closing(_admin(service)))
        stop = _stop_event()
        service.start([listener])
        admin.start()
        phones = Endpoint(config.listen.host, listener.getsockname()[1])
        service.log.info("listening", phones=str(phones), admin=f"{config.admin.host}:{admin.port}", pid=os.getpid())
        announce(phones, Endpoint(config.admin.host, admin.port))
        await stop.wait()
        service.log.info("stopping", connections=sum(service.counts.open.values()))
        await service.drain()
        await service.close()
    service.log.info("stopped")
    return 0


def _listener(endpoint: Endpoint) -> socket.socket:
    try:
        return listen(endpoint.host, endpoint.port)
    except OSError as error:
        raise StartError(f"cannot listen on {endpoint} for phones: {error.strerror}") from None


def _admin(service: Service) -> AdminServer:
    try:
        return AdminServer(
            service.config.admin,
            registry=service.metrics.registry,
            health=service.health,
            readiness=service.readiness,
        )
    except OSError as error:
        raise StartError(
            f"cannot listen on {service.config.admin} for metrics: {error.strerror}; choose another --admin"
        ) from None


def _stop_event() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; from then on the signals have their usual effect."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def requested() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, requested)
    return stop


def raise_descriptor_limit() -> None:
    """Allows as many open files as the system lets this process have: each phone is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
