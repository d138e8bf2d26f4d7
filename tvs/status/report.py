"""The report of `/status.json`: what there is to know of a service, as typed values, with a promise of its shape.

docs/status.md documents each field. Within a version, fields are added and never removed or given another meaning.
Times are seconds since 1970, durations seconds. Texts hold no control characters; those of phones can hold anything
else, markup too: a view escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tvs.status.observed import INTERVAL, Interval

if TYPE_CHECKING:
    from tvs.status.fleet import FleetStatus
    from tvs.status.observed import Observed

VERSION: Final = 1
"""Version of the shape."""
STATUS_PATH: Final = "/status.json"
"""Path of the report on the admin port."""


class VerdictState(StrEnum):
    """How phones fare."""

    ANSWERED = "answered"
    """All phones are answered."""
    LIMITED = "limited"
    """Phones are answered, but something is not as it should be, or some of them are refused."""
    TURNED_AWAY = "turned_away"
    """Phones are turned away, or refuse the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A reason of a verdict.

    Attributes:
        code: its name, which stays the same.
        state: the verdict that it alone gives.
        sentence: what is so, without a full stop; it goes on from the verdict's first words.
        advice: what to do.
        since: since when, seconds since 1970; None if that is not known.
    """

    code: str
    state: VerdictState
    sentence: str
    advice: str
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The first line of a status page.

    Attributes:
        state: how phones fare.
        sentence: the same in words, with the worst finding.
        since: since when it is so, seconds since 1970.
        findings: all reasons, the worst first; empty if all phones are answered.
    """

    state: VerdictState
    sentence: str
    since: float
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReport:
    """A trust list in the state directory, as `tvs show ctl` gives it.

    Attributes:
        name: name of the file.
        found: whether there is one.
        verified: whether it is complete and its signature verifies.
        reason: why not: ``missing``, ``unreadable`` or a `ctlcache.verification.Reason`; ``good`` if it verifies.
        signer: subject name of its signer; empty if it cannot be read.
        issuer: issuer name of the signer's certificate.
        serial: its serial number, hex.
        digest: digest of its signature, as ``SHA512``.
        records: number of its records.
        sha1: SHA-1 of the file, hex.
        modified: when the file was written; None without one.
        signer_not_after: end of validity of the signer's certificate; None if it is not known.
        signer_trusted: whether phones are told that the signer is trusted to sign lists; None if it is not known.
    """

    name: str
    found: bool
    verified: bool
    reason: str
    signer: str = ""
    issuer: str = ""
    serial: str = ""
    digest: str = ""
    records: int = 0
    sha1: str = ""
    modified: float | None = None
    signer_not_after: float | None = None
    signer_trusted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """An own certificate of the cluster, as the database has it.

    Attributes:
        unit: its unit.
        name: its name in the unit.
        node: its node; empty for this one.
        subject: its subject name.
        sha256: its fingerprint, hex.
        not_after: its end of validity.
        days_left: whole days until then; negative if it has passed.
        presented: whether it is the one that phones are presented; None for those that this service never presents.
    """

    unit: str
    name: str
    node: str
    subject: str
    sha256: str
    not_after: float
    days_left: int
    presented: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """The certificate that phones are presented.

    Attributes:
        sha256: its fingerprint, hex; empty before the service has started, and while not all workers present the same.
        not_after: its end of validity; None before.
        in_database: whether the database has it as this node's TVS certificate; None if that cannot be read.
        in_itl: whether a TVS record of the ITL file has it; None without an ITL file that verifies.
        in_cluster: whether its node is one of the cluster; False if that was deleted; None if that cannot be read.
    """

    sha256: str = ""
    not_after: float | None = None
    in_database: bool | None = None
    in_itl: bool | None = None
    in_cluster: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the workers have counted since the service was started, as in the metrics; only what is not 0.

    Attributes:
        handshakes: completed handshakes by version and suite: ``{"version", "cipher", "count"}``.
        failures: failed handshakes by reason.
        refused_versions: those refused for the client's versions or suites, by the highest version it offered.
        requests: answered requests: ``{"type", "result", "source", "count"}``.
        malformed: malformed requests by kind.
        closed: ended connections by outcome.
        rejected: connections closed before TLS by limit.
        latency: quantiles in seconds by phase, ``handshake`` and ``connection``, estimated from histograms.
    """

    handshakes: tuple[Mapping[str, object], ...] = ()
    failures: Mapping[str, int]
    refused_versions: Mapping[str, int]
    requests: tuple[Mapping[str, object], ...] = ()
    malformed: Mapping[str, int]
    closed: Mapping[str, int]
    rejected: Mapping[str, int]
    latency: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Everything in `/status.json`.

    Attributes:
        time: when the report was made.
        release: version of the program.
        verdict: how phones fare.
        service: state of the service, its reloads, restarts and limits.
        caches: the caches of all workers in one.
        lists: the CTL and the ITL file.
        presented: the certificate that phones are presented.
        certificates: own certificates of the cluster.
        cluster: what this node serves, and the nodes of the cluster as it sees them.
        workers: the worker slots.
        trace: what is logged at another level than the settings', of whom, and until when.
        counted: what the workers have counted.
        observed: what the observer has seen.
        fleet: the record of phones.
        observing: whether there is an observer that publishes.
    """

    time: float
    release: str
    verdict: Verdict
    service: Mapping[str, object]
    caches: Mapping[str, object]
    lists: tuple[ListReport, ...]
    presented: Presented
    certificates: tuple[OwnCertificate, ...]
    cluster: Mapping[str, object]
    workers: tuple[Mapping[str, object], ...]
    trace: Mapping[str, object]
    counted: Counted
    observed: Observed
    fleet: FleetStatus
    observing: bool

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        seen = self.observed
        return {
            "version": VERSION,
            "time": self.time,
            "release": self.release,
            "verdict": plain(self.verdict),
            "service": dict(self.service),
            "caches": dict(self.caches),
            "lists": plain(self.lists),
            "presented": plain(self.presented),
            "certificates": plain(self.certificates),
            "cluster": plain(self.cluster),
            "workers": plain(self.workers),
            "trace": plain(self.trace),
            **plain(self.counted),
            "latency": {**self.counted.latency, "answer": dict(seen.latency or {})},
            "observer": {
                "running": self.observing,
                "since": seen.since or None,
                "dropped": seen.dropped,
                "unreadable": seen.unreadable,
                "signers_forgotten": seen.forgotten,
            },
            "fleet": plain(self.fleet),
            "queries": plain(seen.queries),
            "refused": plain(seen.refused),
            "signers": plain(seen.signers),
            "failed_connections": plain(seen.failures),
            "rates": rates(seen),
        }


def rates(seen: Observed) -> dict[str, object]:
    """The intervals as a list for each number: ``begin`` of the first one, ``interval`` seconds of each."""
    names = [field.name for field in fields(Interval) if field.name != "time"]
    return {
        "begin": seen.intervals[0].time if seen.intervals else None,
        "interval": INTERVAL,
        **{name: [getattr(interval, name) for interval in seen.intervals] for name in names},
    }


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """Names of the fields of a dataclass."""
    return tuple(field.name for field in fields(kind))


def plain(value: Any) -> Any:
    """The value as JSON has it: objects for dataclasses and mappings, arrays for tuples."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in _names(type(value))}  # type: ignore[arg-type] # a class has a hash
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return value
