"""The status page: the report of `/status.json` as one HTML document that needs nothing from elsewhere.

Everything in a report that strangers can write is text here: `tvs.status.page.markup` escapes all that is not markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tvs.status.observed import MAX_INTERVALS
from tvs.status.page import sections
from tvs.status.page.look import SCRIPT, STYLE
from tvs.status.page.markup import Markup, joined, tag
from tvs.status.page.plots import plot
from tvs.status.page.tables import DASH, time_tag
from tvs.status.words import last_minute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Report = Mapping[str, Any]

_RATES: Final = {
    "connections": ("Connections", ""),
    "trusted": ("Answered: trusted", ""),
    "refused": ("Answered: not trusted", "alarm"),
    "failed": ("Failed handshakes", "alarm"),
    "malformed": ("Malformed requests", "alarm"),
    "turned_away": ("Turned away at a limit", "alarm"),
}
"""Plots, by the names of the rates."""


def page(report: Report) -> str:
    """The page of a report, as `tvs.status.report.StatusReport.to_json` gives it."""
    verdict = report["verdict"]
    title = verdict["sentence"]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", f"{title} - TVS"),
        tag("style", Markup(STYLE)),
    )
    body = tag("body", _header(report), tag("main", *_sections(report)), _footer(), tag("script", Markup(SCRIPT)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _header(report: Report) -> Markup:
    name = f"Trust Verification Service {report['release']}"
    lost = tag("p", "The service does not answer: this is its last report.", class_="stale", role="alert")
    return tag("header", tag("p", name), lost)


def _footer() -> Markup:
    links = [tag("a", text, href=path) for path, text in _LINKS.items()]
    note = tag("p", "Renewed every 5 seconds, while nothing is marked. Times are UTC.")
    return tag("footer", note, tag("p", *(joined((link, " ")) for link in links)))


_LINKS: Final = {"/status.json": "status.json", "/metrics": "metrics", "/readyz": "readyz", "/healthz": "healthz"}


def _sections(report: Report) -> Iterator[Markup]:
    yield _verdict(report["verdict"])
    if (trace := sections.trace(report["trace"])) is not None:
        yield trace
    yield _tiles(report)
    yield _section("The last 30 minutes", _plots(report["rates"]))
    yield _section("Trust lists", sections.lists(report["lists"]), sections.presented(report["presented"]))
    yield _section("Own certificates", sections.certificates(report["certificates"]))
    yield tag(
        "div",
        _section("Handshakes", sections.handshakes(report), sections.profile(report["refused_versions"])),
        _section("Failed and turned away", sections.failures(report)),
        class_="pair",
    )
    yield _section("Signers that were refused", sections.signers([one for one in report["signers"] if one["refused"]]))
    if report["fleet"]["kept"]:
        yield _section("Phones", sections.fleet(report["fleet"]), sections.turned_away(report["fleet"]))
        if report["fleet"]["at_risk"]:
            more = tag("p", "All of them: tvs show phones --at-risk.", class_="quiet")
            yield _section("Phones at risk", sections.at_risk(report["fleet"]["at_risk"]), more)
    yield _section("Last queries", sections.queries(report["queries"]), sections.hidden(report["queries"]))
    if len(report["cluster"]["nodes"]) > 1:
        yield _section("Cluster", sections.nodes(report["cluster"]))
    yield tag(
        "div",
        _section("Caches", sections.caches(report["caches"])),
        _section("Workers", sections.workers(report["workers"])),
        class_="pair",
    )


def _section(title: str, *content: Markup | None) -> Markup:
    return tag("section", tag("h2", title), *content)


# -- the verdict, and numbers ----------------------------------------------------------------------------------------


def _verdict(verdict: Report) -> Markup:
    findings = [
        tag("li", found["sentence"], " ", _since(found["since"]), ". ", tag("strong", "To do: "), found["advice"], ".")
        for found in verdict["findings"]
    ]
    return tag(
        "div",
        tag("h1", verdict["sentence"]),
        tag("p", _since(verdict["since"])),
        tag("ul", *findings) if findings else None,
        class_=f"verdict {verdict['state']}",
        role="status",
    )


def _since(time: float | None) -> Markup | None:
    if time is None:
        return None
    return tag("span", time_tag(time, "since %Y-%m-%d %H:%M:%S"), class_="quiet")


def _tiles(report: Report) -> Markup:
    service, rates = report["service"], report["rates"]
    answer, running = report["latency"]["answer"], sum(worker["state"] == "running" for worker in report["workers"])
    tiles = {
        "Open connections": f"{service['connections']} of {service['limits'].get('connections', '?')}",
        "Answers in a minute": str(sum(last_minute(rates[name]) for name in ("trusted", "refused"))),
        "Answer, median": _milliseconds(answer.get("p50")),
        "Answer, 99 of 100": _milliseconds(answer.get("p99")),
        "Handshake, 99 of 100": _milliseconds(report["latency"].get("handshake", {}).get("p99")),
        "Workers": f"{running} of {len(report['workers'])}",
    }
    return tag(
        "dl",
        *(tag("div", tag("dt", key), tag("dd", text), class_="tile") for key, text in tiles.items()),
        class_="tiles",
    )


def _milliseconds(seconds: float | None) -> str:
    return DASH if seconds is None else f"{seconds * 1000:.3g} ms"


def _plots(rates: Report) -> Markup:
    return tag(
        "div", *(_figure(title, kind, rates[name], rates) for name, (title, kind) in _RATES.items()), class_="plots"
    )


def _figure(title: str, kind: str, values: Sequence[int], rates: Report) -> Markup:
    minute, most = last_minute(values), max(values, default=0)
    said = f"{minute} in the last minute, at most {most} in {rates['interval']} s"
    drawing = plot(values, MAX_INTERVALS, f"{title}: {said}")
    return tag(
        "figure", tag("figcaption", tag("span", title), tag("span", said, class_="quiet")), drawing, class_=kind or None
    )
