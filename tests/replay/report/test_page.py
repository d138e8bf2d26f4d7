"""The HTML page."""

from __future__ import annotations

import re
import struct
import subprocess
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.replay.report.results import histogram, row
from tvs.replay.report.page import html_page
from tvs.replay.run.counters import Phase

if TYPE_CHECKING:
    from tests.fixtures.programs import RequireProgram
    from tvs.replay.report.result import Row, RunResult


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
    """The page loads nothing, its policy forbids it to, and names that strangers chose are text."""
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


COMMANDS = [
    line.split()
    for line in (Path(__file__).parents[3] / "docs" / "replay.md").read_text().splitlines()
    if line.startswith("    chromium ")
]
"""The commands of the documentation, which take a picture of page.html, and print it."""


def test_the_page_in_a_browser(result: RunResult, require_program: RequireProgram, tmp_path: Path) -> None:
    """The documented command takes a picture, light or dark; the script of the page runs without an error."""
    picture = next(command for command in COMMANDS if "--screenshot=page.png" in command)
    (tmp_path / "page.html").write_text(html_page(result))
    light = browse(require_program, tmp_path, picture, "--enable-logging=stderr")
    assert "CONSOLE" not in light, light
    assert _pixels(tmp_path / "page.png") == (1280, 1700, (0xFF, 0xFF, 0xFF))
    browse(require_program, tmp_path, picture, "--blink-settings=preferredColorScheme=0")
    assert _pixels(tmp_path / "page.png") == (1280, 1700, (0x14, 0x18, 0x1F))


def test_the_page_on_paper(result: RunResult, require_program: RequireProgram, tmp_path: Path) -> None:
    """The documented command prints the page on a few landscape sheets."""
    (tmp_path / "page.html").write_text(html_page(result))
    browse(require_program, tmp_path, next(command for command in COMMANDS if "--print-to-pdf=page.pdf" in command))
    document = (tmp_path / "page.pdf").read_bytes()
    assert document.startswith(b"%PDF-")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", document)) <= 4
    width, height = map(float, re.findall(rb"/MediaBox\s*\[0 0 (\S+) (\S+)\]", document)[0])
    assert width > height


def browse(require_program: RequireProgram, folder: Path, command: list[str], *options: str) -> str:
    """Runs a documented command in a folder; returns what the browser logs."""
    more = ("--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", *options)
    words = [require_program(command[0]), *command[1:-1], *more, command[-1]]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    return done.stderr


@pytest.mark.parametrize(
    "rows", [[], [row(0, 1)], [row(0, 0, None, connection_refused=3)], [row(s, 5) for s in range(5000)]]
)
def test_pages_of_other_runs(result: RunResult, rows: list[Row]) -> None:
    """Runs of no second, of one, with errors only and of more than an hour are drawn."""
    failures = {"connection_refused": 3} if rows and rows[0].failed else {}
    empty = {phase: histogram() for phase in Phase} if not rows or failures else result.histograms
    other = replace(result, rows=rows, seconds=float(len(rows)), failures=failures, histograms=empty)
    page = html_page(other)
    assert len(page) < 1_500_000
    assert ("No errors" in page) is not bool(failures)
