"""Metrics of the supervisor: worker slots, restarts, memory, versions."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from OpenSSL import SSL
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tvs import __version__
from tvs.status.health import out_of_sync
from tvs.status.model import RestartReason, SlotState
from tvs.system.memory import resident_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from tvs.status.model import ServiceStatus


class ServiceCollector(Collector):
    """The metrics that only the supervisor knows.

    Args:
        status: gives the status that it published last.
    """

    def __init__(self, status: Callable[[], ServiceStatus]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        status = self._status()
        states = [slot.state for slot in status.slots]
        workers = GaugeMetricFamily("tvs_workers", "Worker slots by state.", labels=["state"])
        for state in SlotState:
            workers.add_metric([state], states.count(state))
        yield workers
        restarts = CounterMetricFamily("tvs_worker_restarts", "Workers that ended, by reason.", labels=["reason"])
        for reason in RestartReason:
            restarts.add_metric([reason], status.restarts.get(reason, 0))
        yield restarts
        yield GaugeMetricFamily(
            "tvs_cache_workers_out_of_sync",
            "Workers that do not answer from what the others answer from.",
            value=out_of_sync(status),
        )
        yield GaugeMetricFamily(
            "tvs_config_last_reload_successful",
            "1 while the settings in use are those of the last reload, or of the start.",
            value=status.reload_successful,
        )
        yield _limits(status)
        yield self._memory(status.processes)
        yield _build_info()

    @staticmethod
    def _memory(processes: Mapping[str, int]) -> Metric:
        memory = GaugeMetricFamily(
            "tvs_process_resident_memory_bytes",
            "Memory of a process, what it shares with others included.",
            labels=["slot"],
        )
        for slot, process in processes.items():
            size = resident_memory(process)
            if size is not None:
                memory.add_metric([slot], size)
        return memory


def _limits(status: ServiceStatus) -> Metric:
    limits = GaugeMetricFamily(
        "tvs_connections_limit",
        "Open connections of the whole service, at most, by the reason with which more are rejected.",
        labels=["reason"],
    )
    for reason, limit in status.limits.items():
        limits.add_metric([reason], limit)
    return limits


def _build_info() -> Metric:
    build = GaugeMetricFamily("tvs_build_info", "1, with the versions in use.", labels=["version", "python", "openssl"])
    openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
    build.add_metric([__version__, platform.python_version(), openssl], 1)
    return build
