"""Batches: what a worker has seen since the last one, in bytes and back.

A batch is a JSON object. Phones ask about few signers in few ways, so a batch has each question and each kind of TLS
once, and records have their numbers; each field of the records is an array of its own. That takes a sixth of the
processor time of one object for each record, and a fifth of the bytes.

    counts     numbers since the last batch, in the order of `COUNTS`; whole also when records were dropped
    tls        [version, suite, class of the phone's certificate, suites that it offered] …
    questions  [request, subject, serial number, issuer, result, source, role codes] …
    answered   [[milliseconds since 1970 …], [number of tls …], [number of question …], [address …], [device …],
               [microseconds …]]
    failed     [[milliseconds since 1970, number of tls, address, reason, version offered] …]

Everything in it comes from strangers, and the worker that sends it may have been taken over by one: the reader takes
only a batch of the right shape, and cuts what is long.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from proto.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_BATCH: Final = 60 * 1024
"""Bytes of a batch, at most; `tvs.system.funnel` carries a little more."""
MAX_ANSWERED: Final = 450
"""Answered requests of a batch, at most: a core completes some 4,400 connections a second, a batch is of a tenth."""
MAX_FAILED: Final = 100
"""Failed connections of a batch, at most: no flood of them leaves answered ones out."""
COUNTS: Final = ("connections", "trusted", "refused", "failed", "malformed", "turned_away", "dropped")
"""Numbers of a batch: accepted connections, trusted and refused requests, failed handshakes, malformed requests,
connections rejected by limits, records that were dropped."""
MAX_NAME: Final = 200
"""Characters of a subject or issuer name that are kept; real ones have some 60 to 150."""
MAX_DEVICE: Final = 64
"""Characters of a device name that are kept; real ones have about 24."""
MAX_WORD: Final = 64
"""Characters of any other text: an address, a suite, a serial number, a reason."""
MAX_SUITES: Final = 320
"""Characters of the suites that are kept: 64 numbers."""
_MAX_ROLES: Final = 32
_MAX_COUNT: Final = 1_000_000
"""The most that a number of a batch counts: no tenth of a second has more."""
_MAX_MICROSECONDS: Final = 10**9
OLDEST: Final = 60.0
"""Seconds before the present that a record's time is believed: the channel holds no older ones."""
_Value = TypeVar("_Value")


