"""The Grafana dashboard: its shape against Grafana's published types, its expressions in a real Prometheus.

Grafana itself is not run: it is in no registry that the tests could take it from.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.promql import selectors
from tests.deploy.promtool import RULES
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.deploy.conftest import Scraping
    from tests.fixtures.running import Running

    Compile = Callable[[dict[str, Any]], str]

DASHBOARD = RULES.parents[1] / "grafana" / "tvs.json"
SHAPE = RULES.parents[2] / "tests" / "deploy" / "dashboard.ts"
COLUMNS = 24
"""Columns of Grafana's grid."""
FIRING = 'ALERTS{alertname=~"TVS.*",alertstate="firing",instance=~".*"}'
"""The one selector that has no series on a healthy service; its panel shows 0 then."""
VARIABLES = {"$__rate_interval": "5s", "$instance": ".*"}
"""What stands for Grafana's variables where an expression is run."""


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    """The dashboard."""
    document: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return document


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Its panels without the rows."""
    return (panel for panel in dashboard["panels"] if panel["type"] != "row")


def expressions(dashboard: dict[str, Any]) -> set[str]:
    """The expressions of panels and annotations, runnable."""
    found = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    found += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    for name, value in VARIABLES.items():
        found = [expression.replace(name, value) for expression in found]
    assert not [expression for expression in found if "$" in expression]
    return set(found)


@pytest.fixture
def compiled(web: Path, tmp_path: Path) -> Compile:
    """A function that has tsc compare a dashboard with Grafana's types, and returns what it complains about."""

    def compare(dashboard: dict[str, Any]) -> str:
        literals = [("Dashboard", dashboard | {"panels": []})]
        literals += [(f"{panel['type'].capitalize()}Panel", panel) for panel in dashboard["panels"]]
        source = tmp_path / "dashboard.ts"
        lines = (f"({json.dumps(value, indent=1)}) satisfies {kind};\n" for kind, value in literals)
        source.write_text(SHAPE.read_text() + "".join(lines))
        (tmp_path / "node_modules").symlink_to(web / "node_modules")
        options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--moduleResolution", "bundler"]
        tsc = [str(web / "bin" / "node"), str(web / "node_modules/typescript/bin/tsc"), *options, "--module", "esnext"]
        done = subprocess.run([*tsc, str(source)], capture_output=True, text=True, check=False)
        (tmp_path / "node_modules").unlink()
        assert done.stderr == ""
        assert (done.returncode == 0) is (done.stdout == ""), done.stdout
        return done.stdout

    return compare


def test_shape(dashboard: dict[str, Any], compiled: Compile) -> None:
    """Grafana's types for dashboards, and for the options of each kind of panel, are satisfied."""
    assert compiled(dashboard) == ""


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda dashboard: dashboard | {"titel": "x"}, "titel"),
        (lambda dashboard: dashboard | {"refresh": 30}, "number"),
        (lambda dashboard: altered(dashboard, "stat", "options", "graphMode", "aera"), "aera"),
        (lambda dashboard: altered(dashboard, "timeseries", "options", "legend", {}), "displayMode"),
        (lambda dashboard: altered(dashboard, "table", "gridPos", "width", 3), "width"),
    ],
    ids=["a name", "a type", "a value", "what is missing", "a panel"],
)
def test_wrong_shapes_are_found(
    dashboard: dict[str, Any], compiled: Compile, spoil: Callable[[dict[str, Any]], dict[str, Any]], complaint: str
) -> None:
    """Misspelt names and values, wrong types and missing parts are complained about: the check can fail."""
    assert complaint in compiled(spoil(dashboard))


def altered(dashboard: dict[str, Any], kind: str, part: str, name: str, value: object) -> dict[str, Any]:
    """The dashboard with one thing changed in the first panel of a kind."""
    copy: dict[str, Any] = json.loads(json.dumps(dashboard))
    next(panel for panel in copy["panels"] if panel["type"] == kind)[part][name] = value
    return copy


def test_identity(dashboard: dict[str, Any]) -> None:
    """The dashboard has a fixed uid, takes its data source from a variable everywhere, and numbers its panels."""
    assert dashboard["uid"] == "tvs-overview"
    assert "id" not in dashboard
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "instance"]
    sources = re.findall(r'"datasource": \{"type": "prometheus", "uid": "(.*?)"\}', json.dumps(dashboard))
    assert {*sources} == {"${datasource}"}
    assert len(sources) == json.dumps(dashboard).count('"datasource": ')
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len({*numbers}) == len(numbers)
    assert all(panel["title"] and panel["description"] for panel in panels(dashboard))


def test_layout(dashboard: dict[str, Any]) -> None:
    """No two panels share a place, and each row is full."""
    taken: dict[tuple[int, int], int] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["id"]) == panel["id"], panel["title"]
    assert {x for x, _ in taken} == {*range(COLUMNS)}
    bottom = max(y for _, y in taken)
    assert len(taken) == COLUMNS * (bottom + 1), "a gap"


def test_every_expression_in_a_real_prometheus(dashboard: dict[str, Any], asked: Running, scraping: Scraping) -> None:
    """Each expression of panels and annotations runs, and each of its selectors has a series."""
    prometheus = scraping(asked)
    found = expressions(dashboard)
    assert len(found) > 40
    wanted = {selector for expression in found for selector in selectors(expression)}
    wait_until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), "all rules were evaluated")

    def missing() -> set[str]:
        return {selector for selector in wanted - {FIRING} if not prometheus.series(selector)}

    with contextlib.suppress(pytest.fail.Exception):  # the assertion says more
        wait_until(lambda: missing() == set(), "two scrapes, and evaluations after them")
    assert missing() == set()
    assert FIRING in wanted
    for expression in sorted(found):
        prometheus.get("query", query=expression)
