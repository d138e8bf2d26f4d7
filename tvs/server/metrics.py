"""Metrics of a worker. The registry is an argument; every combination of labels exists from the start."""

from __future__ import annotations

import collections
import contextlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Literal

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.multiprocess import mark_process_dead

from proto.errors import ErrorKind
from proto.messages import REQUESTS
from tvs.answers.verifier import Source, TrustResult
from tvs.server.states import OUTCOMES, PHASES, REJECTIONS, STATES
from tvs.tls.clienthello import OfferedVersion
from tvs.tls.failures import TLSFailure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from certstore.cache import CertificateDBCache
    from ctlcache.cache import CertificateCTLCache

    Merge = Literal["livesum", "livemin", "livemax"]

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
ISSUER_CLASSES = ("none", "manufacturing", "self_signed", "other", "unreadable")
CTL_RESULTS = ("reloaded", "missing", "deleted", "absent", "damaged", "unverified", "unreadable")
LOG_DROPS = ("not_written", "budget")
"""Why a log line was dropped."""
OBSERVATION_DROPS = ("list_full", "not_read")
"""Why a record for the observer was dropped."""
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def _every(metric: Counter | Gauge | Histogram, *values: Iterable[str]) -> None:
    """Makes every combination of label values: a rate then exists before the first event."""
    combinations: list[tuple[str, ...]] = [()]
    for column in values:
        combinations = [(*done, value) for done in combinations for value in column]
    for combination in combinations:
        metric.labels(*combination)


class Durations(Histogram):
    """Histogram that takes many observations at once."""

    def observe_all(self, seconds: Sequence[float]) -> None:
        """Observes each duration; writes each bucket once."""
        if not seconds:
            return
        buckets = collections.Counter(bisect_left(self._upper_bounds, value) for value in seconds)
        self._sum.inc(sum(seconds))
        for bucket, number in buckets.items():
            self._buckets[bucket].inc(number)


def drop_gauges(directory: Path, slot: int) -> None:
    """Removes the gauges of a dead worker before its replacement starts; its counters stay.

    What cannot be removed stays in the sums: that is no reason to start no worker.
    """
    with contextlib.suppress(OSError):
        mark_process_dead(slot, str(directory))  # type: ignore[no-untyped-call] # prometheus-client has no types here