class TLS(NamedTuple):
    """The TLS of a connection.

    Attributes:
        version: as OpenSSL names it: ``TLSv1.2``; empty before the handshake is done.
        cipher: the suite, likewise.
        certificate: class of the phone's own certificate, one of `tvs.server.metrics.ISSUER_CLASSES`; empty if phones
            are not asked for one.
        suites: the suites that the phone offered, see `tvs.tls.clienthello.offered_suites`. Its highest version is
            `version`: the service takes all later ones.
    """

    version: str
    cipher: str
    certificate: str
    suites: str = ""


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
        tls: its TLS; of a failed handshake the suites that were offered only.
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
        answered, failed: records, in their order; those about the same question have the same `Question` object.
        readable: whether the bytes were a batch.
    """

    counts: dict[str, int]
    answered: list[Answered]
    failed: list[Failed]
    readable: bool = True


# -- writing ---------------------------------------------------------------------------------------------------------


class Numbered(dict[_Value, int]):
    """Numbers of values in the order in which they come."""

    def __missing__(self, value: _Value) -> int:
        self[value] = number = len(self)
        return number


_dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_new = tuple.__new__
"""Named tuples without their Python constructors."""


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


def _encode(counts: Sequence[int], answered: Sequence[Answered], failed: Sequence[Failed]) -> bytes:
    ways: Numbered[TLS] = Numbered()
    questions: Numbered[Question] = Numbered()
    columns = (
        [int(record[0] * 1000) for record in answered],
        [ways[record[1]] for record in answered],
        [questions[record[2]] for record in answered],
        [record[3] for record in answered],
        [record[4] for record in answered],
        [int(record[5] * 1_000_000) for record in answered],
    )
    failures = [(int(time * 1000), ways[tls], *rest) for time, tls, *rest in failed]
    batch = {"counts": counts, "tls": list(ways), "questions": list(questions), "answered": columns, "failed": failures}
    return _dumps(batch).encode()


# -- reading ---------------------------------------------------------------------------------------------------------


def decoded(data: bytes, now: float) -> Batch:
    """Reads a batch; bytes that are none give an empty one that is not `readable`. Never raises.

    Args:
        data: the bytes.
        now: the current time, seconds since 1970: no record is from the future.
    """
    try:
        document = json.loads(data)
        counts = dict(zip(COUNTS, _wholes(document["counts"], len(COUNTS), _MAX_COUNT), strict=True))
        ways = [_tls(*part) for part in _at_most(document["tls"], MAX_ANSWERED + MAX_FAILED)]
        questions = [_question(*part) for part in _at_most(document["questions"], MAX_ANSWERED)]
        answered = _answered(ways, questions, now, *document["answered"])
        failed = [_failed(ways, now, *part) for part in _at_most(document["failed"], MAX_FAILED)]
    except (ValueError, RecursionError, TypeError, KeyError, IndexError):
        return Batch(dict.fromkeys(COUNTS, 0), [], [], readable=False)
    return Batch(counts, answered, failed)


def _answered(ways: list[TLS], questions: list[Question], now: float, *columns: Any) -> list[Answered]:
    times, kinds, asked, addresses, devices, microseconds = columns
    number = len(_at_most(times, MAX_ANSWERED))
    records = zip(
        [_time(time, now) for time in _wholes(times, number)],
        map(ways.__getitem__, _wholes(kinds, number)),
        map(questions.__getitem__, _wholes(asked, number)),
        _texts(addresses, number, MAX_WORD),
        _texts(devices, number, MAX_DEVICE),
        [value / 1_000_000 for value in _wholes(microseconds, number, _MAX_MICROSECONDS)],
        strict=True,
    )
    return [_new(Answered, record) for record in records]


def _failed(ways: list[TLS], now: float, *parts: Any) -> Failed:
    milliseconds, way, address, reason, version = parts
    time, number = _wholes([milliseconds, way], 2)
    return Failed(_time(time, now), ways[number], *_texts([address, reason, version], 3, MAX_WORD))


def _tls(*parts: Any) -> TLS:
    *words, suites = parts
    return TLS(*_texts(words, 3, MAX_WORD), *_texts([suites], 1, MAX_SUITES))


def _question(*parts: Any) -> Question:
    request, subject, serial, issuer, result, source, roles = parts
    request, serial, result, source = _texts([request, serial, result, source], 4, MAX_WORD)
    subject, issuer = _texts([subject, issuer], 2, MAX_NAME)
    codes = _wholes(roles, len(_at_most(roles, _MAX_ROLES)), 0xFFFF)
    return Question(request, subject, serial, issuer, result, source, tuple(codes))


def _time(milliseconds: int, now: float) -> float:
    return min(now, max(now - OLDEST, milliseconds / 1000))


def _at_most(values: Any, most: int) -> list[Any]:
    """The list, if it is one and not longer. Raises `TypeError` and `ValueError`."""
    if type(values) is not list:
        raise TypeError("not a list")
    if len(values) > most:
        raise ValueError(f"{len(values)} are more than {most}")
    return values


def _wholes(values: Any, number: int, most: int = 2**63) -> list[int]:
    """So many numbers from 0, cut to `most`. Raises `TypeError` and `ValueError`."""
    if (
        type(values) is not list
        or len(values) != number
        or not set(map(type, values)) <= {int}
        or min(values, default=0) < 0
    ):
        raise ValueError("not whole numbers")
    return values if max(values, default=0) <= most else [min(value, most) for value in values]


def _texts(values: Any, number: int, most: int) -> list[str]:
    """So many texts without control characters, cut. Raises `TypeError` and `ValueError`."""
    if type(values) is not list or len(values) != number or not set(map(type, values)) <= {str}:
        raise ValueError("not texts")
    if all(map(str.isprintable, values)) and max(map(len, values), default=0) <= most:
        return values
    return [printable(value[:most])[:most] for value in values]
