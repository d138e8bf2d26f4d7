"""What sessions count, bound to the metrics once so that counting on the hot path looks no label up."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from proto.messages import REQUESTS
from tvs.answers.verifier import Source, TrustResult
from tvs.server.metrics import ISSUER_CLASSES
from tvs.server.states import OUTCOMES, PHASES, REJECTIONS, STATES
from tvs.tls.connection import TLSFailure

if TYPE_CHECKING:
    from prometheus_client import Counter

    from proto.errors import ErrorKind
    from proto.messages import MessageType
    from tvs.server.metrics import Metrics


class Counts:
    """The counters of one worker.

    What sessions count is added up here and goes to the metrics at each `publish`: a metric that several processes
    share costs as much as a look-up of a certificate, and a connection counts a dozen things.

    Attributes:
        attempted: TCP connections since the start, refused ones included.
        accepted: those that became a session.
        open: sessions by state.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.attempted = 0
        self.accepted = 0
        self.open = dict.fromkeys(STATES, 0)
        self._metrics = metrics
        self._new: defaultdict[Counter, int] = defaultdict(int)
        self._rejected = {reason: metrics.rejected.labels(reason) for reason in REJECTIONS}
        self._closed = {outcome: metrics.closed.labels(outcome) for outcome in OUTCOMES}
        self._states = {state: metrics.connections.labels(state) for state in STATES}
        self._handshake_failures = {
            result: metrics.handshakes.labels(result, "none") for result in ("timeout", *TLSFailure)
        }
        self._requests = {
            (kind, result, source): metrics.requests.labels(kind.name.lower(), result, source)
            for kind in REQUESTS
            for result in TrustResult
            for source in Source
        }
        self._handshakes: dict[str, Counter] = {}  # filled as versions appear: OpenSSL's names, four
        self._ciphers: dict[tuple[str, str], Counter] = {}  # and suites, a few dozen
        self._certificates = {
            name: metrics.client_certificates.labels("no" if name == "none" else "yes", name) for name in ISSUER_CLASSES
        }
        self._handshake_seconds: list[float] = []
        self._answer_seconds: list[float] = []
        self._connection_seconds: list[float] = []
        self._durations = tuple(
            zip(
                map(metrics.durations.labels, PHASES),
                (self._handshake_seconds, self._answer_seconds, self._connection_seconds),
                strict=True,
            )
        )

    def settle(self) -> int:
        """Counts the connections that this slot's last worker held when it died. Gives their number.

        Its counters are still there: what it accepted and did not see the end of, as of its last `publish`.
        """
        registry = self._metrics.registry
        accepted = registry.get_sample_value("tvs_connections_accepted_total") or 0
        closed = sum(
            registry.get_sample_value("tvs_connections_closed_total", {"outcome": outcome}) or 0 for outcome in OUTCOMES
        )
        lost = round(accepted - closed)
        if lost < 0:  # it died while it wrote the one, and had not yet written the other
            self._new[self._metrics.accepted] -= lost
            return 0
        self._new[self._closed["worker_died"]] += lost
        return lost

    def connection_accepted(self) -> None:
        """A TCP connection became a session."""
        self.accepted += 1
        self._new[self._metrics.accepted] += 1

    def rejected(self, reason: str) -> None:
        """A TCP connection was closed before TLS."""
        self._new[self._rejected[reason]] += 1

    def state_entered(self, state: str) -> None:
        """A session entered a state."""
        self.open[state] += 1

    def state_left(self, state: str) -> None:
        """A session left a state."""
        self.open[state] -= 1

    def closed(self, outcome: str, seconds: float) -> None:
        """A session ended after `seconds`."""
        self._new[self._closed[outcome]] += 1
        self._connection_seconds.append(seconds)

    def handshake_done(self, version: str, cipher: str, seconds: float) -> None:
        """A handshake succeeded."""
        done = self._handshakes.get(version)
        if done is None:
            done = self._handshakes[version] = self._metrics.handshakes.labels("ok", version)
        suite = self._ciphers.get((version, cipher))
        if suite is None:
            suite = self._ciphers[version, cipher] = self._metrics.ciphers.labels(version, cipher)
        self._new[done] += 1
        self._new[suite] += 1
        self._handshake_seconds.append(seconds)

    def handshake_failed(self, result: str) -> None:
        """A handshake failed or timed out."""
        self._new[self._handshake_failures[result]] += 1

    def client_certificate(self, issuer_class: str) -> None:
        """What the phone showed when it was asked for its certificate."""
        self._new[self._certificates[issuer_class]] += 1

    def answered(self, kind: MessageType, result: TrustResult, source: Source, seconds: float) -> None:
        """A request was answered."""
        self._new[self._requests[kind, result, source]] += 1
        self._answer_seconds.append(seconds)

    def protocol_error(self, kind: ErrorKind) -> None:
        """A request was malformed."""
        self._new[self._metrics.protocol_errors.labels(kind)] += 1

    def publish(self) -> None:
        """Hands on what was counted since the last time, and the states as they are."""
        for counter, number in self._new.items():
            counter.inc(number)
        self._new.clear()
        for durations, seconds in self._durations:
            durations.observe_all(seconds)
            seconds.clear()
        for state, gauge in self._states.items():
            gauge.set(self.open[state])
