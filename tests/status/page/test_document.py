"""The status page from reports: what it says, and that everything in a report is text."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.fixtures.reports import LIST, NOON, OWN, QUERY, REPORT, SIGNER
from tvs.status.page.document import page
from tvs.status.page.markup import Markup, tag
from tvs.status.page.plots import HEIGHT, WIDTH, plot
from tvs.status.page.sections import SHOWN_QUERIES

MARKUP = """<img src=x onerror="alert(1)">'&"""


class Reader(HTMLParser):
    """Elements with their attributes, and the text outside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the element."""
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - as the base class calls it
        """Notes its end."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Notes the text."""
        if self._inside not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        """All text, parts with a blank between them."""
        return " ".join(self.words)


def planted(value: Any) -> Any:
    """The report with markup in each text that is not a name of ours."""
    if isinstance(value, dict):
        return {key: planted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [planted(part) for part in value]
    return MARKUP if isinstance(value, str) else value


def test_everything_in_a_report_is_text() -> None:
    """Whatever text of a report is markup, the page has the same elements, and shows the markup as it is."""
    plain, full = Reader(page(REPORT)), Reader(page(planted(REPORT)))
    assert [name for name, _ in full.elements] == [name for name, _ in plain.elements]
    assert "img" not in {name for name, _ in full.elements}
    assert [sorted(attributes) for _, attributes in full.elements] == [sorted(known) for _, known in plain.elements]
    assert full.text.count(MARKUP) > 20


def test_what_it_says() -> None:
    """Numbers and words of a report, with units and thousands; process ids are no quantities."""
    text = Reader(page(REPORT)).text
    for words in ("All phones are answered", "3 of 10000", "0.07 ms", "24.4 ms", "12,345", "2 h", "40123", "SHA512"):
        assert words in text
    assert "The log is at debug of SEP1, 192.0.2.9 only until 2026-11-18 11:06:40 (tvs set trace)." in text
    assert "14 in the last minute, at most 9 in 10 s" in text
    assert "Nothing so far." not in text.partition("Failed and turned away")[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"presented": {"sha256": "cd" * 32, "in_database": False, "in_itl": False}}, "ITLFile.tlv does not have it"),
        (
            {"presented": {"sha256": "cd" * 32, "in_database": False, "in_itl": True, "in_cluster": False}},
            "its node was deleted from the cluster",
        ),
        ({"refused_versions": {"TLSv1": 12}}, "12 offered TLSv1 at most"),
        ({"lists": [{**LIST, "verified": False, "reason": "bad_signature"}]}, "bad signature"),
        ({"lists": [{**LIST, "found": False, "verified": False, "reason": "missing", "modified": None}]}, "missing"),
        ({"certificates": [{**OWN, "presented": False}]}, "no, another one"),
        ({"queries": [QUERY] * (SHOWN_QUERIES + 3)}, "3 more in status.json"),
        ({"latency": {"answer": {}}}, "\N{EN DASH}"),
        ({"workers": [{**REPORT["workers"][0], "state": "waiting"}]}, "0 of 1"),
        ({}, "CP-8861 1254 1187 12 0 55"),
        ({}, "SEP000000000002 CP-8861 not told to trust a signer 11-01 12:26:40 CN=CallManager;OU=TVS;O=Local"),
        ({}, "SEP000000000003 \N{EN DASH} never seen \N{EN DASH}"),
        ({}, "All of them: tvs show phones --at-risk."),
        ({}, "3 addresses turned away in the handshake: tvs show phones --at-risk."),
        ({"fleet": {**REPORT["fleet"], "unserved": 1}}, "1 address turned away"),
        ({"fleet": {**REPORT["fleet"], "problem": "the disk is full"}}, "Phones cannot be recorded: the disk is full."),
        ({}, "sub1 subscriber 6 behind 12.3 s"),
        ({}, "sub2 subscriber 5 silent 0.2 s"),
        ({}, "sub3 subscriber \N{EN DASH} no service seen \N{EN DASH}"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], words: str) -> None:
    """What is not as it should be stands in words."""
    assert words in " ".join(Reader(page({**REPORT, **changes})).text.split())


def test_a_cluster_of_one_node() -> None:
    """A single node has no section of its own."""
    cluster = REPORT["cluster"]
    alone = {**REPORT, "cluster": {**cluster, "nodes": cluster["nodes"][:1]}}
    assert "pub (this one)" in Reader(page(REPORT)).text
    assert "pub (this one)" not in Reader(page(alone)).text


def test_no_section_of_phones_that_nobody_records() -> None:
    """Without a record the page has no section of phones."""
    assert "Never seen" in Reader(page(REPORT)).text
    assert "Never seen" not in Reader(page({**REPORT, "fleet": {**REPORT["fleet"], "kept": False}})).text


def test_no_word_of_a_trace_that_nobody_ordered() -> None:
    """Without an order the page says nothing of the log."""
    assert "tvs set trace" not in Reader(page({**REPORT, "trace": {**REPORT["trace"], "number": ""}})).text


def test_findings() -> None:
    """Each finding of the verdict has its advice, and since when it is so."""
    finding = {"code": "x", "state": "limited", "sentence": "it rains", "advice": "take an umbrella", "since": NOON}
    verdict = {"state": "limited", "sentence": "Answered, but it rains", "since": NOON, "findings": [finding]}
    read = Reader(page({**REPORT, "verdict": verdict}))
    said = " ".join(read.text.split())
    assert "it rains since 2026-11-18 11:06:40 . To do: take an umbrella." in said
    assert ("div", {"class": "verdict limited", "role": "status"}) in read.elements


def test_signers_that_were_never_refused_are_left_out() -> None:
    """The table of refused signers has those alone."""
    trusted = {**SIGNER, "refused": 0, "subject": "CN=good"}
    assert "CN=good" not in Reader(page({**REPORT, "signers": [trusted]})).text


def test_elements() -> None:
    """Text is escaped in content and attributes, markup is not; None is left out."""
    assert tag("p", "<", Markup("<b>"), None, 3, class_='a"b', aria_label="x", role=None) == (
        '<p class="a&quot;b" aria-label="x">&lt;<b>3</p>'
    )
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert tag("path", d="M0,0") == '<path d="M0,0"></path>', "a path without its end would swallow what follows"


@pytest.mark.parametrize("values", [[], [0], [5], [0, 0, 7, 3], list(range(180))])
def test_plot(values: list[int]) -> None:
    """A drawing stays within its box, ends at the right edge, and its highest point is its largest number."""
    root = ET.fromstring(plot(values, 180, "a & b"))  # noqa: S314 - our own
    assert root.get("aria-label") == "a & b"
    line = " ".join(found.get("points", "") for found in root.findall("polyline"))
    points = [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]
    assert len(points) == 2 * len(values)
    if values:
        assert points[-1][0] == WIDTH
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
        assert min(points, key=lambda point: point[1]) == points[2 * values.index(max(values))]
