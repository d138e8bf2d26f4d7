"""The forms of a log line."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvs.log.forms import MAX_LINE, form_of, line_text, value_text
from tvs.log.levels import LogFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEN = 1_700_000_000.123_456
"""2023-11-14 22:13:20 UTC."""
forms = trace, as_json, _console = [form_of(log_format) for log_format in LogFormat]


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A time zone that is an hour ahead of UTC in winter."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Lazy:
    """Fields that are formatted when the line is written."""

    def text(self) -> str:
        """The event and its fields."""
        return "request device=SEP1"

    def fields(self) -> dict[str, object]:
        """The fields by name."""
        return {"device": "SEP1"}


def test_trace_form_is_that_of_the_original() -> None:
    """Local time with milliseconds, a bar, the level, the text as it is; its fields are not repeated."""
    line = trace(("debug", WHEN, "query", "tvsHandleQueryCertReq : x", {"subject": "CN=a"}))
    assert line == "23:13:20.123 | debug tvsHandleQueryCertReq : x\n"


def test_trace_form_without_text_has_the_fields() -> None:
    """Other events are their name and key=value, or the line that makes itself."""
    fields = {"address": "192.0.2.1", "reason": "not tls", "roles": (0, 2), "seconds": 0.12345678, "none": None}
    assert trace(("info", WHEN, "handshake_failed", None, fields)) == (
        '23:13:20.123 | info handshake_failed address=192.0.2.1 reason="not tls" roles=0,2 seconds=0.123457 none=None\n'
    )
    assert trace(("info", WHEN, "request", None, Lazy())) == "23:13:20.123 | info request device=SEP1\n"


def test_json_form_is_one_object() -> None:
    """Time in UTC with microseconds, level, event, the text if there is one, and the fields."""
    line = as_json(("debug", WHEN, "query", "a text", {"subject": 'CN="ü\n', "path": LogFormat.JSON}))
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.123456Z",
        "level": "debug",
        "event": "query",
        "text": "a text",
        "subject": 'CN="ü\n',
        "path": "json",
    }
    assert json.loads(as_json(("info", WHEN, "request", None, Lazy()))) == {
        "time": "2023-11-14T22:13:20.123456Z",
        "level": "info",
        "event": "request",
        "device": "SEP1",
    }


@pytest.mark.parametrize("colors", [False, True])
def test_console_form_has_colours_only_if_asked(colors: bool) -> None:
    """A line for a terminal: time, level, event and fields; control characters of a value are escaped."""
    console = form_of(LogFormat.CONSOLE, colors=colors)
    line = console(("warning", WHEN, "refused", None, {"name": "a\x1b[31m"}))
    assert ("\x1b[" in line) is colors
    for part in ("23:13:20.123", "warning", "refused", "name", "a\\x1b[31m"):
        assert part in line
    assert console(("debug", WHEN, "query", "a text", {"name": "x"})).count("x") == "a text".count("x")


VALUES = {
    "plain": ("CP-8861,a@b:1/2+3;4_5.6", "CP-8861,a@b:1/2+3;4_5.6"),
    "empty": ("", '""'),
    "space": ("a b", '"a b"'),
    "equals": ("CN=a", '"CN=a"'),
    "quote": ('a"b', '"a\\"b"'),
    "backslash": ("a\\b", '"a\\\\b"'),
    "line feed": ("a\nb", '"a\\\\x0ab"'),
    "umlaut": ("Zürich", "Zürich"),
    "undecodable": ("a\udcff", '"a\\\\xff"'),
    "number": (12, "12"),
    "fraction": (1.0, "1"),
    "list": (["a", 1], "a,1"),
    "nothing": ((), '""'),
}


@pytest.mark.parametrize(("value", "text"), VALUES.values(), ids=VALUES.keys())
def test_value_after_a_key(value: object, text: str) -> None:
    """A value is in quotes if it is empty or could be taken for something else; quotes within are escaped."""
    assert value_text(value) == text


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(st.characters(), max_size=40)))
def test_no_value_forges_a_line(fields: dict[str, str]) -> None:
    """Whatever values hold, each record is one printable line in every form."""
    for form in forms:
        line = form(("info", WHEN, "event", None, {"event_field": "", **fields}))
        assert line.count("\n") == 1
        assert line[:-1].isprintable()
        line.encode()


def test_long_text_is_cut() -> None:
    """A text in a line has at most 2,048 bytes, escapes included and none of them cut; an ellipsis shows the cut."""
    assert MAX_LINE == 2048
    assert line_text("x" * MAX_LINE) == "x" * MAX_LINE
    assert line_text("x" * (MAX_LINE + 1)) == "x" * MAX_LINE + "…"
    assert line_text("\n" * 9000) == "\\x0a" * (MAX_LINE // 4) + "…"
    assert line_text("x" + "\n" * 9000) == "x" + "\\x0a" * (MAX_LINE // 4 - 1) + "…"
    assert line_text("ü" * 9000) == "ü" * (MAX_LINE // 2) + "…"
    assert line_text("\U000e0001" * 9000) == "\\U000e0001" * (MAX_LINE // 10) + "…"
    assert value_text('x "' + "\\" * 9000) == '"x \\"' + "\\" * (MAX_LINE - 6) + '…"'
    assert value_text("a b" + "x" * 9000) == '"a b' + "x" * (MAX_LINE - 3) + '…"'


@given(st.text(st.characters(), min_size=1, max_size=40), st.integers(0, 3))
def test_long_values_make_no_long_line(part: str, offset: int) -> None:
    """Whatever a long value consists of, its line is short, whole, and in JSON an object, in every form."""
    value = "a" * offset + part * 5000
    for form in forms:
        line = form(("info", WHEN, "event", None, {"name": value}))
        assert len(line.encode()) <= (2 * MAX_LINE if form is _console else MAX_LINE) + 200
        assert line.count("\n") == 1
    assert len(json.loads(as_json(("info", WHEN, "event", value, {"name": value})))["name"]) <= MAX_LINE + 1


@given(st.text(st.sampled_from('\\"x \n\u2028'), min_size=2000, max_size=2100))
def test_quotes_of_a_cut_value_are_closed(value: str) -> None:
    """A cut value is in quotes that end with it: within, each quote and backslash is escaped."""
    text = value_text(value)
    if text.startswith('"'):
        assert re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', text)
