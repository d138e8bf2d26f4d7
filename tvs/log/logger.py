"""Loggers over a sink of records, levels, and the rate limit for lines that strangers can provoke."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tvs.log.forms import Record


class Sink(Protocol):
    """Destination of records: the workers' `LogPipeline`, the supervisor's `DirectLog`."""

    threshold: int

    def emit(self, record: Record) -> None:
        """Takes a record whose level is not below the threshold."""


def logger_for(sink: Sink) -> structlog.typing.FilteringBoundLogger:
    """A structlog logger that sends its lines to the sink, those below the sink's current threshold left out."""

    def enqueue(_logger: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        sink.emit((level, time.time(), str(event.pop("event", "")), None, {**event}))
        raise structlog.DropEvent

    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        None,
        processors=[_format_exception, enqueue],
        wrapper_class=structlog.make_filtering_bound_logger(sink.threshold),
        context_class=dict,
    )
    return logger


def _format_exception(logger: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """As structlog's processor; when memory is short, the exception's name stands for its traceback."""
    given = event.get("exc_info")
    error = given if isinstance(given, BaseException) else sys.exc_info()[1]
    try:
        return structlog.processors.format_exc_info(logger, level, event)
    except MemoryError:
        event.pop("exc_info", None)
        event["exception"] = type(error).__name__
        return event


@dataclass(slots=True)
class _Window:
    start: float
    lines: int = 0
    suppressed: int = 0


class RateLimit:
    """Allows a few lines a second of each event that strangers can provoke, and counts the suppressed ones.

    Args:
        per_second: maximum lines in one second, for each event.
        fewer: events with another maximum.
    """

    def __init__(self, per_second: int = 10, fewer: Mapping[str, int] | None = None) -> None:
        self._per_second = per_second
        self._fewer = fewer or {}
        self._windows: dict[str, _Window] = {}  # by event, a closed set of names

    def allow(self, event: str, now: float) -> int | None:
        """None if the line is suppressed; else the number of lines suppressed since the last allowed one.

        Args:
            event: the event's name.
            now: seconds of a monotonic clock.
        """
        window = self._windows.setdefault(event, _Window(now))
        if now - window.start >= 1:
            window.start, window.lines = now, 0
        if window.lines >= self._fewer.get(event, self._per_second):
            window.suppressed += 1
            return None
        window.lines += 1
        suppressed, window.suppressed = window.suppressed, 0
        return suppressed

    def lost(self, event: str, suppressed: int) -> None:
        """Notes that an allowed line was not written after all: the next one counts it, and the suppressed before it.

        Args:
            event: the event's name.
            suppressed: what `allow` returned.
        """
        self._windows[event].suppressed += suppressed + 1
