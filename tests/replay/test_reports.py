"""Reports: table, JSON, CSV, page and picture; thresholds and comparison."""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import subprocess
import xml.etree.ElementTree as ET
import zlib
from array import array
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from tvs.cli.main import main
from tvs.replay.questions.model import Asked, Caller, Question, RecordingBuilder
from tvs.replay.report.axes import Unit, axis
from tvs.replay.report.page import html_page
from tvs.replay.report.result import Row, RunResult
from tvs.replay.report.resultfile import read_result, to_json
from tvs.replay.report.text import csv_text, table, verdict
from tvs.replay.report.thresholds import Threshold
from tvs.replay.run.counters import Phase, Progress
from tvs.replay.run.failures import Failure
from tvs.replay.run.histograms import Histogram, merged
from tvs.replay.run.live import LiveView
from tvs.replay.run.schedule import constant_rate
from tvs.replay.run.timeline import Second, Timeline
from tvs.replay.units import duration_text, parse_duration, parse_rate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram

HOSTILE = "<script>alert(1)</script>\"&'"


def histogram(*milliseconds: float) -> Histogram:
    """A histogram of these times."""
    made = Histogram()
    for value in milliseconds:
        made.record(value / 1000)
    return made


def row(second: int, answered: int, worst: float | None = 0.02, **failures: int) -> Row:
    """A second in which 100 queries were planned."""
    started = answered + sum(failures.values())
    p50, p90 = (None, None) if worst is None else (worst / 10, worst / 2)
    return Row(
        second=second,
        planned=100,
        started=started,
        answered=answered,
        late=0,
        dropped=0,
        failures=failures,
        p50=p50,
        p90=p90,
        p99=worst,
        max=worst,
    )


@pytest.fixture
def result() -> RunResult:
    """A run of five seconds with a stall and with names that strangers chose."""
    times = [1.0] * 90 + [20.0] * 9 + [3000.0]
    return RunResult(
        server="192.0.2.10:2445",
        source=f"{HOSTILE}.tvsr",
        mode="constant rate, 100/s for 5 s",
        tls="each phone as its series does",
        open_model=True,
        processes=2,
        started_at="2026-11-23T10:00:00.000+00:00",
        seconds=5.0,
        planned=500,
        started=500,
        answered=480,
        late=0,
        dropped=0,
        unfinished=0,
        lost=0,
        failures={"wrong_roles": 15, "connection_refused": 5},
        histograms={phase: histogram(*times) for phase in Phase},
        rows=[row(0, 100), row(1, 0, None), row(2, 180, 3.0, wrong_roles=15), row(3, 100), row(4, 100)],
        suites={"TLSv1.2 AES256-GCM-SHA384": 495},
        resumed=0,
        examples=[f"wrong_roles: query of 01 by {HOSTILE}"],
        left_out={},
        interrupted=False,
        late_after=0.02,
    )


def test_json_and_back(result: RunResult, tmp_path: Path) -> None:
    """What --json writes is read back whole, histograms too."""
    path = tmp_path / "result.json"
    path.write_text(to_json(result))
    again = read_result(path)
    assert to_json(again) == to_json(result)
    assert again.histograms[Phase.WHOLE].percentile(99.9) == pytest.approx(3.0, rel=0.001)
    for damage in ('{"format": "tvs-replay-result", "version": 1}', "[]", "{}", '"x"', "{"):
        path.write_text(damage)
        with pytest.raises(ValueError, match=r"result\.json: is "):
            read_result(path)


def test_the_table(result: RunResult) -> None:
    """It has the counts, the errors by kind and lines that line up."""
    lines = table(result).splitlines()
    assert "  Queries    500 planned, 500 started, 480 answered as expected, 20 failed (4.00%)" in lines
    assert "  wrong_roles         15  3.00%" in lines
    head = next(line for line in lines if line.split()[:2] == ["count", "min"])
    whole = next(line for line in lines if line.strip().startswith("whole"))
    assert head.index("p99.9") + len("p99.9") == whole.index("3 s", whole.index("20 ms")) + len("3 s")
    assert verdict(result) == []


