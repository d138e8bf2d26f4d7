"""Metrics of the supervisor, computed from its status."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.statuses import service, slot, worker
from tvs import __version__
from tvs.admin.collector import ServiceCollector
from tvs.status.model import RestartReason, ServiceStatus, SlotState

if TYPE_CHECKING:
    from collections.abc import Mapping


def metrics(status: ServiceStatus) -> Mapping[str, float]:
    """The samples as Prometheus reads them, by name and label values."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(lambda: status))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_of_a_service() -> None:
    """Slots by state, restarts by cause, workers out of sync and the last reload, as the status has them."""
    status = service(
        slot(),
        slot(1, status=worker(change_number=6)),
        slot(2, state=SlotState.CLOSED),
        restarts={RestartReason.KILLED: 3},
        processes={"supervisor": os.getpid(), "0": 2**22 + 1},
        limits={"connections": 500, "half_open": 20},
    )
    found = metrics(status)
    assert found["tvs_workers running"] == 2
    assert found["tvs_workers closed"] == 1
    assert found["tvs_worker_restarts_total killed"] == 3
    assert found["tvs_cache_workers_out_of_sync"] == 1
    assert (found["tvs_connections_limit connections"], found["tvs_connections_limit half_open"]) == (500, 20)
    assert found["tvs_config_last_reload_successful"] == 1
    assert found["tvs_process_resident_memory_bytes supervisor"] > 1_000_000
    assert "tvs_process_resident_memory_bytes 0" not in found  # that process is gone


def test_all_combinations_exist_from_the_start() -> None:
    """Before the first publication every state and every cause has a sample, so that rates are known."""
    found = metrics(ServiceStatus())
    zeros = [f"tvs_workers {state}" for state in ("starting", "running", "waiting", "closed", "stopping")]
    zeros += [f"tvs_worker_restarts_total {reason}" for reason in ("exited", "failed", "killed", "hung")]
    zeros += ["tvs_cache_workers_out_of_sync", "tvs_config_last_reload_successful"]
    assert {name: found[name] for name in zeros} == dict.fromkeys(zeros, 0)
    assert len(found) == len(zeros) + 1


def test_versions() -> None:
    """One sample names the versions in use."""
    (built,) = [name for name in metrics(ServiceStatus()) if name.startswith("tvs_build_info")]
    assert {__version__, platform.python_version()} <= set(built.split())
