"""Logs of a service: queries from trace lines, ours or the original's, and from JSON lines.

The original's lines are accepted in all spellings, also wrapped as documents print them. Our own ``request`` lines,
which name the phone, complete the trace lines before them or stand alone.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tvs.replay.questions.tracelines import TraceQueries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.replay.questions.tracelines import Logged

MAX_TEXT = 16 * 1024
"""Maximum characters of a trace line with its continuations; the service itself writes at most 2,048."""
_DAY = 86_400.0
_REQUEST_LINE = "request device="
_STAMP = re.compile(r"\b(\d\d):(\d\d):(\d\d)\.(\d{3}) *\| *(\w+) (.*)$")
_CONSOLE = re.compile(r"\d+:? (ERR|WRN|NOT|INF|DEB) ")
"""Line of a phone's console, which documents print between the lines of the server."""


class LogParser:
    """Parses a log: `feed` each line, then `end`."""

    def __init__(self) -> None:
        self._clock = _Clock()
        self._open: tuple[float, str] | None = None  # a trace line that may continue in the next line
        self._queries = TraceQueries()

    def feed(self, line: str) -> Iterator[Logged]:
        """Takes a line; yields the queries that it completes."""
        line = line.rstrip("\r\n")
        if line.startswith('{"'):  # a continuation can start with a brace: {rolecount : 1}
            yield from self._json(line)
            return
        match = _STAMP.search(line[:MAX_TEXT])
        if match is not None:
            yield from self._close_line()
            self._open = (self._clock.trace(match), match[6])
            if match[6].startswith(_REQUEST_LINE):  # ours, and never wrapped
                yield from self._close_line()
        elif self._continues(line):
            at, text = self._open or (0.0, "")
            separator = "" if text.endswith(";") else " "
            self._open = (at, f"{text}{separator}{line.strip()}"[:MAX_TEXT])
        else:
            yield from self._close_line()

    def end(self) -> Iterator[Logged]:
        """Yields the last queries."""
        yield from self._close_line()
        yield from self._queries.end()

    def _continues(self, line: str) -> bool:
        """Whether a line without a time continues the previous one: not empty, a fence or a phone's console."""
        text = line.strip()
        return self._open is not None and text[:1] not in ("", "`", "*", "/", "#") and not _CONSOLE.match(text)

    def _close_line(self) -> Iterator[Logged]:
        if self._open is not None:
            (at, text), self._open = self._open, None
            yield from self._text(at, text)

    def _text(self, at: float, text: str) -> Iterator[Logged]:
        if text.startswith(_REQUEST_LINE):
            yield from self._queries.request(at, _fields(text))
        else:
            yield from self._queries.trace(at, text)

    def _json(self, line: str) -> Iterator[Logged]:
        try:
            entry = json.loads(line[: 4 * MAX_TEXT])
            at = datetime.fromisoformat(str(entry["time"])).timestamp()
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        yield from self._close_line()
        if entry.get("event") == "request":
            yield from self._queries.request(at, entry)
        elif isinstance(text := entry.get("text"), str):
            yield from self._queries.trace(at, text.replace("\n", " "))


class _Clock:
    """Clock of a trace without dates: a jump back by half a day starts the next day."""

    def __init__(self) -> None:
        self._day = 0.0
        self._last = 0.0

    def trace(self, match: re.Match[str]) -> float:
        hours, minutes, seconds, millis = map(int, match.groups()[:4])
        at = hours * 3600 + minutes * 60 + seconds + millis / 1000
        if at < self._last - _DAY / 2:
            self._day += _DAY
        self._last = at
        return self._day + at


_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def _fields(text: str) -> dict[str, Any]:
    """Parses the ``key=value`` pairs of a line in trace form; quoted values are JSON."""
    return {key: _unquoted(value) for key, value in _FIELD.findall(text)}


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value
    except ValueError:
        return value
