"""What was seen of phones lately, as typed values, and their JSON forms for the board.

The observer process makes an `Observed` of what the workers send it; the admin process reads it. Texts come from
strangers: they hold no control characters, and their lengths are bounded, so the whole fits on the observer's board.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self

from tvs.status.members import StatusError, member

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_QUERIES: Final = 200
"""Last queries that are kept, and last refused ones."""
MAX_SIGNERS: Final = 256
"""Signers that are kept; the one that was asked for least recently makes room."""
MAX_FAILURES: Final = 64
"""Kinds of failed connections: reasons and versions are closed sets of about so many."""
MAX_INTERVALS: Final = 180
"""Intervals of rates: the last 30 minutes."""
INTERVAL: Final = 10
"""Seconds of an interval."""
MAX_TEXT: Final = 200
"""Characters of a text."""
_LARGEST: Final = 2**63 - 1


def _text(document: object, key: str) -> str:
    value: str = member(document, key, str)
    if len(value) > MAX_TEXT or not value.isprintable():
        raise StatusError(f"{key} is not at most {MAX_TEXT} printable characters")
    return value


def _roles(document: object, key: str) -> tuple[int, ...]:
    roles = member(document, key, list)
    if not all(type(role) is int and 0 <= role <= _LARGEST for role in roles):
        raise StatusError(f"{key} are not role codes")
    return tuple(roles)


_READERS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "str": _text,
    "int": lambda document, key: member(document, key, int),
    "float": lambda document, key: float(member(document, key, float, int)),
    "bool": lambda document, key: member(document, key, bool),
    "tuple[int, ...]": _roles,
}
"""Readers of members, by the types of fields as they are written."""


class _Row:
    """A value whose JSON form is an object with its fields."""

    __slots__ = ()

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        values = [(name, getattr(self, name)) for name, _ in _fields(type(self))]  # type: ignore[arg-type] # a class has a hash
        return {name: list(value) if type(value) is tuple else value for name, value in values}

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form. Raises `StatusError`."""
        return cls(**{name: read(document, name) for name, read in _fields(cls)})  # type: ignore[arg-type] # a class has a hash


