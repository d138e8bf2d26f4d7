"""Sums of what was seen: last queries, signers, failures, rates, and their bounds."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.observed import answered, batch, failed
from tvs.fleet.tally import Tally
from tvs.process.observer import BOARD_SIZE
from tvs.status.observed import MAX_FAILURES, MAX_INTERVALS, MAX_QUERIES, MAX_SIGNERS, Observed
from tvs.system.board import Board

NOW = 1_700_000_003.0


@pytest.fixture
def tally() -> Tally:
    """Nothing seen yet."""
    return Tally(NOW)


def test_last_queries(tally: Tally) -> None:
    """The last ones are kept, the last first, with their numbers and all that they asked and were told."""
    tally.take(batch(*(answered(device=f"SEP{number}") for number in range(MAX_QUERIES + 5))), 3, NOW)
    seen = tally.observed(NOW).queries
    assert [query.number for query in seen] == list(range(MAX_QUERIES + 5, 5, -1))
    last = seen[0]
    assert (last.device, last.address, last.tls, last.certificate) == ("SEP204", "192.0.2.10", "TLSv1.2", "none")
    assert (last.subject, last.issuer, last.serial, last.result) == ("CN=signer", "CN=issuer", "0A", "trusted")
    assert (last.source, last.roles, last.microseconds, last.worker) == ("db", (0,), 50, 3)


def test_refused_queries_outlast_trusted_ones(tally: Tally) -> None:
    """A refused query is still there after a thousand trusted ones."""
    tally.take(batch(answered(device="SEPBAD", result="not_found")), 0, NOW)
    tally.take(batch(*[answered()] * 1000), 0, NOW)
    seen = tally.observed(NOW)
    assert [(query.device, query.result) for query in seen.refused] == [("SEPBAD", "not_found")]
    assert "SEPBAD" not in [query.device for query in seen.queries]


def test_signers(tally: Tally) -> None:
    """A signer has its count, its refusals, its first and last time, and the last phone with its answer."""
    tally.take(batch(answered(time=NOW, device="SEP1", result="not_found")), 0, NOW)
    tally.take(batch(answered(time=NOW + 1, serial="0B")), 0, NOW)
    tally.take(batch(answered(time=NOW + 5, device="SEP2", subject="")), 0, NOW)
    first, second = tally.observed(NOW).signers
    assert (first.serial, first.count, first.refused, first.trusted) == ("0A", 2, 1, True)
    assert (first.first, first.last, first.device, first.subject) == (NOW, NOW + 5, "SEP2", "CN=signer")
    assert (second.serial, second.count, second.refused) == ("0B", 1, 0)


def test_signers_make_room(tally: Tally) -> None:
    """A flood of signers pushes out those that were asked about least recently, and they are counted."""
    for number in range(MAX_SIGNERS + 10):
        tally.take(batch(answered(serial="AA"), answered(serial=f"{number:X}")), 0, NOW)
    seen = tally.observed(NOW)
    assert len(seen.signers) == MAX_SIGNERS
    assert "AA" in {signer.serial for signer in seen.signers}
    assert seen.forgotten == 10  # AA is one of the numbers too


def test_certificates_that_cannot_be_read_are_no_signers(tally: Tally) -> None:
    """A request without a serial number is a query, and no signer."""
    tally.take(batch(answered(serial="", issuer="", result="unreadable")), 0, NOW)
    assert (len(tally.observed(NOW).queries), tally.observed(NOW).signers) == (1, ())


def test_failures(tally: Tally) -> None:
    """Failed connections are counted by reason and version; kinds without number are one."""
    tally.take(batch(failed(time=NOW, reason="unsupported_version", version="TLSv1", address="192.0.2.1")), 0, NOW)
    tally.take(batch(failed(time=NOW + 9, reason="unsupported_version", version="TLSv1", address="192.0.2.2")), 0, NOW)
    (failure,) = tally.observed(NOW).failures
    assert (failure.reason, failure.version, failure.count, failure.address) == (
        "unsupported_version",
        "TLSv1",
        2,
        "192.0.2.2",
    )
    assert (failure.first, failure.last) == (NOW, NOW + 9)
    tally.take(batch(*(failed(reason=f"made up {number}") for number in range(300))), 0, NOW)
    seen = tally.observed(NOW).failures
    assert len(seen) == MAX_FAILURES
    assert sum(kind.count for kind in seen) == 302
    assert "other" in {kind.reason for kind in seen}


def test_rates(tally: Tally) -> None:
    """Ten seconds are one interval; those without anything are there too, from the observer's start on."""
    tally.take(batch(connections=4, trusted=3, dropped=2), 0, NOW)
    tally.take(batch(connections=1, turned_away=9), 1, NOW + 5)
    tally.take(batch(refused=1, readable=False), 0, NOW + 25)
    seen = tally.observed(NOW + 30)
    shown = [(part.time - 1_700_000_000, part.connections, part.turned_away, part.refused) for part in seen.intervals]
    assert shown == [(0, 5, 9, 0), (10, 0, 0, 0), (20, 0, 0, 1), (30, 0, 0, 0)]
    assert (seen.dropped, seen.unreadable) == (2, 1)


def test_rates_of_half_an_hour(tally: Tally) -> None:
    """Older intervals are forgotten, also in memory; a clock that was set back makes no more of them."""
    for second in range(0, 8000, 10):
        tally.take(batch(connections=1), 0, NOW + second)
    seen = tally.observed(NOW + 7990)
    assert [part.connections for part in seen.intervals] == [1] * MAX_INTERVALS
    assert len(tally._intervals) <= 2 * MAX_INTERVALS
    assert len(tally.observed(NOW - 86_400).intervals) <= MAX_INTERVALS


def test_latency(tally: Tally) -> None:
    """Quantiles are those of the last thousand answers; without answers there are none."""
    assert tally.observed(NOW).latency == {}
    tally.take(batch(*[answered(seconds=9.0)] * 50), 0, NOW)
    tally.take(batch(*(answered(seconds=number / 1000) for number in range(1000))), 0, NOW)
    assert tally.observed(NOW).latency == {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 0.999}


def test_the_worst_fits_on_the_board(tally: Tally) -> None:
    """The longest texts of characters that JSON writes longest fit, and are read again as they were."""
    rare = "\U0001f600" * 200
    for number in range(600):
        query = answered(
            time=NOW, device=rare[:64], subject=rare, issuer=rare, serial=f"{number:064X}", result="not_found"
        )
        tally.take(batch(query, failed(reason=rare[:60] + f"{number}", version=rare[:64])), 0, NOW)
    seen = tally.observed(NOW)
    board = Board(BOARD_SIZE)
    board.write(seen.to_json())
    assert Observed.from_json(board.read()) == seen
    assert len(json.dumps(seen.to_json(), ensure_ascii=False).encode()) < 2_000_000