class Metrics:
    """Metrics of one worker, in base units, without addresses or device names as labels.

    Args:
        registry: the registry that they are added to.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._connections()
        self._tls()
        self._requests()
        self._caches()
        self._process()

    def _counter(self, name: str, text: str, **labels: Iterable[str]) -> Counter:
        counter = Counter(f"tvs_{name}", text, tuple(labels), registry=self.registry)
        if labels:
            _every(counter, *labels.values())
        return counter

    def _gauge(self, name: str, text: str, merge: Merge = "livesum", **labels: Iterable[str]) -> Gauge:
        gauge = Gauge(f"tvs_{name}", text, tuple(labels), registry=self.registry, multiprocess_mode=merge)
        if labels:
            _every(gauge, *labels.values())
        return gauge

    def _connections(self) -> None:
        self.accepted = self._counter("connections_accepted", "TCP connections that became a session.")
        self.connections = self._gauge("connections", "Open connections by state.", state=STATES)
        self.rejected = self._counter(
            "connections_rejected", "TCP connections closed before TLS, by limit.", reason=REJECTIONS
        )
        self.handed_over = self._counter(
            "connections_handed_over", "TCP connections that a full worker gave to another one, which counts them too."
        )
        self.queue_delay = self._gauge(
            "queue_delay_seconds", "Time that a new phone waits for its first turn, of the fullest worker.", "livemax"
        )
        self.closed = self._counter(
            "connections_closed",
            "Ended connections: exactly one outcome for each accepted one.",
            outcome=OUTCOMES,
        )

    def _tls(self) -> None:
        results = ("ok", "timeout", *TLSFailure)
        self.handshakes = self._counter(
            "tls_handshakes",
            "TLS handshakes by result and version.",
            result=results,
            version=("none", *VERSIONS),
        )
        self.handshakes_refused = self._counter(
            "tls_handshakes_refused",
            "TLS handshakes refused for the client's versions or suites, by the highest version that it offered.",
            offered=tuple(OfferedVersion),
        )
        self.ciphers = Counter(
            "tvs_tls_cipher", "Completed handshakes by suite.", ("version", "cipher"), registry=self.registry
        )
        self.client_certificates = self._counter(
            "tls_client_certificates",
            "Completed handshakes by the phone's own certificate.",
            presented=("yes", "no"),
            issuer_class=ISSUER_CLASSES,
        )

    def _requests(self) -> None:
        types = tuple(kind.name.lower() for kind in REQUESTS)
        self.requests = self._counter(
            "requests", "Answered requests.", type=types, result=tuple(TrustResult), source=tuple(Source)
        )
        self.durations = Durations(
            "tvs_request_duration_seconds",
            "Time taken by phase.",
            ("phase",),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        _every(self.durations, PHASES)
        self.protocol_errors = self._counter("protocol_errors", "Malformed requests by kind.", kind=tuple(ErrorKind))

    def _caches(self) -> None:
        caches = ("db", "ctl")
        self.cache_certificates = self._gauge(
            "cache_certificates", "Certificates in a cache, of the worker with the fewest.", "livemin", cache=caches
        )
        self.cache_generation = self._gauge(
            "cache_generation", "Index swaps of a worker since its start, the most.", "livemax", cache=caches
        )
        self.db_up = self._gauge("db_up", "1 while the certificate database answers all workers.", "livemin")
        self.db_reconnects = self._counter("db_reconnects", "Times the database came back to a worker.")
        self.ctl_reloads = self._counter(
            "ctl_reloads", "A worker's looks at a changed CTL file, by result.", result=CTL_RESULTS
        )
        self.ctl_last_success = self._gauge(
            "ctl_last_success_timestamp_seconds", "Time when a good CTL file was last put in use.", "livemax"
        )
        self.ctl_signature_valid = self._gauge(
            "ctl_signature_valid",
            "1 if the CTL file on disk is complete and its signature verifies, or if there is rightly none.",
            "livemin",
        )

    def publish_caches(self, db: CertificateDBCache, ctl: CertificateCTLCache, *, absent: bool = False) -> None:
        """Sets the gauges of the two caches. `absent`: there is rightly no CTL file, which is not a failure."""
        for name, cache in (("db", db), ("ctl", ctl)):
            self.cache_certificates.labels(name).set(len(cache))
            self.cache_generation.labels(name).set(cache.generation)
        self.db_up.set(db.db_up)
        self.ctl_signature_valid.set(ctl.signature_valid is True or absent)
        self.ctl_last_success.set(ctl.last_success or 0)

    def _process(self) -> None:
        self.not_after = Gauge(
            "tvs_certificate_not_after_timestamp_seconds",
            "Expiry of a certificate of the service.",
            ("use", "name"),
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.loop_lag = self._gauge(
            "event_loop_lag_seconds", "Delay of the last timer tick of a worker's loop, the longest.", "livemax"
        )
        self.keylog_enabled = self._gauge(
            "keylog_enabled", "1 while the secrets of TLS connections are written to a file.", "livemax"
        )
        self.log_dropped = self._counter(
            "log_dropped",
            "Dropped log lines: not_written, the log was not read or its disk was full; budget, more lines of requests "
            "than a second has room for.",
            reason=LOG_DROPS,
        )
        self.observations_dropped = self._counter(
            "observations_dropped",
            "Records of phones that tvs show status does not see: list_full, more than a tenth of a second has room "
            "for; not_read, the observer did not read them in time.",
            reason=OBSERVATION_DROPS,
        )
