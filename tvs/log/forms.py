"""The forms of a log line: trace, JSON and console."""

from __future__ import annotations

import json
import re
import time
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import structlog

from proto.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable


MAX_LINE = 2_048
"""Maximum characters of one text in a line: a stranger's 16 KiB name must not fill memory through the log."""


class LogFormat(StrEnum):
    """Name of a form: the original's trace lines, JSON, or colours for a terminal."""

    TRACE = "trace"
    JSON = "json"
    CONSOLE = "console"


class Line(Protocol):
    """Fields that are formatted only when their line is written."""

    def text(self) -> str:
        """The event and its fields as key=value, printable."""

    def fields(self) -> dict[str, object]:
        """The fields by name, printable."""


Record = tuple[str, float, str, str | None, "dict[str, object] | Line"]
"""Level, seconds since 1970, event, text (None: made from the fields), fields."""


def line_text(text: str) -> str:
    """At most `MAX_LINE` characters of a text, printable, so that no name can forge a line."""
    return printable(text if len(text) <= MAX_LINE else text[:MAX_LINE] + "…")


@lru_cache(maxsize=4)
def _second(when: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _clock(when: float) -> str:
    """Local time as the original prints it: HH:MM:SS.mmm."""
    return f"{_second(int(when))}.{int(when * 1000) % 1000:03d}"


_PLAIN = re.compile(r"[\w.:/+,;@-]+", re.ASCII)
"""A value that needs neither escapes nor quotes after ``key=``."""
_AMBIGUOUS = re.compile(r"[ \"=\\]")
"""Characters for which a printable value needs quotes."""


def value_text(value: object) -> str:
    """A value as it stands after ``key=``: printable, in quotes if it is empty or ambiguous."""
    if type(value) is not str:
        value = _other_value(value)
    return value if _PLAIN.fullmatch(value) else _quoted(line_text(value))


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
    """`HH:MM:SS.mmm | LEVEL TEXT`; without a text, the event and its fields as key=value."""
    level, when, event, text, fields = record
    if text is None:
        text = _key_values(event, fields) if isinstance(fields, dict) else fields.text()
    return f"{_clock(when)} | {level} {text}\n"


def _named(fields: dict[str, object] | Line) -> dict[str, object]:
    return fields if isinstance(fields, dict) else fields.fields()


def _json_form(record: Record) -> str:
    """One JSON object: time (UTC), level, event, the trace text if there is one, the fields."""
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
        shown = {key: line_text(value) if isinstance(value, str) else value for key, value in _named(fields).items()}
        entry = {"timestamp": _clock(when), "level": level, "event": event if text is None else text}
        return renderer(None, level, entry | (shown if text is None else {})) + "\n"

    return form


def form_of(log_format: LogFormat, *, colors: bool = False) -> Callable[[Record], str]:
    """The function that formats a record as a line, with its line feed."""
    if log_format is LogFormat.CONSOLE:
        return _console_form(colors)
    return _trace_form if log_format is LogFormat.TRACE else _json_form
