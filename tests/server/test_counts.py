"""Counts of a worker, and the metrics that they are added to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from proto.errors import ErrorKind
from proto.messages import MessageType
from tvs.answers.verifier import Source, TrustResult
from tvs.server.counts import Counts
from tvs.server.metrics import CTL_RESULTS, Durations, Metrics
from tvs.server.states import OUTCOMES, REJECTIONS, STATES, SessionState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fixtures.worker import Worker


def test_every_label_exists_from_the_start() -> None:
    """Each closed set of labels is there with 0 before the first event, so that rates and alerts find it."""
    registry = CollectorRegistry()
    Metrics(registry)
    wanted: tuple[tuple[str, dict[str, str]], ...] = (
        *(("tvs_connections_closed_total", {"outcome": outcome}) for outcome in OUTCOMES),
        *(("tvs_connections_rejected_total", {"reason": reason}) for reason in REJECTIONS),
        *(("tvs_connections", {"state": state}) for state in STATES),
        *(("tvs_protocol_errors_total", {"kind": kind.value}) for kind in ErrorKind),
        *(("tvs_ctl_reloads_total", {"result": result}) for result in CTL_RESULTS),
        *(
            ("tvs_requests_total", {"type": kind, "result": result.value, "source": source.value})
            for kind in ("query_cert_req", "cert_verification_req")
            for result in TrustResult
            for source in Source
        ),
    )
    for name, labels in wanted:
        assert registry.get_sample_value(name, labels) == 0, (name, labels)


def test_nothing_reaches_the_metrics_before_publish(worker: Worker) -> None:
    """Counts are added up and handed on with `publish`, once."""
    counts = worker.shared.counts
    counts.connection_accepted()
    counts.answered(MessageType.QUERY_CERT_REQ, TrustResult.TRUSTED, Source.DB, 0.25)
    registry = worker.metrics.registry
    assert registry.get_sample_value("tvs_connections_accepted_total") == 0
    for _ in range(2):
        counts.publish()
        assert registry.get_sample_value("tvs_connections_accepted_total") == 1
        assert registry.get_sample_value("tvs_request_duration_seconds_sum", {"phase": "answer"}) == 0.25


def test_open_sessions_are_gauges(worker: Worker) -> None:
    """The gauge of a state shows the sessions that are in it."""
    counts = worker.shared.counts
    for _ in range(3):
        counts.session_began()
    counts.session_moved(SessionState.HANDSHAKE, SessionState.LINGER)
    counts.session_moved(SessionState.HANDSHAKE, SessionState.CLOSED)
    assert worker.counted() == {"tvs_connections{handshake}": 1, "tvs_connections{linger}": 1}
    counts.session_moved(SessionState.HANDSHAKE, SessionState.CLOSED)
    assert worker.counted() == {"tvs_connections{linger}": 1}


def test_way_that_does_not_exist(worker: Worker) -> None:
    """A session that would leave its last state, or skip its first, is a bug; the gauges stay as they are."""
    counts = worker.shared.counts
    counts.session_began()
    for before, after in ((SessionState.CLOSED, SessionState.LINGER), (SessionState.HANDSHAKE, SessionState.SENDING)):
        with pytest.raises(RuntimeError, match="no way from"):
            counts.session_moved(before, after)
    assert worker.counted() == {"tvs_connections{handshake}": 1}


def test_handshakes_by_version_and_suite(worker: Worker) -> None:
    """Finished handshakes are counted by version and suite, phones' certificates by their issuer's class."""
    counts = worker.shared.counts
    counts.handshake_done("TLSv1.2", "AES256-SHA", 0.5)
    counts.handshake_done("TLSv1.2", "AES256-SHA", 0.5)
    counts.client_certificate("none")
    counts.client_certificate("manufacturing")
    counted = worker.counted()
    assert counted["tvs_tls_handshakes_total{ok,TLSv1.2}"] == counted["tvs_tls_cipher_total{TLSv1.2,AES256-SHA}"] == 2
    assert counted["tvs_tls_client_certificates_total{no,none}"] == 1
    assert counted["tvs_tls_client_certificates_total{yes,manufacturing}"] == 1


def test_connections_of_a_dead_worker_are_settled(worker: Worker) -> None:
    """A worker that takes over the counters of a dead one counts the connections that died with it."""
    before = worker.shared.counts
    for _ in range(3):
        before.connection_accepted()
    before.closed("answered", 1.0)
    before.publish()
    after = Counts(worker.metrics)
    assert after.settle() == 2
    after.publish()
    assert worker.outcomes == {"answered": 1, "worker_died": 2}
    assert Counts(worker.metrics).settle() == 0


def test_worker_that_died_between_two_counters(worker: Worker) -> None:
    """If more connections were written as closed than as accepted, the accepted ones are made up for."""
    worker.shared.counts.closed("answered", 1.0)
    worker.shared.counts.publish()
    after = Counts(worker.metrics)
    assert after.settle() == 0
    after.publish()
    assert worker.counted()["tvs_connections_accepted_total"] == 1
    assert worker.outcomes == {"answered": 1}


@given(seconds=st.lists(st.floats(0, 20), max_size=20))
def test_many_observations_are_as_single_ones(seconds: Sequence[float]) -> None:
    """Durations that are observed together fill the same buckets as one by one."""
    together, single = (
        Durations("t", "Test.", registry=CollectorRegistry(), buckets=(0.001, 0.5, 1, 10)) for _ in range(2)
    )
    together.observe_all(seconds)
    for value in seconds:
        single.observe(value)

    def buckets(durations: Durations) -> list[tuple[str, dict[str, str], float]]:
        (family,) = durations.collect()
        return [
            (sample.name, sample.labels, round(sample.value, 6))
            for sample in family.samples
            if not sample.name.endswith("_created")
        ]

    assert buckets(together) == buckets(single)
