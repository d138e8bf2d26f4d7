"""Logs of a service: queries from trace lines, ours or the original's, and from JSON lines.

The original's lines are accepted in all spellings, also wrapped as documents print them, and in the framed form of
older releases, with a line ``|-->debug`` before each and ``|<--debug`` behind it. Our own ``request`` lines, which name
the phone, complete the trace lines before them or stand alone.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tvs.replay.questions.tracelines import TraceQueries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tvs.replay.questions.logged import Logged

MAX_TEXT = 16 * 1024
"""Maximum characters of a trace line with its continuations; the service itself writes at most 2,048."""
_DAY = 86_400.0
_REQUEST_LINE = "request device="
_STAMP = re.compile(r"\b(\d\d):(\d\d):(\d\d)\.(\d{3}) *\|(.*)$")
_LEVEL = re.compile(r" *\w+(?: (.*))?$")
"""Level and text behind the bar. Frames (``-->debug``) and the lines of C++ functions have none."""
_MEASURED = re.compile(r"(?:issuerName *:(.*) and Length *: *|using Unique MAP ID *:(.*), len *: *)(\d+) *$")
"""A value that documents wrap, and its length. The value takes the spaces before it too: a second run of spaces beside
it would be tried in all divisions of the two, in quadratic time."""
MAX_JOINS = 4
"""Most places of a wrapped line where both a space and none are tried."""
_CONSOLE = re.compile(r"\d+:? (ERR|WRN|NOT|INF|DEB) ")
"""Line of a phone's console, which documents print between the lines of the server."""


class LogParser:
    """Parses a log: `feed` each line, then `end`."""

    def __init__(self) -> None:
        self._clock = _Clock()
        self._open: _OpenLine | None = None
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
            at = self._clock.trace(match)
            if (record := _LEVEL.match(match[5])) is not None:
                self._open = _OpenLine(at, [record[1] or ""])
                if self._open.pieces[0].startswith(_REQUEST_LINE):  # ours, and never wrapped
                    yield from self._close_line()
        elif self._open is not None and _continues(line):
            self._open.add(line.strip())
        else:
            yield from self._close_line()

    def end(self) -> Iterator[Logged]:
        """Yields the last queries."""
        yield from self._close_line()
        yield from self._queries.end()

    def _close_line(self) -> Iterator[Logged]:
        if self._open is not None:
            line, self._open = self._open, None
            yield from self._text(line.at, line.text())

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


def _continues(line: str) -> bool:
    """Whether a line without a time continues the previous one: not empty, a fence or a phone's console."""
    text = line.strip()
    return text[:1] not in ("", "`", "*", "/", "#") and not _CONSOLE.match(text)


@dataclass(slots=True)
class _OpenLine:
    """A trace line that may continue in the next line of the file."""

    at: float
    pieces: list[str]
    size: int = 0

    def add(self, piece: str) -> None:
        """Adds a continuation, unless the line is too long already."""
        self.size += len(piece)
        if self.size < MAX_TEXT:
            self.pieces.append(piece)

    def text(self) -> str:
        """The whole line. A value with a printed length tells whether a space was lost or not at each place."""
        gaps = ["" if piece.endswith(";") else " " for piece in self.pieces[:-1]]
        text = _joined(self.pieces, gaps)
        if not 0 < len(gaps) <= MAX_JOINS or _as_long_as_printed(text):
            return text
        others = (_joined(self.pieces, other) for other in itertools.product(("", " "), repeat=len(gaps)))
        fitting = {_measured(other): other for other in others if _as_long_as_printed(other)}
        return next(iter(fitting.values())) if len(fitting) == 1 else text


def _joined(pieces: Sequence[str], gaps: Sequence[str]) -> str:
    return "".join(map("".join, zip(pieces, [*gaps, ""], strict=True)))


def _measured(text: str) -> tuple[str, int]:
    """The value that a line prints the length of, and that length; an empty value without one."""
    match = _MEASURED.search(text)
    return ("", -1) if match is None else ((match[1] or match[2] or "").lstrip(" "), int(match[3][:9]))


def _as_long_as_printed(text: str) -> bool:
    value, length = _measured(text)
    return len(value) == length


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


_FIELD = re.compile(r'\b(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def _fields(text: str) -> dict[str, Any]:
    """Parses the ``key=value`` pairs of a line in trace form; quoted values are JSON."""
    return {key: _unquoted(value) for key, value in _FIELD.findall(text)}


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value
    except ValueError:
        return value
