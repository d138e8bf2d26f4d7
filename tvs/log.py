"""Logs that never hold up an answer: a bounded buffer, written by a thread of its own.

Everything is put into the buffer as a small tuple, formatted many at a time, and written by the thread. Where nobody
reads the other end of the pipe, the buffer fills, further lines are dropped and counted.
"""

from __future__ import annotations

import json
import os
import re
import select
import stat
import sys
import threading
import time
from collections import deque
from enum import StrEnum
from functools import lru_cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TextIO

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CAPACITY = 32_768
"""Lines that wait for the writer at the most: about 1,000 traced queries."""
MAX_LINE = 2_048
"""Characters of one text in a line: a stranger's 16 KiB name must not fill memory through the log."""
_LOOK = 0.1
"""Seconds after which the writer looks whether anybody flushes."""
_UNATTENDED = 0.5
"""Seconds without a flush after which it takes the lines itself: a busy loop is late with its tick."""
_RETRY = 0.02
"""Seconds until a full pipe is tried again."""
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
LEVELS = tuple(_LEVELS)


class LogFormat(StrEnum):
    """How a line looks: the original's trace form, JSON, or colours for a terminal."""

    TRACE = "trace"
    JSON = "json"
    CONSOLE = "console"


class Line(Protocol):
    """Fields that are put into words only when their line is made."""

    def text(self) -> str:
        """The event and its fields as key=value, printable."""

    def fields(self) -> dict[str, object]:
        """The fields by name, printable."""


# level, seconds since 1970, event, text (None: made of the fields), fields
Record = tuple[str, float, str, str | None, "dict[str, object] | Line"]


# -- forms -----------------------------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """At most `MAX_LINE` characters, control characters and undecodable bytes escaped: no name can forge a line."""
    if len(text) > MAX_LINE:
        text = text[:MAX_LINE] + "…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


