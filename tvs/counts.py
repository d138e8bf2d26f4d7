"""What sessions count, bound to the metrics once so that counting on the hot path looks no label up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proto.messages import REQUESTS
from tvs.metrics import ISSUER_CLASSES, OUTCOMES, PHASES, REJECTIONS, STATES
from tvs.tls import TLSFailure
from tvs.verifier import Result, Source

if TYPE_CHECKING:
    from prometheus_client import Counter

    from proto.errors import ErrorKind
    from proto.messages import MessageType
    from tvs.metrics import Metrics


class Counts:
    """The counters of one worker.

    Attributes:
        attempted: TCP connections since the start, refused ones included.
        accepted: those that became a session.
        open: sessions by state. The gauges follow at each `publish`.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.attempted = 0
        self.accepted = 0
        self.open = dict.fromkeys(STATES, 0)
        self._metrics = metrics
        self._rejected = {reason: metrics.rejected.labels(reason) for reason in REJECTIONS}
        self._closed = {outcome: metrics.closed.labels(outcome) for outcome in OUTCOMES}
        self._states = {state: metrics.connections.labels(state) for state in STATES}
        self._handshake_failures = {
            result: metrics.handshakes.labels(result, "none") for result in ("timeout", *TLSFailure)
        }
        self._requests = {
            (kind, result, source): metrics.requests.labels(kind.name.lower(), result, source)
            for kind in REQUESTS
            for result in Result
            for source in Source
        }
        self._handshakes: dict[
            str, Counter
        ] = {}  # filled as versions and suites appear: OpenSSL's own names, a few dozen
        self._ciphers: dict[tuple[str, str], Counter] = {}
        self._certificates = {
            name: metrics.client_certificates.labels("no" if name == "none" else "yes", name) for name in ISSUER_CLASSES
        }
        self._seconds = {phase: metrics.durations.labels(phase) for phase in PHASES}

    def settle(self) -> int:
        """Counts the connections that this slot's last worker held when it died. Gives their number.

        Its counters are still there: what it accepted and did not see the end of.
        """
        registry = self._metrics.registry
        accepted = registry.get_sample_value("tvs_connections_accepted_total") or 0
        closed = sum(
            registry.get_sample_value("tvs_connections_closed_total", {"outcome": outcome}) or 0 for outcome in OUTCOMES
        )
        lost = max(0, round(accepted - closed))
        self._closed["worker_died"].inc(lost)
        return lost

    def connection_accepted(self) -> None:
        """A TCP connection became a session."""
        self.accepted += 1
        self._metrics.accepted.inc()

    def rejected(self, reason: str) -> None:
        """A TCP connection was closed before TLS."""
        self._rejected[reason].inc()

    def state_entered(self, state: str) -> None:
        """A session entered a state."""
        self.open[state] += 1

    def state_left(self, state: str) -> None:
        """A session left a state."""
        self.open[state] -= 1

    def closed(self, outcome: str, seconds: float) -> None:
        """A session ended after `seconds`."""
        self._closed[outcome].inc()
        self._seconds["connection"].observe(seconds)

    def handshake_done(self, version: str, cipher: str, seconds: float) -> None:
        """A handshake succeeded."""
        done = self._handshakes.get(version)
        if done is None:
            done = self._handshakes[version] = self._metrics.handshakes.labels("ok", version)
        done.inc()
        suite = self._ciphers.get((version, cipher))
        if suite is None:
            suite = self._ciphers[version, cipher] = self._metrics.ciphers.labels(version, cipher)
        suite.inc()
        self._seconds["handshake"].observe(seconds)

    def handshake_failed(self, result: str) -> None:
        """A handshake failed or timed out."""
        self._handshake_failures[result].inc()

    def client_certificate(self, issuer_class: str) -> None:
        """What the phone showed when it was asked for its certificate."""
        self._certificates[issuer_class].inc()

    def answered(self, kind: MessageType, result: Result, source: Source, seconds: float) -> None:
        """A request was answered."""
        self._requests[kind, result, source].inc()
        self._seconds["answer"].observe(seconds)

    def protocol_error(self, kind: ErrorKind) -> None:
        """A request was malformed."""
        self._metrics.protocol_errors.labels(kind).inc()

    def publish(self) -> None:
        """Brings the gauges up to date."""
        for state, gauge in self._states.items():
            gauge.set(self.open[state])
