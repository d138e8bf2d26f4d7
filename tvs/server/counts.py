"""Counters of connections and requests, bound to their metrics once: the hot path never looks up labels."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from proto.errors import ErrorKind
from proto.messages import REQUESTS
from tvs.answers.verifier import Source, TrustResult
from tvs.server.metrics import ISSUER_CLASSES
from tvs.server.states import CLOSED, METRIC_STATES, OUTCOMES, PHASES, REJECTIONS, STATES, TRANSITIONS
from tvs.tls.clienthello import OfferedVersion
from tvs.tls.failures import TLSFailure

if TYPE_CHECKING:
    from prometheus_client import Counter

    from proto.messages import MessageType
    from tvs.server.metrics import Metrics
    from tvs.server.states import SessionState


class Counts:
    """Counters of one worker.

    Counts are added up here and go to the metrics at each `publish`: to increment a metric that several processes
    share costs as much as a look-up of a certificate, and a connection increments a dozen.

    Args:
        metrics: the worker's metrics.

    Attributes:
        attempted: TCP connections since the start, refused ones included.
        accepted: TCP connections that became a session.
        open: sessions by state, keys are `tvs.server.states.STATES`.
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
        self._handshakes_refused = {version: metrics.handshakes_refused.labels(version) for version in OfferedVersion}
        self._requests = {
            (kind, result, source): metrics.requests.labels(kind.name.lower(), result, source)
            for kind in REQUESTS
            for result in TrustResult
            for source in Source
        }
        self._rated = self._rated_counters()
        self._rates: defaultdict[str, int] = defaultdict(int)
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

    def _rated_counters(self) -> dict[Counter, str]:
        """The counters whose rates the observer knows, with the rate's name, one of `tvs.fleet.batches.COUNTS`."""
        rated = {self._metrics.accepted: "connections"}
        rated |= dict.fromkeys(self._rejected.values(), "turned_away")
        rated |= dict.fromkeys(self._handshake_failures.values(), "failed")
        rated |= dict.fromkeys((self._metrics.protocol_errors.labels(kind) for kind in ErrorKind), "malformed")
        for (_, result, _), counter in self._requests.items():
            rated[counter] = "trusted" if result is TrustResult.TRUSTED else "refused"
        return rated

    def settle(self) -> int:
        """Counts the connections that the slot's last worker held when it died, and returns their number.

        Its counters are still there: the difference of accepted and closed connections at its last `publish`.
        """
        registry = self._metrics.registry
        accepted = registry.get_sample_value("tvs_connections_accepted_total") or 0
        closed = sum(
            registry.get_sample_value("tvs_connections_closed_total", {"outcome": outcome}) or 0 for outcome in OUTCOMES
        )
        lost = round(accepted - closed)
        if lost < 0:  # it died after it had written the closed ones, and before the accepted ones
            self._new[self._metrics.accepted] -= lost
            return 0
        self._new[self._closed["worker_died"]] += lost
        return lost

    def connection_accepted(self) -> None:
        """A TCP connection became a session."""
        self.accepted += 1
        self._new[self._metrics.accepted] += 1

    def rejected(self, reason: str) -> None:
        """A TCP connection was closed before TLS; `reason` is one of `tvs.server.states.REJECTIONS`."""
        self._new[self._rejected[reason]] += 1

    def handed_over(self) -> None:
        """A TCP connection was given to another worker, which counts it."""
        self._new[self._metrics.handed_over] += 1

    def session_began(self) -> None:
        """A session is in its first state."""
        self.open["handshake"] += 1

    def session_moved(self, before: SessionState, after: SessionState) -> None:
        """A session left a state for another. Raises `RuntimeError` if there is no way from the one to the other."""
        if after not in TRANSITIONS[before]:
            raise RuntimeError(f"no way from {before} to {after}")
        self.open[METRIC_STATES[before]] -= 1
        if after is not CLOSED:
            self.open[METRIC_STATES[after]] += 1

    def closed(self, outcome: str, seconds: float) -> None:
        """A session ended after `seconds`."""
        self._new[self._closed[outcome]] += 1
        self._connection_seconds.append(seconds)

    def handshake_done(self, version: str, cipher: str, seconds: float) -> None:
        """A handshake succeeded after `seconds`."""
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
        """A handshake failed: `result` is ``timeout`` or a `TLSFailure`."""
        self._new[self._handshake_failures[result]] += 1

    def handshake_refused(self, offered: OfferedVersion) -> None:
        """A handshake failed because client and service have no version or no suite in common."""
        self._new[self._handshakes_refused[offered]] += 1

    def client_certificate(self, issuer_class: str) -> None:
        """A phone was asked for its certificate; `issuer_class` is one of `tvs.server.metrics.ISSUER_CLASSES`."""
        self._new[self._certificates[issuer_class]] += 1

    def answered(self, kind: MessageType, result: TrustResult, source: Source, seconds: float) -> None:
        """A request was answered in `seconds`."""
        self._new[self._requests[kind, result, source]] += 1
        self._answer_seconds.append(seconds)

    def protocol_error(self, kind: ErrorKind) -> None:
        """A request was malformed."""
        self._new[self._metrics.protocol_errors.labels(kind)] += 1

    def take_rates(self) -> dict[str, int]:
        """The numbers of what `publish` has counted since the last call, by names of `tvs.fleet.batches.COUNTS`."""
        rates, self._rates = self._rates, defaultdict(int)
        return rates

    def publish(self) -> None:
        """Adds the counts since the last call to the metrics, and sets the gauges of open sessions."""
        for counter, number in self._new.items():
            counter.inc(number)
            if (rate := self._rated.get(counter)) is not None:
                self._rates[rate] += number
        self._new.clear()
        for durations, seconds in self._durations:
            durations.observe_all(seconds)
            seconds.clear()
        for state, gauge in self._states.items():
            gauge.set(self.open[state])
