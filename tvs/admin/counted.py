"""What the workers have counted, for `/status.json`: the same numbers as in `/metrics`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tvs.status.report import Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client.metrics_core import Metric

    Labels = Mapping[str, str]
    Samples = list[tuple[Labels, float]]

_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_BUCKET: Final = "tvs_request_duration_seconds_bucket"
_PHASES: Final = ("handshake", "connection")
"""Phases whose quantiles are estimated: answers take less than the first bucket, so the observer has them exactly."""


def counted(families: Iterable[Metric]) -> Counted:
    """The numbers of all workers, of the metrics that they have."""
    samples: dict[str, Samples] = {}
    for family in families:
        for sample in family.samples:
            if sample.value or sample.name == _BUCKET:
                samples.setdefault(sample.name, []).append((sample.labels, sample.value))

    def numbers(name: str, label: str, wanted: Callable[[Labels], bool] = bool) -> dict[str, int]:
        found = samples.get(f"tvs_{name}_total", [])
        return {labels[label]: round(value) for labels, value in found if wanted(labels)}

    def rows(name: str) -> tuple[Mapping[str, object], ...]:
        found = samples.get(f"tvs_{name}_total", [])
        return tuple({**labels, "count": round(value)} for labels, value in found)

    return Counted(
        handshakes=rows("tls_cipher"),
        failures=numbers("tls_handshakes", "result", lambda labels: labels["result"] != "ok"),
        refused_versions=numbers("tls_handshakes_refused", "offered"),
        requests=rows("requests"),
        malformed=numbers("protocol_errors", "kind"),
        closed=numbers("connections_closed", "outcome"),
        rejected=numbers("connections_rejected", "reason"),
        latency={phase: quantiles(_buckets(samples, phase)) for phase in _PHASES},
    )


def _buckets(samples: Mapping[str, Samples], phase: str) -> list[tuple[float, float]]:
    """Upper bounds of a phase's buckets with the number of observations up to each, ascending."""
    found = samples.get(_BUCKET, [])
    return sorted((float(labels["le"]), value) for labels, value in found if labels["phase"] == phase)


def quantiles(buckets: list[tuple[float, float]]) -> dict[str, float]:
    """Quantiles of a histogram, as Prometheus estimates them; empty without observations.

    Args:
        buckets: upper bounds, infinity last, and the number of observations up to each.
    """
    total = buckets[-1][1] if buckets else 0
    if not total:
        return {}
    return {name: round(_quantile(buckets, part * total), 6) for name, part in _QUANTILES.items()}


def _quantile(buckets: list[tuple[float, float]], rank: float) -> float:
    low, below = 0.0, 0.0
    for bound, number in buckets:
        if number >= rank:
            return low if math.isinf(bound) else low + (bound - low) * (rank - below) / (number - below)
        low, below = bound, number
    return low
