"""Batches between worker and observer: bytes and back, whatever a worker or a stranger puts into them."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.fixtures.observed import answered, failed
from tvs.fleet.batches import (
    COUNTS,
    MAX_ANSWERED,
    MAX_BATCH,
    MAX_DEVICE,
    MAX_FAILED,
    MAX_NAME,
    NO_TLS,
    TLS,
    decoded,
    encoded,
)

NOW = 1_700_000_000.5
NUMBERS = [3, 2, 1, 0, 0, 7, 0]


def document(**parts: Any) -> bytes:
    """A batch as a worker could write it, with these parts in the place of empty ones."""
    empty: dict[str, Any] = {"counts": NUMBERS, "tls": [], "questions": [], "answered": [[]] * 6, "failed": []}
    return json.dumps(empty | parts).encode()


def test_what_goes_in_comes_out() -> None:
    """Records, counts, texts of any letters: all are the same on the other side, times to the millisecond."""
    tls = TLS("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384", "manufacturing", " ".join(["C030"] * 64))
    requests = [
        answered(time=NOW - 0.125, device="CP-8861-SEP00112233AABB", subject="CN=Müller;O=北京", tls=tls),
        answered(time=NOW - 0.25, device='"\\<b>', result="not_found", roles=(), tls=NO_TLS),
    ]
    failures = [failed(time=NOW, reason="unsupported_version", version="TLSv1", tls=TLS("", "", "", "0035"))]
    ((data, number),) = encoded(NUMBERS, requests, failures)
    batch = decoded(data, NOW)
    assert (batch.answered, batch.failed, number) == (requests, failures, 3)
    assert (batch.counts, batch.readable) == (dict(zip(COUNTS, NUMBERS, strict=True)), True)


def test_one_question_of_many_phones_is_sent_once() -> None:
    """A batch grows by what differs from phone to phone, not by names that all of them send."""
    subject = "CN=" + "s" * 150
    one, many = (
        len(next(encoded(NUMBERS, [answered(subject=subject, device=f"SEP{n:012X}") for n in range(number)], []))[0])
        for number in (1, 100)
    )
    assert (many - one) / 99 < len(subject)


def test_long_texts_are_sent_in_several_batches() -> None:
    """No batch is larger than the limit; all records arrive in their order, and the counts once."""
    long = [answered(device=f"d{number}", subject="\U0001f600" * 2000, issuer=f"{number}") for number in range(40)]
    batches = list(encoded(NUMBERS, long, [failed()] * 3))
    assert len(batches) > 1
    assert max(len(data) for data, _ in batches) <= MAX_BATCH
    read = [decoded(data, NOW) for data, _ in batches]
    assert [record.device for batch in read for record in batch.answered] == [record.device for record in long]
    assert [len(batch.answered) + len(batch.failed) for batch in read] == [number for _, number in batches]
    assert [batch.counts["connections"] for batch in read] == [3, *[0] * (len(read) - 1)]


def test_texts_are_cut_and_lose_their_control_characters() -> None:
    """What is kept of a text is short and prints on one line; bytes that were not UTF-8 are escaped."""
    record = answered(time=NOW, device="SEP\x1b[31m\udcff" + "x" * 100, subject="y" * 1000, issuer="z" * 1000)
    batch = decoded(next(encoded(NUMBERS, [record], []))[0], NOW)
    (read,) = batch.answered
    assert read.device.startswith("SEP\\x1b[31m\\xff")
    assert (len(read.device), len(read.question.subject), len(read.question.issuer)) == (MAX_DEVICE, MAX_NAME, MAX_NAME)


@pytest.mark.parametrize("claimed", [0, 10**18])
def test_times_are_near_the_present(claimed: int) -> None:
    """A worker's clock, or a worker that lies, moves no record out of the last minute."""
    data = document(tls=[["", "", "", ""]], answered=[[]] * 6, failed=[[claimed, 0, "192.0.2.1", "closed", ""]])
    (record,) = decoded(data, NOW).failed
    assert NOW - 60 <= record.time <= NOW


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"null",
        b"[" * 100_000,
        b'{"counts": [1]}',
        document(counts=[1, 2, 3]),
        document(counts=[-1] * 7),
        document(counts=["1"] * 7),
        document(counts=[True] * 7),
        document(counts={}),
        document(answered=None),
        document(answered=[[]] * 5),
        document(answered={}),
        document(tls=[["", "", "", ""]] * 1000),
        document(tls=[["", "", ""]]),
        document(questions=[["QUERY_CERT_REQ", "", "", "", "", "", [0] * 99]]),
        document(failed=[[0, 0, "a", "closed", ""]]),
        document(tls=5),
        document().replace(b"[3,", b"[" + b"9" * 5000 + b","),
    ],
)
def test_bytes_that_are_no_batch(data: bytes) -> None:
    """They are an empty batch that says so."""
    batch = decoded(data, NOW)
    assert (batch.answered, batch.failed, batch.readable) == ([], [], False)
    assert not any(batch.counts.values())


