"""The forms of a log line: trace, JSON and console."""

from __future__ import annotations

import json
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from proto.text import printable
from tvs.log.levels import LogFormat

if TYPE_CHECKING:
    from collections.abc import Callable


MAX_LINE = 2_048
"""Maximum bytes of one text in a line, escaped: a stranger's 16 KiB name must not fill memory or disk through the log.

Escapes make up to twelve bytes of a character, so the text is cut behind them.
"""


class Line(Protocol):
    """Fields that are formatted only when their line is written."""

    def text(self) -> str:
        """The event and its fields as key=value, printable."""

    def fields(self) -> dict[str, object]:
        """The fields by name, printable."""


Record = tuple[str, float, str, str | None, "dict[str, object] | Line"]
"""Level, seconds since 1970, event, text (None: made from the fields), fields."""


def line_text(text: str) -> str:
    """At most `MAX_LINE` bytes of a text, printable, so that no name can forge a line; an ellipsis marks the cut."""
    return _cut(_printable_start(text))


def _printable_start(text: str) -> str:
    """The text printable, as far as a line can show it and a little more: escaping is slow."""
    if text.isprintable():
        return text[: MAX_LINE + 1]
    parts: list[str] = []
    size = 0
    for start in range(0, len(text), _PIECE):
        parts.append(printable(text[start : start + _PIECE]))
        size += len(parts[-1])
        if size > MAX_LINE:
            break
    return "".join(parts)


_PIECE = 256
"""Characters that are escaped at a time."""


_HALF_ESCAPE = re.compile(r"\\(?:x[0-9a-f]?|u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?$", re.ASCII)
"""The start of an escape at the end of a text."""


def _cut(escaped: str) -> str:
    """At most `MAX_LINE` bytes of an escaped text, and no part of an escape."""
    if len(escaped) <= MAX_LINE and (escaped.isascii() or len(escaped.encode()) <= MAX_LINE):
        return escaped
    return _HALF_ESCAPE.sub("", escaped.encode()[:MAX_LINE].decode(errors="ignore")) + "…"


@lru_cache(maxsize=4)
def _second(when: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _clock(when: float) -> str:
    """Local time as the original prints it: HH:MM:SS.mmm."""
    return f"{_second(int(when))}.{int(when * 1000) % 1000:03d}"


_SHORT = MAX_LINE // 12
"""Characters that fit, whatever they are: the longest escape in JSON has twelve bytes."""
_PLAIN = re.compile(r"[\w.:/+,;@-]+", re.ASCII)
"""A value that needs neither escapes nor quotes after ``key=``."""
_AMBIGUOUS = re.compile(r"[ \"=\\]")
"""Characters for which a printable value needs quotes."""


def value_text(value: object) -> str:
    """A value as it stands after ``key=``: printable, in quotes if it is empty or ambiguous."""
    if type(value) is not str:
        value = _other_value(value)
    if len(value) <= _SHORT and value.isprintable():
        return value if _PLAIN.fullmatch(value) else _quotes(value)
    return _quoted(_printable_start(value))


def _other_value(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _quotes(text: str) -> str:
    """A printable text, in quotes if it is empty or ambiguous."""
    if text and not _AMBIGUOUS.search(text):
        return text
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    """A printable text, in quotes if it is empty or ambiguous, and cut."""
    if text and not _AMBIGUOUS.search(text):
        return _cut(text)
    escaped = _cut(_escaped(text))
    if escaped.endswith("…") and (len(escaped) - len(escaped[:-1].rstrip("\\"))) % 2 == 0:
        escaped = escaped[:-2] + "…"  # half of a pair of backslashes
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
    """One JSON object: time (UTC), level, event, the trace text if there is one, the fields; long texts are cut."""
    level, when, event, text, fields = record
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when * 1_000_000) % 1_000_000:06d}Z"
    entry: dict[str, object] = {"time": stamp, "level": level, "event": event}
    if text is not None:
        entry["text"] = text
    entry |= _named(fields)
    line = json.dumps(entry, default=str) + "\n"
    if len(line) <= MAX_LINE:
        return line
    cut = {key: _json_text(value) if type(value) is str else value for key, value in entry.items()}
    return json.dumps(cut, default=str) + "\n"


def _json_text(text: str) -> str:
    """The text whose JSON form has at most `MAX_LINE` bytes; an ellipsis marks the cut."""
    if len(text) <= _SHORT:
        return text
    body = json.dumps(text[: MAX_LINE + 1])[1:-1]
    if len(body) <= MAX_LINE:
        return text
    body = body[:MAX_LINE]
    while True:
        try:
            return str(json.loads('"' + body + '"')) + "…"
        except ValueError:  # it ends in half an escape
            body = body[:-1]


def _console_form(colors: bool) -> Callable[[Record], str]:
    from structlog.dev import ConsoleRenderer  # noqa: PLC0415 - other forms do without the library

    renderer = ConsoleRenderer(colors=colors)

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