def test_csv(result: RunResult) -> None:
    """A row a second; a second without latencies leaves their cells empty."""
    rows = list(csv.DictReader(io.StringIO(csv_text(result))))
    assert [int(line["answered"]) for line in rows] == [100, 0, 180, 100, 100]
    assert (rows[1]["p99"], rows[2]["p99"], rows[2]["wrong_roles"]) == ("", "3.000000", "15")


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.svgs = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "action", "xlink:href")]


def test_the_page_needs_no_network_and_escapes_names(result: RunResult) -> None:
    """It loads nothing, forbids itself to, and shows what strangers chose as text."""
    page = html_page(result)
    links = _Links()
    links.feed(page)
    assert links.addresses == []
    assert links.tags.count("svg") == 4
    assert links.tags.count("script") == 1
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|https?://", page)
    assert "alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)" in page
    for drawing in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(drawing)  # noqa: S314 - our own


def _pixels(path: Path) -> tuple[int, int, tuple[int, int, int]]:
    """Width, height and the first pixel of a PNG."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    body, place = b"", 8
    while place < len(data):
        size, kind = struct.unpack(">I4s", data[place : place + 8])
        body += data[place + 8 : place + 8 + size] if kind == b"IDAT" else b""
        place += 12 + size
    line = zlib.decompress(body)
    return width, height, (line[1], line[2], line[3])  # the first pixel is as it is under every filter


def test_the_page_in_a_browser(result: RunResult, require_program: RequireProgram, tmp_path: Path) -> None:
    """Chromium draws it on white and, where the system is dark, on dark; the script runs without a complaint."""
    chromium = require_program("chromium")
    page = tmp_path / "page.html"
    page.write_text(html_page(result))
    seen = []
    for scheme in ("light", "dark"):
        picture = tmp_path / f"{scheme}.png"
        command = [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
        ]
        command += [f"--user-data-dir={tmp_path / scheme}", "--window-size=1280,1500", f"--screenshot={picture}"]
        command += ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
        done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
        assert "CONSOLE" not in done.stderr, done.stderr
        seen.append(_pixels(picture))
    assert seen == [(1280, 1500, (0xFF, 0xFF, 0xFF)), (1280, 1500, (0x14, 0x18, 0x1F))]


@pytest.mark.parametrize(
    "rows", [[], [row(0, 1)], [row(0, 0, None, connection_refused=3)], [row(s, 5) for s in range(5000)]]
)
def test_pages_of_other_runs(result: RunResult, rows: list[Row]) -> None:
    """Runs without a second, with one, with errors only and of an hour and more are drawn."""
    failures = {"connection_refused": 3} if rows and rows[0].failed else {}
    empty = {phase: histogram() for phase in Phase} if not rows or failures else result.histograms
    other = replace(result, rows=rows, seconds=float(len(rows)), failures=failures, histograms=empty)
    page = html_page(other)
    assert len(page) < 1_500_000
    assert ("No errors" in page) is not bool(failures)


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("p99>250ms", False),
        ("p99.9>250ms", True),
        ("tls.p50>=1ms", True),
        ("max<2s", False),
        ("mean>10ms", True),
        ("errors>4%", False),
        ("errors>=4%", True),
        ("errors>19", True),
        ("wrong>15", False),
        ("wrong_roles>=3%", True),
        ("connect_timeout>0", False),
        ("rate<96/s", False),
        ("rate<=96", True),
        ("late>0", False),
    ],
)
def test_thresholds(result: RunResult, text: str, failed: bool) -> None:
    """Percentiles, counts, shares and the rate are compared as written; the unit says what is meant."""
    assert Threshold.parse(text).failed(result) is failed


@pytest.mark.parametrize(
    "text", ["", "p99", "p99>", "p99>fast", "p101>1s", "speed>1", "errors>x%", "p99=1s", "rate<1ms"]
)
def test_wrong_thresholds(text: str) -> None:
    """They are refused with the expression in the sentence."""
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Threshold.parse(text)


def test_histograms_merge_without_loss() -> None:
    """The merged histogram is the one that would have counted everything."""
    parts = [histogram(*range(start, 1000, 3)) for start in (1, 2, 3)]
    whole = histogram(*range(1, 1000))
    together = merged(part.encode() for part in parts)
    assert together.encode() == whole.encode()
    assert together.percentile(50) == pytest.approx(0.5, rel=0.002)
    with pytest.raises(ValueError, match="not an encoded HDR histogram"):
        Histogram(b"x")


def test_compare(result: RunResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two results side by side, with the change; what makes them unlike is said."""
    (tmp_path / "a.json").write_text(to_json(result))
    slower = {phase: histogram(*[2.0] * 90, *[40.0] * 9, 6000.0) for phase in Phase}
    other = replace(result, histograms=slower, answered=240, failures={}, mode="another", interrupted=True)
    (tmp_path / "b.json").write_text(to_json(other))
    both = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert main(["replay", "compare", *both]) == 0
    said = capsys.readouterr().out
    lines = [line.split() for line in said.splitlines()]
    assert ["whole", "p50", "1", "ms", "2", "ms", "+100.0%"] in lines
    assert ["answered", "480", "240", "-50.0%"] in lines
    assert ["wrong_roles", "15", "0", "-100.0%"] in lines
    assert "note: the second run was interrupted" in said
    assert "note: they differ in mode" in said
    assert main(["replay", "compare", *both, "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["differences"]}
    assert entries["failed"] == {"name": "failed", "before": 20, "after": 0, "change": -1.0}


@pytest.mark.parametrize(
    ("count", "p50", "p99"), [(1, 1, 1), (2, 1, 2), (100, 50, 99), (101, 51, 100), (1000, 500, 990)]
)
def test_percentiles_of_a_second(count: int, p50: float, p99: float) -> None:
    """They are values by nearest rank: the least that is not exceeded by so many percent."""
    values = array("L", (number * 1_000_000 for number in range(count, 0, -1)))
    assert Second(whole=values).percentiles((50, 99, 100)) == [p50, p99, count]
    assert Second().percentiles((50,)) == [None]


def test_the_live_line() -> None:
    """It shows the part of the run, the rate of the last second, open connections, errors and percentiles."""
    builder = RecordingBuilder("a test", timed=False)
    phone = builder.phone(0, Caller("CP-8861-SEP000000000001"))
    builder.add(0.0, phone, Asked(Question(issuer="CN=a", serial=b"\x01"), None))
    plan = constant_rate(builder.build(Counter()), rate=10, duration=100)
    timeline = Timeline()
    progress = Progress(in_flight=7)
    progress.counts.update({(48, "answered"): 9, (49, "answered"): 8, (49, Failure.RESET): 2, (49, "late"): 1})
    progress.planned_at.extend([49] * 100)
    progress.whole.extend(range(1000, 101_000, 1000))
    timeline.add(0, progress)
    line = LiveView(plan).line(timeline, 50.2)
    assert line.startswith("[██████████░░░░░░░░░░] 0:50/1:40  8/s  in flight 7  errors 2  p50 51 ms  p99 100 ms")
    assert line.endswith("late 1")


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("60s", 60), ("5m", 300), ("1h", 3600), ("20us", 20e-6), ("1.5", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    """Units as people write them."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "rate"), [("500/s", 500), ("30000/m", 500), ("3600/h", 1), ("2.5", 2.5)])
def test_rates(text: str, rate: float) -> None:
    """A second, where no other unit is given."""
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00082, "820 µs"), (0.00421, "4.21 ms"), (0.9996, "1 s"), (1.5, "1.5 s"), (3600, "3600 s")],
)
def test_duration_texts(seconds: float, text: str) -> None:
    """Three digits and the unit that fits."""
    assert duration_text(seconds) == text


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [7.0], [99.0], [1e6]])
def test_axes_hold_their_values(values: list[float]) -> None:
    """Every value lies between the ends of its axis, and there are at least two ticks."""
    for unit in (Unit.RATE, Unit.SECONDS):
        made = axis(unit, values)
        assert all(0 <= made.place(value) <= 1 for value in values)
        assert len(made.ticks) >= 2
