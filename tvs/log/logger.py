"""Loggers over a sink of records, their levels, and the rate limit of what strangers can provoke."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import structlog

if TYPE_CHECKING:
    from tvs.log.forms import Record


LEVEL_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
LEVELS = tuple(LEVEL_NUMBERS)


class Sink(Protocol):
    """Where a logger's lines go: `LogPipeline`, or the supervisor's log, which has no thread."""

    threshold: int

    def emit(self, record: Record) -> None:
        """Takes a record."""


def logger_for(pipeline: Sink) -> structlog.typing.FilteringBoundLogger:
    """A structlog logger whose lines go through the pipeline."""

    def enqueue(_logger: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        pipeline.emit((level, time.time(), str(event.pop("event", "")), None, {**event}))
        raise structlog.DropEvent

    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        None,
        processors=[structlog.processors.format_exc_info, enqueue],
        wrapper_class=structlog.make_filtering_bound_logger(pipeline.threshold),
        context_class=dict,
    )
    return logger


class RateLimit:
    """Lets through a few lines a second of what strangers can provoke, and counts the rest.

    Args:
        per_second: lines in one second, for each event.
    """

    def __init__(self, per_second: int = 10) -> None:
        self._per_second = per_second
        self._windows: dict[str, list[float]] = {}  # event: start of the second, lines in it, held back

    def allow(self, event: str, now: float) -> int | None:
        """None where the line is held back; else how many were held back since the last one."""
        window = self._windows.setdefault(event, [now, 0, 0])
        if now - window[0] >= 1:
            window[0], window[1] = now, 0
        if window[1] >= self._per_second:
            window[2] += 1
            return None
        window[1] += 1
        held, window[2] = int(window[2]), 0
        return held


def level_number(level: str) -> int:
    """The number of a level's name: higher is worse."""
    return LEVEL_NUMBERS[level]
