"""Batches: what a worker has seen since the last one, in bytes and back.

A batch is a JSON object. Phones ask about few signers in few ways, so a batch has each question and each kind of TLS
once, and a record has their numbers: a fifth of the processor time and of the bytes.

    counts     numbers since the last batch, in the order of `COUNTS`; whole also when records were dropped
    tls        [version, suite, class of the phone's certificate] …
    questions  [request, subject, serial number, issuer, result, source, role codes] …
    answered   [milliseconds since 1970, number of tls, number of question, address, device, microseconds] …
    failed     [milliseconds since 1970, number of tls, address, reason, version offered] …

Everything in it comes from strangers, and the worker that sends it may have been taken over by one: the reader takes
what has the right shape, cuts what is long, and counts the rest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from proto.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_BATCH: Final = 60 * 1024
"""Bytes of a batch, at most; `tvs.system.funnel` carries a little more."""
MAX_RECORDS: Final = 512
"""Records of a batch, at most. A core completes some 4,500 connections a second, in each tenth of one fewer."""
COUNTS: Final = ("connections", "trusted", "refused", "failed", "malformed", "turned_away", "dropped")
"""Numbers of a batch: accepted connections, trusted and refused requests, failed handshakes, malformed requests,
connections rejected by limits, records that were dropped."""
MAX_NAME: Final = 200
"""Characters of a subject or issuer name that are kept; real ones have some 60 to 150."""
MAX_DEVICE: Final = 64
"""Characters of a device name that are kept; real ones have about 24."""
MAX_WORD: Final = 64
"""Characters of any other text: an address, a suite, a serial number, a reason."""
_MAX_ROLES: Final = 32
_MAX_COUNT: Final = 1_000_000
"""The most that a number of a batch counts: no tenth of a second has more."""
_OLDEST: Final = 60.0
"""Seconds before the present that a record's time is believed: the channel holds no older ones."""
_Value = TypeVar("_Value")


class TLS(NamedTuple):
    """The TLS of a connection.

    Attributes:
        version: as OpenSSL names it: ``TLSv1.2``; empty before the handshake is done.
        cipher: the suite, likewise.
        certificate: class of the phone's own certificate, one of `tvs.server.metrics.ISSUER_CLASSES`; empty if phones
            are not asked for one.
    """

    version: str
    cipher: str
    certificate: str


NO_TLS: Final = TLS("", "", "")


class Question(NamedTuple):
    """A request without its phone, and what phones are told.

    Attributes:
        request: name of its type.
        subject: subject name asked about; empty if the request has none.
        serial: serial number in hex; empty if the certificate is unreadable.
        issuer: issuer name; likewise.
        result: one of `tvs.answers.verifier.TrustResult`.
        source: one of `tvs.answers.verifier.Source`.
        roles: role codes.
    """

    request: str
    subject: str
    serial: str
    issuer: str
    result: str
    source: str
    roles: tuple[int, ...]


class Answered(NamedTuple):
    """A request that was answered.

    Attributes:
        time: seconds since 1970.
        tls: its connection's TLS.
        question: what was asked and told.
        address: the phone's IP address.
        device: the phone's name.
        seconds: from the decoded request to its encoded answer.
    """

    time: float
    tls: TLS
    question: Question
    address: str
    device: str
    seconds: float


class Failed(NamedTuple):
    """A connection that failed, or brought no request.

    Attributes:
        time: seconds since 1970.
        tls: its TLS; `NO_TLS` if the handshake failed.
        address: the client's IP address.
        reason: a `tvs.tls.failures.TLSFailure`, `proto.errors.ErrorKind` or outcome of a session.
        version: the highest version that a client offered who was refused for its versions or suites; else empty.
    """

    time: float
    tls: TLS
    address: str
    reason: str
    version: str


class Batch(NamedTuple):
    """A batch as it was read.

    Attributes:
        counts: the numbers, by the names in `COUNTS`.
        answered, failed: records, in their order.
        unreadable: parts without the right shape, left out.
    """

    counts: dict[str, int]
    answered: list[Answered]
    failed: list[Failed]
    unreadable: int


# -- writing ---------------------------------------------------------------------------------------------------------


class Numbered(dict[_Value, int]):
    """Numbers of values in the order in which they come."""

    def __missing__(self, value: _Value) -> int:
        self[value] = number = len(self)
        return number


