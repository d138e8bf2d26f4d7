"""The service's metrics. The registry is an argument; every combination of labels exists from the start."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from OpenSSL import SSL
from prometheus_client import Counter, Gauge, Histogram

from proto.errors import ErrorKind
from proto.messages import REQUESTS
from tvs import __version__
from tvs.tls import TLSFailure
from tvs.verifier import Result, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
STATES = ("handshake", "await_request", "sending", "linger")
OUTCOMES = (
    "answered",
    "no_request",
    "probe",
    "handshake_failed",
    "handshake_timeout",
    "request_timeout",
    "write_timeout",
    "connection_timeout",
    "protocol_error",
    "reset",
    "tls_error",
    "drained",
    "internal_error",
)
"""How a connection ended: exactly one for each accepted connection."""
REJECTIONS = ("connections", "half_open", "address", "descriptors", "draining")
PHASES = ("handshake", "answer", "connection")
"""``handshake``: accepted to TLS up. ``answer``: request decoded to answer encoded. ``connection``: its whole life."""
ISSUER_CLASSES = ("none", "manufacturing", "self_signed", "other", "unreadable")
CTL_RESULTS = ("reloaded", "missing", "damaged", "unverified", "unreadable")
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def _every(metric: Counter | Gauge | Histogram, *values: Iterable[str]) -> None:
    """Makes every combination of label values, so that a rate exists before the first event."""
    combinations: list[tuple[str, ...]] = [()]
    for column in values:
        combinations = [(*done, value) for done in combinations for value in column]
    for combination in combinations:
        metric.labels(*combination)


class Metrics:
    """All metrics of one process, in base units, without addresses or device names as labels.

    Args:
        registry: where they are registered.
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

    def _gauge(self, name: str, text: str, **labels: Iterable[str]) -> Gauge:
        gauge = Gauge(f"tvs_{name}", text, tuple(labels), registry=self.registry)
        if labels:
            _every(gauge, *labels.values())
        return gauge

    def _connections(self) -> None:
        self.accepted = self._counter("connections_accepted", "TCP connections that became a session.")
        self.connections = self._gauge("connections", "Open connections by state.", state=STATES)
        self.rejected = self._counter(
            "connections_rejected", "TCP connections closed before TLS, by limit.", reason=REJECTIONS
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
            "requests", "Answered requests.", type=types, result=tuple(Result), source=tuple(Source)
        )
        self.durations = Histogram(
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
        self.cache_certificates = self._gauge("cache_certificates", "Certificates in a cache.", cache=caches)
        self.cache_generation = self._gauge("cache_generation", "Index swaps since the start.", cache=caches)
        self.db_up = self._gauge("db_up", "1 while the certificate database answers.")
        self.db_reconnects = self._counter("db_reconnects", "Times the database came back after a failure.")
        self.ctl_reloads = self._counter("ctl_reloads", "Looks at a changed CTL file, by result.", result=CTL_RESULTS)
        self.ctl_last_success = self._gauge(
            "ctl_last_success_timestamp_seconds", "When a good CTL file was last put in use."
        )
        self.ctl_signature_valid = self._gauge(
            "ctl_signature_valid", "1 where the CTL file on disk is complete and its signature verifies."
        )

    def _process(self) -> None:
        self.not_after = Gauge(
            "tvs_certificate_not_after_timestamp_seconds",
            "When a certificate of the service expires.",
            ("use", "name"),
            registry=self.registry,
        )
        self.loop_lag = self._gauge("event_loop_lag_seconds", "How late the last timer tick of the loop was.")
        self.keylog_enabled = self._gauge(
            "keylog_enabled", "1 while the secrets of TLS connections are written to a file."
        )
        self.log_dropped = self._counter("log_dropped", "Log lines dropped because nobody read them.")
        build = Gauge(
            "tvs_build_info",
            "1, with the versions in use.",
            ("version", "python", "openssl"),
            registry=self.registry,
        )
        openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
        build.labels(__version__, platform.python_version(), openssl).set(1)
