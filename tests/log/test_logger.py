"""Loggers and the rate limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tvs.log.levels import LEVEL_NUMBERS, LEVELS
from tvs.log.logger import RateLimit, logger_for

if TYPE_CHECKING:
    from tvs.log.forms import Record


class Records:
    """A sink that keeps its records."""

    def __init__(self, level: str) -> None:
        self.threshold = LEVEL_NUMBERS[level]
        self.taken: list[Record] = []

    def emit(self, record: Record) -> None:
        """Keeps a record."""
        self.taken.append(record)


def test_logger_sends_records() -> None:
    """A line becomes a record of level, time, event and fields, without a text; nothing else prints it."""
    sink = Records("debug")
    before = time.time()
    logger_for(sink).bind(slot=1).warning("worker_ended", pid=7)
    [(level, when, event, text, fields)] = sink.taken
    assert (level, event, text, fields) == ("warning", "worker_ended", None, {"slot": 1, "pid": 7})
    assert before <= when <= time.time()


@pytest.mark.parametrize("threshold", LEVELS)
def test_logger_leaves_out_lower_levels(threshold: str) -> None:
    """Only levels from the threshold up reach the sink."""
    sink = Records(threshold)
    logger = logger_for(sink)
    for level in LEVELS:
        getattr(logger, level)("event")
    assert [record[0] for record in sink.taken] == list(LEVELS[LEVELS.index(threshold) :])


def test_logger_puts_a_traceback_into_a_field() -> None:
    """The traceback of an exception is a field of its record."""
    sink = Records("info")
    try:
        int("many")
    except ValueError:
        logger_for(sink).exception("failed")
    [(level, _, event, _, fields)] = sink.taken
    assert (level, event) == ("error", "failed")
    assert isinstance(fields, dict)
    assert "ValueError: invalid literal" in str(fields["exception"])


def test_rate_limit_counts_suppressed_lines() -> None:
    """In each second the first lines pass; the first line after that second says how many were suppressed."""
    limit = RateLimit(per_second=3)
    assert [limit.allow("handshake_failed", 10.0 + number / 10) for number in range(8)] == [0, 0, 0, *[None] * 5]
    assert limit.allow("handshake_failed", 10.99) is None
    assert limit.allow("handshake_failed", 11.0) == 6
    assert [limit.allow("handshake_failed", 11.5) for _ in range(3)] == [0, 0, None]
    assert limit.allow("handshake_failed", 99.0) == 1


def test_rate_limit_is_per_event() -> None:
    """One event's flood does not suppress another event; by default ten lines a second pass."""
    limit = RateLimit()
    passed = [limit.allow("a", 5.0) is not None for _ in range(20)]
    assert passed == [True] * 10 + [False] * 10
    assert limit.allow("b", 5.0) == 0


def test_rate_limit_of_one_event() -> None:
    """An event can have a maximum of its own; the others keep the common one."""
    limit = RateLimit(fewer={"a": 2})
    assert [limit.allow("a", 5.0) for _ in range(4)] == [0, 0, None, None]
    assert [limit.allow("b", 5.0) for _ in range(4)] == [0, 0, 0, 0]
    assert limit.allow("a", 6.0) == 2


def test_traceback_for_which_memory_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception's name takes its place: whoever logs an error goes on."""

    def lacking(*_: object) -> None:
        raise MemoryError

    sink = Records("info")
    monkeypatch.setattr("structlog.processors.format_exc_info", lacking)
    logger = logger_for(sink)
    logger.error("failed", exc_info=ValueError("how many"))
    try:
        int("many")
    except ValueError:
        logger.exception("failed")
    assert [record[4] for record in sink.taken] == [{"exception": "ValueError"}] * 2