_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def encoded(
    counts: Sequence[int], answered: Sequence[Answered], failed: Sequence[Failed]
) -> Iterator[tuple[bytes, int]]:
    """The batches of these records, each of at most `MAX_BATCH` bytes, and their numbers of records.

    Of long texts there are several; the counts are in the first one.
    """
    data, records = _encode(counts, answered, failed), len(answered) + len(failed)
    if len(data) <= MAX_BATCH or records <= 1:
        yield data, records
        return
    zeros, half, half_failed = [0] * len(COUNTS), len(answered) // 2, len(failed) // 2
    yield from encoded(counts, answered[:half], failed[:half_failed])
    yield from encoded(zeros, answered[half:], failed[half_failed:])


def _encode(counts: Sequence[int], answered: Iterable[Answered], failed: Iterable[Failed]) -> bytes:
    ways: Numbered[TLS] = Numbered()
    questions: Numbered[Question] = Numbered()
    requests = [
        (int(time * 1000), ways[tls], questions[question], address, device, int(seconds * 1_000_000))
        for time, tls, question, address, device, seconds in answered
    ]
    failures = [(int(time * 1000), ways[tls], *rest) for time, tls, *rest in failed]
    batch = {
        "counts": counts,
        "tls": list(ways),
        "questions": list(questions),
        "answered": requests,
        "failed": failures,
    }
    return _dumps(batch).encode()


# -- reading ---------------------------------------------------------------------------------------------------------


def decoded(data: bytes, now: float) -> Batch:
    """Reads a batch; of bytes that are none, one with nothing but an unreadable part. Never raises.

    Args:
        data: the bytes.
        now: the current time, seconds since 1970: no record is from the future.
    """
    try:
        document = json.loads(data)
        counts = document["counts"]
        parts = [list(document[name][:MAX_RECORDS]) for name in ("tls", "questions", "answered", "failed")]
        numbers = {name: _whole(counts[place], _MAX_COUNT) for place, name in enumerate(COUNTS)}
    except (ValueError, RecursionError, TypeError, KeyError, IndexError):
        return Batch(dict.fromkeys(COUNTS, 0), [], [], 1)
    ways, questions = [_read(_tls, part) for part in parts[0]], [_read(_question, part) for part in parts[1]]
    answered = [_read(lambda part: _answered(part, ways, questions, now), part) for part in parts[2]]
    failed = [_read(lambda part: _failed(part, ways, now), part) for part in parts[3]]
    return Batch(
        numbers,
        [record for record in answered if record is not None],
        [record for record in failed if record is not None],
        answered.count(None) + failed.count(None),
    )


def _read(kind: Callable[[Any], _Value], part: object) -> _Value | None:
    """A part, None if it has not the right shape."""
    try:
        return kind(part)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _tls(part: Any) -> TLS:
    version, cipher, certificate = part
    return TLS(_text(version), _text(cipher), _text(certificate))


def _question(part: Any) -> Question:
    request, subject, serial, issuer, result, source, roles = part
    return Question(
        _text(request),
        _text(subject, MAX_NAME),
        _text(serial),
        _text(issuer, MAX_NAME),
        _text(result),
        _text(source),
        tuple(_whole(role, 0xFFFF) for role in roles[:_MAX_ROLES]),
    )


def _answered(part: Any, ways: list[TLS | None], questions: list[Question | None], now: float) -> Answered:
    milliseconds, way, question, address, device, microseconds = part
    tls, asked = ways[_whole(way, MAX_RECORDS)], questions[_whole(question, MAX_RECORDS)]
    if tls is None or asked is None:
        raise ValueError("a part that was not readable")
    seconds = _whole(microseconds, 10**9) / 1_000_000
    return Answered(_time(milliseconds, now), tls, asked, _text(address), _text(device, MAX_DEVICE), seconds)


def _failed(part: Any, ways: list[TLS | None], now: float) -> Failed:
    milliseconds, way, address, reason, version = part
    tls = ways[_whole(way, MAX_RECORDS)]
    if tls is None:
        raise ValueError("a part that was not readable")
    return Failed(_time(milliseconds, now), tls, _text(address), _text(reason), _text(version))


def _time(value: object, now: float) -> float:
    return min(now, max(now - _OLDEST, _whole(value, 2**63) / 1000))


def _whole(value: object, most: int) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a number from 0")
    return min(value, most)


def _text(value: object, most: int = MAX_WORD) -> str:
    """A text without control characters, cut."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return printable(value[:most])[:most]
