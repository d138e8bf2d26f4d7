"""Metrics of the supervisor: worker slots, restarts, memory, versions."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from OpenSSL import SSL
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tvs import __version__
from tvs.status.health import RESTART_REASONS, WORKER_STATES, out_of_sync
from tvs.system.memory import resident_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from tvs.system.board import Board

    Probe = Callable[[], tuple[bool, Mapping[str, object]]]


class BoardCollector(Collector):
    """The metrics that only the supervisor can tell.

    Args:
        board: where it tells them.
    """

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """The metrics as of now."""
        document = self._board.read()
        states = [worker["state"] for worker in document.get("workers", ())]
        workers = GaugeMetricFamily("tvs_workers", "Worker slots by state.", labels=["state"])
        for state in WORKER_STATES:
            workers.add_metric([state], states.count(state))
        yield workers
        restarts = CounterMetricFamily("tvs_worker_restarts", "Workers that ended, by reason.", labels=["reason"])
        for reason in RESTART_REASONS:
            restarts.add_metric([reason], document.get("restarts", {}).get(reason, 0))
        yield restarts
        yield GaugeMetricFamily(
            "tvs_cache_workers_out_of_sync",
            "Workers that do not answer from what the others answer from.",
            value=out_of_sync(document),
        )
        yield GaugeMetricFamily(
            "tvs_config_last_reload_successful",
            "1 while the settings in use are those of the last reload, or of the start.",
            value=document.get("reload_successful", 0),
        )
        yield self._memory(document.get("processes", {}))
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


def _build_info() -> Metric:
    build = GaugeMetricFamily("tvs_build_info", "1, with the versions in use.", labels=["version", "python", "openssl"])
    openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
    build.add_metric([__version__, platform.python_version(), openssl], 1)
    return build