@cache
def _fields(kind: type[_Row]) -> tuple[tuple[str, Callable[[object, str], Any]], ...]:
    """Names of the fields of a kind of row, with the readers of their values."""
    return tuple((field.name, _READERS[str(field.type)]) for field in fields(kind))  # type: ignore[arg-type] # a dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenQuery(_Row):
    """A query of a phone and its answer.

    Attributes:
        number: its number since the observer's start, from 1.
        time: seconds since 1970.
        device: the phone's name; empty if it did not say one.
        address: its IP address.
        tls: version of TLS, as OpenSSL names it.
        cipher: cipher suite, likewise.
        certificate: class of the phone's own certificate: ``none``, ``manufacturing``, ``self_signed``, ``other``,
            ``unreadable``; empty if phones are not asked for one.
        request: type of the request.
        subject: subject name asked about; empty in a verification.
        issuer: issuer name asked about.
        serial: serial number asked about, hex.
        result: a `tvs.answers.verifier.TrustResult`.
        source: a `tvs.answers.verifier.Source`.
        roles: role codes of the answer.
        microseconds: from the decoded request to its encoded answer.
        worker: slot of the worker that answered.
    """

    number: int
    time: float
    device: str
    address: str
    tls: str
    cipher: str
    certificate: str
    request: str
    subject: str
    issuer: str
    serial: str
    result: str
    source: str
    roles: tuple[int, ...]
    microseconds: int
    worker: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSigner(_Row):
    """A certificate that phones asked about: the signer of a file, or a peer's.

    Attributes:
        issuer: its issuer name.
        serial: its serial number, hex.
        subject: its subject name as the last phone sent it.
        trusted: whether the last phone was told that it is trusted.
        result: what the last phone was told.
        count: requests.
        refused: requests that were not answered with ``trusted``.
        first: time of the first request, seconds since 1970.
        last: time of the last one.
        device: name of the last phone.
        address: its IP address.
    """

    issuer: str
    serial: str
    subject: str
    trusted: bool
    result: str
    count: int
    refused: int
    first: float
    last: float
    device: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFailure(_Row):
    """Connections that failed in the same way.

    Attributes:
        reason: why: a reason of `tvs_tls_handshakes_total`, a kind of `tvs_protocol_errors_total`, or an outcome of
            `tvs_connections_closed_total`.
        version: version of TLS: the highest one offered if there was none in common, the one in use after the
            handshake, else empty.
        count: their number.
        first: time of the first one, seconds since 1970.
        last: time of the last one.
        address: IP address of the last client.
    """

    reason: str
    version: str
    count: int
    first: float
    last: float
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval(_Row):
    """Numbers of ten seconds.

    Attributes:
        time: its beginning, seconds since 1970.
        connections: accepted connections.
        trusted: requests answered with ``trusted``.
        refused: requests answered otherwise.
        failed: failed handshakes.
        malformed: malformed requests.
        turned_away: connections that were closed before TLS, at a limit.
    """

    time: int
    connections: int
    trusted: int
    refused: int
    failed: int
    malformed: int
    turned_away: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the observer has seen. Without arguments: before its first publication.

    Attributes:
        since: when the observer began, seconds since 1970; 0 before.
        time: when it published this.
        queries: the last requests, the last one first.
        refused: those of them that were not answered with ``trusted``, likewise: they are kept longer.
        signers: what was asked about, the last one first.
        failures: failed connections by reason and version, the last one first.
        intervals: numbers of the last 30 minutes at most, the present interval last, none left out.
        latency: seconds of the last 1,000 answers by quantile: ``p50``, ``p95``, ``p99``, ``max``; empty without any.
        dropped: records that workers had to drop.
        unreadable: batches without the right shape.
        forgotten: signers that made room for others.
    """

    since: float = 0.0
    time: float = 0.0
    queries: tuple[SeenQuery, ...] = ()
    refused: tuple[SeenQuery, ...] = ()
    signers: tuple[SeenSigner, ...] = ()
    failures: tuple[SeenFailure, ...] = ()
    intervals: tuple[Interval, ...] = ()
    latency: Mapping[str, float] | None = None
    dropped: int = 0
    unreadable: int = 0
    forgotten: int = 0

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "since": self.since,
            "time": self.time,
            **{name: [row.to_json() for row in getattr(self, name)] for name in _ROWS},
            "latency": dict(self.latency or {}),
            "dropped": self.dropped,
            "unreadable": self.unreadable,
            "forgotten": self.forgotten,
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Reads the JSON form; an empty object is an observer that has not published yet. Raises `StatusError`."""
        if document == {}:
            return cls()
        latency = member(document, "latency", dict)
        return cls(
            since=float(member(document, "since", float, int)),
            time=float(member(document, "time", float, int)),
            **{name: _rows(kind, member(document, name, list), most) for name, (kind, most) in _ROWS.items()},
            latency={quantile: float(member(latency, quantile, float, int)) for quantile in list(latency)[:8]},
            dropped=member(document, "dropped", int),
            unreadable=member(document, "unreadable", int),
            forgotten=member(document, "forgotten", int),
        )


_ROWS: Final[Mapping[str, tuple[type[_Row], int]]] = {
    "queries": (SeenQuery, MAX_QUERIES),
    "refused": (SeenQuery, MAX_QUERIES),
    "signers": (SeenSigner, MAX_SIGNERS),
    "failures": (SeenFailure, MAX_FAILURES),
    "intervals": (Interval, MAX_INTERVALS),
}
"""Kinds of the rows, and how many there are at most."""


def _rows(kind: type[_Row], documents: list[object], most: int) -> tuple[Any, ...]:
    if len(documents) > most:
        raise StatusError(f"{len(documents)} rows are more than {most}")
    return tuple(map(kind.from_json, documents))
