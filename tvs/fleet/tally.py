"""Sums of what the workers have seen: last queries, signers, failures, rates. Bounded, whatever strangers send."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import count, repeat
from typing import TYPE_CHECKING, Final

from tvs.fleet.batches import COUNTS
from tvs.status.observed import (
    INTERVAL,
    MAX_FAILURES,
    MAX_INTERVALS,
    MAX_QUERIES,
    MAX_SIGNERS,
    Interval,
    Observed,
    SeenFailure,
    SeenQuery,
    SeenSigner,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tvs.fleet.batches import Answered, Batch, Failed

    _Numbered = tuple[int, int, Answered]
    """Number of the query, the worker's slot, the record."""

TRUSTED: Final = "trusted"
"""The result of a request whose certificate is trusted; phones are refused with all others."""
_LATENCIES: Final = 1000
"""Last answers whose times are kept."""
_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
_RATES: Final = tuple(name for name in COUNTS if name != "dropped")
_OTHER: Final = ("other", "")
"""Reason and version of failures beyond `MAX_FAILURES` kinds."""


class Tally:
    """Sums since the observer's start. Times are seconds since 1970.

    Args:
        now: the current time.
    """

    def __init__(self, now: float) -> None:
        self._since = now
        self._number = 0
        self._queries: deque[_Numbered] = deque(maxlen=MAX_QUERIES)
        self._refused: deque[_Numbered] = deque(maxlen=MAX_QUERIES)
        self._seconds: deque[float] = deque(maxlen=_LATENCIES)
        self._signers: dict[tuple[str, str], _Signer] = {}  # the least recently asked about first
        self._failures: dict[tuple[str, str], SeenFailure] = {}
        self._intervals: dict[int, dict[str, int]] = {}
        self._dropped = self._unreadable = self._forgotten = 0

    def take(self, batch: Batch, worker: int, now: float) -> None:
        """Adds a batch of the worker in a slot up."""
        self._take_answered(batch.answered, worker)
        for failure in batch.failed:
            self._take_failed(failure)
        self._dropped += batch.counts["dropped"]
        self._unreadable += not batch.readable
        numbers = self._intervals.setdefault(_interval(now), dict.fromkeys(_RATES, 0))
        for name in _RATES:
            numbers[name] += batch.counts[name]
        if len(self._intervals) > 2 * MAX_INTERVALS:
            self._intervals = {time: self._intervals[time] for time in _last_intervals(now) if time in self._intervals}

    def _take_answered(self, records: list[Answered], worker: int) -> None:
        numbered = list(zip(count(self._number + 1), repeat(worker), records))
        self._number += len(records)
        self._queries.extend(numbered)
        self._refused.extend(query for query in numbered if query[2].question.result != TRUSTED)
        self._seconds.extend(record.seconds for record in records)
        asked: dict[int, list[Answered]] = {}  # by question: those that are the same are one object
        for record in records:
            asked.setdefault(id(record.question), []).append(record)
        for same in asked.values():
            if same[0].question.serial:
                self._take_signer(same)

    def _take_signer(self, records: list[Answered]) -> None:
        question = records[0].question
        key = (question.issuer, question.serial)
        signer = self._signers.pop(key, None) or _Signer(first=records[0].time)
        self._signers[key] = signer
        signer.add(records)
        if len(self._signers) > MAX_SIGNERS:
            del self._signers[next(iter(self._signers))]
            self._forgotten += 1

    def _take_failed(self, failure: Failed) -> None:
        key = (failure.reason, failure.version or failure.tls.version)
        if key not in self._failures and len(self._failures) >= MAX_FAILURES - 1:
            key = _OTHER
        known = self._failures.pop(key, None)
        if known is None:
            reason, version = key
            known = SeenFailure(
                reason=reason, version=version, count=0, first=failure.time, last=failure.time, address=failure.address
            )
        self._failures[key] = replace(known, count=known.count + 1, last=failure.time, address=failure.address)

    def observed(self, now: float) -> Observed:
        """All sums."""
        return Observed(
            since=self._since,
            time=now,
            queries=tuple(map(_query, reversed(self._queries))),
            refused=tuple(map(_query, reversed(self._refused))),
            signers=tuple(signer.seen() for signer in reversed(self._signers.values())),
            failures=tuple(reversed(self._failures.values())),
            intervals=tuple(self._rates(now)),
            latency=_quantiles(self._seconds),
            dropped=self._dropped,
            unreadable=self._unreadable,
            forgotten=self._forgotten,
        )

    def _rates(self, now: float) -> Iterable[Interval]:
        """The intervals since the observer's start that are shown, those without any number too."""
        zeros = dict.fromkeys(_RATES, 0)
        for time in _last_intervals(now):
            if time >= _interval(self._since):
                yield Interval(time=time, **self._intervals.get(time, zeros))


@dataclass(slots=True)
class _Signer:
    """A signer while its requests are counted."""

    first: float
    count: int = 0
    refused: int = 0
    subject: str = ""
    record: Answered | None = None

    def add(self, records: list[Answered]) -> None:
        """Counts requests about the same question."""
        question = records[0].question
        self.count += len(records)
        self.refused += len(records) if question.result != TRUSTED else 0
        self.subject = question.subject or self.subject
        if self.record is None or records[-1].time >= self.record.time:
            self.record = records[-1]

    def seen(self) -> SeenSigner:
        """The signer as it is published."""
        if self.record is None:
            raise RuntimeError("a signer that nobody asked about")
        asked = self.record.question
        return SeenSigner(
            issuer=asked.issuer,
            serial=asked.serial,
            subject=self.subject,
            trusted=asked.result == TRUSTED,
            result=asked.result,
            count=self.count,
            refused=self.refused,
            first=self.first,
            last=self.record.time,
            device=self.record.device,
            address=self.record.address,
        )


def _query(numbered: _Numbered) -> SeenQuery:
    """A query as it is published."""
    number, worker, record = numbered
    tls, asked = record.tls, record.question
    return SeenQuery(
        number=number,
        time=record.time,
        device=record.device,
        address=record.address,
        tls=tls.version,
        cipher=tls.cipher,
        certificate=tls.certificate,
        request=asked.request,
        subject=asked.subject,
        issuer=asked.issuer,
        serial=asked.serial,
        result=asked.result,
        source=asked.source,
        roles=asked.roles,
        microseconds=round(record.seconds * 1_000_000),
        worker=worker,
    )


def _interval(now: float) -> int:
    """Beginning of the interval in which `now` is."""
    return int(now) // INTERVAL * INTERVAL


def _last_intervals(now: float) -> range:
    """Beginnings of the intervals that are shown, the present one last."""
    last = _interval(now)
    return range(last - (MAX_INTERVALS - 1) * INTERVAL, last + 1, INTERVAL)


def _quantiles(seconds: deque[float]) -> dict[str, float]:
    """Quantiles of the durations; empty without any."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    return {name: ordered[min(len(ordered) - 1, int(part * len(ordered)))] for name, part in _QUANTILES.items()}
