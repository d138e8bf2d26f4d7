"""Numbers of the workers in the status report: the same as in the metrics, and quantiles of histograms."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from proto.messages import MessageType
from tvs.admin.counted import counted, quantiles
from tvs.answers.verifier import Source, TrustResult
from tvs.server.counts import Counts
from tvs.server.metrics import Metrics
from tvs.tls.clienthello import OfferedVersion
from tvs.tls.failures import TLSFailure

INFINITE = float("inf")


@pytest.fixture
def registry() -> CollectorRegistry:
    """Metrics of a worker that answered, refused and turned away."""
    registry = CollectorRegistry()
    counts = Counts(Metrics(registry))
    for _ in range(3):
        counts.connection_accepted()
        counts.handshake_done("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", 0.02)
    counts.answered(MessageType.QUERY_CERT_REQ, TrustResult.TRUSTED, Source.DB, 0.0001)
    counts.answered(MessageType.QUERY_CERT_REQ, TrustResult.NOT_FOUND, Source.NONE, 0.0001)
    counts.handshake_failed(TLSFailure.UNSUPPORTED_VERSION)
    counts.handshake_refused(OfferedVersion("TLSv1"))
    counts.rejected("queue")
    counts.session_began()
    counts.closed("answered", 0.3)
    counts.publish()
    return registry


def test_numbers_that_are_not_zero(registry: CollectorRegistry) -> None:
    """Each number of the metrics is there under its labels; those that are 0 are left out."""
    found = counted(registry.collect())
    assert found.handshakes == ({"version": "TLSv1.2", "cipher": "ECDHE-RSA-AES256-GCM-SHA384", "count": 3},)
    assert (found.failures, found.refused_versions) == ({"unsupported_version": 1}, {"TLSv1": 1})
    assert [(row["result"], row["source"], row["count"]) for row in found.requests] == [
        ("trusted", "db", 1),
        ("not_found", "none", 1),
    ]
    assert (found.rejected, found.closed, found.malformed) == ({"queue": 1}, {"answered": 1}, {})
    assert found.latency["handshake"] == {"p50": 0.0175, "p95": 0.02425, "p99": 0.02485}
    assert 0.25 < found.latency["connection"]["p50"] < 0.5


def test_nothing_counted() -> None:
    """A service without workers has empty numbers."""
    found = counted([])
    assert (found.handshakes, found.failures, found.latency) == ((), {}, {"handshake": {}, "connection": {}})


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [
        ([], {}),
        ([(1.0, 0.0), (INFINITE, 0.0)], {}),
        ([(1.0, 0.0), (2.0, 8.0), (INFINITE, 8.0)], {"p50": 1.5, "p95": 1.95, "p99": 1.99}),
        ([(1.0, 100.0), (INFINITE, 100.0)], {"p50": 0.5, "p95": 0.95, "p99": 0.99}),
        ([(1.0, 50.0), (2.0, 100.0), (INFINITE, 100.0)], {"p50": 1.0, "p95": 1.9, "p99": 1.98}),
        ([(1.0, 1.0), (INFINITE, 100.0)], {"p50": 1.0, "p95": 1.0, "p99": 1.0}),
        ([(INFINITE, 3.0)], {"p50": 0.0, "p95": 0.0, "p99": 0.0}),
    ],
)
def test_quantiles(buckets: list[tuple[float, float]], expected: dict[str, float]) -> None:
    """They are estimated as Prometheus' histogram_quantile does: linear in a bucket, the last bound at most."""
    assert quantiles(buckets) == expected
