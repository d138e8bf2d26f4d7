"""Harness of the batches that workers send to the observer, and of what it makes of them."""

from __future__ import annotations

import time

from tests.fuzz.harness import Harness
from tvs.fleet.batches import COUNTS, MAX_BATCH, MAX_DEVICE, MAX_NAME, MAX_SUITES, MAX_WORD, decoded, encoded
from tvs.fleet.tally import Tally
from tvs.status.observed import Observed

MAX_INPUT = 64 * 1024


def one(data: bytes) -> None:
    now = float(int(time.time()))
    batch = decoded(data[:MAX_INPUT], now)
    assert batch.readable or not (batch.answered or batch.failed or any(batch.counts.values()))
    for record in batch.answered:
        texts = (record.address, record.device, *record.tls[:3], *record.question[:6])
        assert all(text.isprintable() for text in texts)
        assert max(map(len, texts)) <= MAX_NAME
        assert len(record.device) <= MAX_DEVICE
        assert len(record.address) <= MAX_WORD
        assert len(record.tls.suites) <= MAX_SUITES
        assert record.tls.suites.isprintable()
    again = [decoded(part, now) for part, _ in encoded([*batch.counts.values()], batch.answered, batch.failed)]
    assert [record[1:5] for part in again for record in part.answered] == [record[1:5] for record in batch.answered]
    assert {name: sum(part.counts[name] for part in again) for name in COUNTS} == batch.counts
    assert all(len(part) <= MAX_BATCH for part, _ in encoded([0] * len(COUNTS), batch.answered, batch.failed))
    tally = Tally(now)
    tally.take(batch, 0, now)
    seen = tally.observed(now)
    assert Observed.from_json(seen.to_json()) == seen


BATCH = Harness(
    name="batch",
    invariant="Any bytes give records with bounded printable texts, which are the same when sent again and published.",
    one=one,
    parsers={"tvs.fleet.batches": 90, "tvs.fleet.tally": 80},
    tokens=(
        b'{"counts":',
        b'"tls":',
        b'"questions":',
        b'"answered":',
        b'"failed":',
        b"[[],[],[],[],[],[]]",
        b'"QUERY_CERT_REQ"',
        b'"trusted"',
        b"\\ud83d\\ude00",
        b"\\udcff",
    ),
)