GOOD = [[1, 2], [0, 0], [0, 0], ["192.0.2.7", "192.0.2.8"], ["SEP1", "SEP2"], [30, 31]]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (0, [1]),
        (0, [1, 2, 3]),
        (0, [1, 0.5]),
        (0, [1, True]),
        (0, [1, -1]),
        (0, None),
        (1, [0, 1]),
        (1, [0, 2**64]),
        (2, [0, 1]),
        (3, ["a", None]),
        (4, ["d", ["d"]]),
        (4, {"0": "d", "1": "d"}),
        (5, [1, 1.5]),
        (5, "12"),
    ],
)
def test_column_of_another_shape(column: int, values: Any) -> None:
    """A batch with a column that does not fit the others is not read; one whose columns fit is."""
    parts: dict[str, Any] = {
        "tls": [["", "", "", ""]],
        "questions": [["QUERY_CERT_REQ", "CN=s", "01", "CN=i", "trusted", "db", [0]]],
    }
    good = decoded(document(**parts, answered=GOOD), NOW)
    assert [record.address for record in good.answered] == GOOD[3]
    columns = [values if place == column else known for place, known in enumerate(GOOD)]
    batch = decoded(document(**parts, answered=columns), NOW)
    assert (batch.answered, batch.readable) == ([], False)


def test_more_records_than_a_worker_keeps() -> None:
    """A batch with more records than a worker may send is not read; numbers are bounded."""
    failures = [[0, 0, "a", "closed", ""]] * MAX_FAILED
    parts = {"counts": [10**15] * 7, "tls": [["", "", "", ""]]}
    batch = decoded(document(**parts, answered=[[]] * 6, failed=failures), NOW)
    assert (len(batch.failed), set(batch.counts.values())) == (MAX_FAILED, {1_000_000})
    assert not decoded(document(**parts, answered=[[]] * 6, failed=failures + failures[:1]), NOW).readable
    many = [[0] * (MAX_ANSWERED + 1)] * 3 + [["a"] * (MAX_ANSWERED + 1)] * 2 + [[0] * (MAX_ANSWERED + 1)]
    assert not decoded(document(**parts, answered=many), NOW).readable


def test_altered_batches() -> None:
    """However bytes of a batch are altered, reading raises nothing, and what is read has its bounds."""
    chance = random.Random(13)
    good = next(encoded(NUMBERS, [answered(device="SEP1")] * 3, [failed()]))[0]
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 8)):
            data[chance.randrange(len(data))] = chance.choice(b'[]{}",:0179-e\\u\x00\xff')
        batch = decoded(bytes(data), NOW)
        assert len(batch.answered) <= 3
        assert all(record.device.isprintable() and len(record.device) <= MAX_DEVICE for record in batch.answered)