@lru_cache(maxsize=4)
def _second(when: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _clock(when: float) -> str:
    """Local time as the original prints it: HH:MM:SS.mmm."""
    return f"{_second(int(when))}.{int(when * 1000) % 1000:03d}"


_PLAIN = re.compile(r"[\w.:/+,;@-]+", re.ASCII)
"""A value that needs no quotes in key=value."""
_AMBIGUOUS = re.compile(r"[ \"=\\]")
"""What makes a printable value need them."""


def value_text(value: object) -> str:
    """A value as it stands after ``key=``: printable, and in quotes where it has to be."""
    if type(value) is not str:
        value = _other_value(value)
    return value if _PLAIN.fullmatch(value) else _quoted(printable(value))


def _other_value(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    if text and not _AMBIGUOUS.search(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _key_values(event: str, fields: dict[str, object]) -> str:
    return " ".join([event, *(f"{key}={value_text(value)}" for key, value in fields.items())])


def _trace_form(record: Record) -> str:
    """`HH:MM:SS.mmm | debug TEXT`; for other events the fields stand as key=value."""
    level, when, event, text, fields = record
    if text is None:
        text = _key_values(event, fields) if isinstance(fields, dict) else fields.text()
    return f"{_clock(when)} | {level} {text}\n"


def _named(fields: dict[str, object] | Line) -> dict[str, object]:
    return fields if isinstance(fields, dict) else fields.fields()


def _json_form(record: Record) -> str:
    """One object a line: time (UTC), level, event, the trace text where there is one, the fields."""
    level, when, event, text, fields = record
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when * 1_000_000) % 1_000_000:06d}Z"
    entry: dict[str, object] = {"time": stamp, "level": level, "event": event}
    if text is not None:
        entry["text"] = text
    return json.dumps(entry | _named(fields), default=str) + "\n"


def _console_form(colors: bool) -> Callable[[Record], str]:
    renderer = structlog.dev.ConsoleRenderer(colors=colors)

    def form(record: Record) -> str:
        level, when, event, text, fields = record
        shown = {key: printable(value) if isinstance(value, str) else value for key, value in _named(fields).items()}
        entry = {"timestamp": _clock(when), "level": level, "event": event if text is None else text}
        return renderer(None, level, entry | (shown if text is None else {})) + "\n"

    return form


def form_of(log_format: LogFormat, *, colors: bool = False) -> Callable[[Record], str]:
    """The function that makes a line of a record."""
    if log_format is LogFormat.CONSOLE:
        return _console_form(colors)
    return _trace_form if log_format is LogFormat.TRACE else _json_form


# -- pipeline --------------------------------------------------------------------------------------------------------


class Dropped(Protocol):
    """A counter of dropped lines; prometheus-client's fits."""

    def inc(self, amount: float = 1) -> None:
        """Counts `amount` more."""


class LogPipeline:
    """The buffer and its writer thread.

    Whoever runs an event loop calls `flush` with each tick: the lines are formatted there, many at once, and the thread
    only writes. A thread that formats would take the interpreter's lock from the phones again and again. Where nobody
    flushes, the thread formats after all.

    Args:
        descriptor: file descriptor that lines are written to; it is not closed.
        log_format: the form of a line.
        level: lowest level that is written.
        colors: for the console form.
        dropped: counts lines that found the buffer full.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        log_format: LogFormat = LogFormat.TRACE,
        level: str = "info",
        colors: bool = False,
        dropped: Dropped | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._form = form_of(log_format, colors=colors)
        self._whole_lines = _needs_whole_lines(descriptor)
        self.threshold = _LEVELS[level]
        self._dropped = dropped
        self._records: deque[Record] = deque()
        self._formatting = threading.Lock()
        self._batches: SimpleQueue[bytes | None] = SimpleQueue()  # None: the end
        self._writing = False  # a batch is on its way; the next one waits in the buffer, which is bounded
        self._flushed = 0.0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def reconfigure(self, descriptor: int, *, log_format: LogFormat, level: str, colors: bool) -> None:
        """Goes on with another file, form and level. `descriptor` takes the place of the one in use and is closed.

        Lines that wait are written to the new file. Loggers made before keep their level.
        """
        os.dup2(descriptor, self._descriptor, inheritable=False)
        os.close(descriptor)
        self._form = form_of(log_format, colors=colors)
        self._whole_lines = _needs_whole_lines(self._descriptor)
        self.threshold = _LEVELS[level]

    def enabled(self, level: str) -> bool:
        """Whether lines of this level are written."""
        return _LEVELS[level] >= self.threshold

    def emit(self, record: Record) -> None:
        """Puts a record into the buffer, or drops it. Never blocks. The caller has checked `enabled`."""
        if len(self._records) < CAPACITY:
            self._records.append(record)
        elif self._dropped is not None:
            self._dropped.inc()

    def flush(self) -> None:
        """Formats what waits and gives it to the writer, unless that is still writing. Never blocks."""
        self._flushed = time.monotonic()
        if self._records and not self._writing:
            self._writing = True
            self._batches.put(self._formatted())

    def close(self, timeout: float = 1.0) -> None:
        """Writes what is left, for `timeout` seconds at the most."""
        self._batches.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        data: bytes | None = b""
        while data is not None:
            try:
                data = self._batches.get(timeout=_LOOK)
            except Empty:
                data = b"" if time.monotonic() - self._flushed < _UNATTENDED else self._formatted()
            self._write_whole(self._formatted() if data is None else data)
            self._writing = False

    def _formatted(self) -> bytes:
        with self._formatting:
            records = [self._records.popleft() for _ in range(len(self._records))]
            return "".join(map(self._form, records)).encode("utf-8", "backslashreplace")

    def _write_whole(self, data: bytes) -> None:
        for piece in whole_lines(data) if self._whole_lines else (data,):
            self._write(piece)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                time.sleep(_RETRY)
            except OSError:  # the reader is gone: the lines with it
                if self._dropped is not None:
                    self._dropped.inc(bytes(view).count(b"\n"))
                return


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
    return _LEVELS[level]


def _needs_whole_lines(descriptor: int) -> bool:
    """Whether large writes of several processes can mix: into a pipe or a socket, not into a file."""
    return not stat.S_ISREG(os.fstat(descriptor).st_mode)


def whole_lines(data: bytes) -> Iterator[bytes]:
    """Pieces of whole lines that the system writes in one go (PIPE_BUF bytes); a longer line is a piece of its own."""
    start = 0
    while len(data) - start > select.PIPE_BUF:
        end = data.rfind(b"\n", start, start + select.PIPE_BUF) + 1 or data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]


def open_log_file(path: Path) -> int:
    """A descriptor that appends to `path` (mode 0640). Raises `OSError`."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def is_terminal(stream: TextIO = sys.stderr) -> bool:
    """Whether a person looks at the stream; colours and progress are for them only (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
