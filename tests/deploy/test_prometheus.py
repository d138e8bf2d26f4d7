"""The rules in a real Prometheus that scrapes a real service."""

from __future__ import annotations

import contextlib
import re
import subprocess
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.deploy.promql import selectors
from tests.deploy.promtool import RULES
from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.conftest import Scraping
    from tests.fixtures.processes import Serve
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

ONLY_SOMETIMES: dict[str, str] = {}
"""Selectors that match nothing on a healthy service, with the reason."""


def test_selectors_are_found() -> None:
    """The reader of expressions finds what it must find, and complains about what it does not know."""
    assert selectors('sum without (a, le) (increase(tvs_b_total{c=~"d|e"}[5m])) / instance:x:y1h offset 1w') == {
        'tvs_b_total{c=~"d|e"}',
        "instance:x:y1h",
    }
    with pytest.raises(AssertionError, match="other_metric"):
        selectors("tvs_x + other_metric > 3")


@pytest.mark.parametrize(
    "command",
    [("check", "rules", "--lint=all", "--lint-fatal", "tvs.rules.yml"), ("check", "config", "prometheus.yml")],
)
def test_files_are_valid(require_program: RequireProgram, command: tuple[str, ...]) -> None:
    """promtool finds nothing wrong in the rules and in the scrape example."""
    done = subprocess.run(
        [require_program("promtool"), *command], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True), done.stdout + done.stderr


def test_every_expression_in_a_real_prometheus(asked: Running, scraping: Scraping) -> None:
    """All rules are in order, each of their selectors has a series, and no alert is active on a healthy service."""
    prometheus = scraping(asked)
    wait_until(lambda: all(rule["health"] != "unknown" for rule in prometheus.rules()), "all rules were evaluated")
    rules = prometheus.rules()
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}
    assert len(rules) == len(re.findall("^ +- (?:alert|record):", RULES.read_text(), re.MULTILINE))
    wanted = {selector for rule in rules for selector in selectors(rule["query"])}
    assert len(wanted) > 40

    def missing() -> set[str]:
        return {selector for selector in wanted if not prometheus.series(selector)}

    with contextlib.suppress(pytest.fail.Exception):  # the assertion says more
        wait_until(lambda: missing() == set(ONLY_SOMETIMES), "two scrapes, and evaluations after them")
    assert missing() == set(ONLY_SOMETIMES)
    assert prometheus.states() == {}


def test_scrape_with_the_admin_token(serve: Serve, scraping: Scraping, tmp_path: Path) -> None:
    """With the two lines of the example taken in, a Prometheus shows the token of its file, and is answered."""
    file = tmp_path / "tvs.token"
    file.touch(0o600)
    file.write_text("dG9rZW4tb2YtdGhlLXRlc3Rz\n")
    service = serve("--admin-token-file", str(file))
    let_in, refused = scraping(service, file), scraping(service)
    wait_until(lambda: let_in.series("up == 1"), "a scrape with the token")
    wait_until(lambda: refused.series("up == 0"), "a scrape without it")
    assert let_in.series("tvs_build_info")
    assert not refused.series("tvs_build_info")


def test_metrics_are_as_prometheus_wants_them(asked: Running, require_program: RequireProgram) -> None:
    """promtool finds nothing to complain about in a scrape."""
    with urllib.request.urlopen(f"http://{asked.admin}/metrics", timeout=PATIENCE) as answer:
        text = answer.read()
    done = subprocess.run(
        [require_program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_faults_in_a_real_prometheus(serve: Serve, scraping: Scraping, state: StateDirectory, tmp_path: Path) -> None:
    """A damaged CTL file, a signer that is gone, a key log and a service that ends are seen, and nothing else."""
    service = serve("--tls-keylog", str(tmp_path / "keys.log"))
    prometheus = scraping(service)
    wait_until(lambda: prometheus.states().keys() == {"TVSKeylogEnabled"}, "the key log is seen")
    state.ctl_file.write_bytes(b"damaged")
    with closing(state.store()) as store:
        store.delete(Purpose.ITLRecovery, "ITLRecovery")
    seen = {"TVSKeylogEnabled", "TVSCtlReloadFailed", "TVSCtlSignerUnknown"}
    wait_until(lambda: prometheus.states().keys() == seen, "the lists are seen")
    service.stop()
    wait_until(lambda: "TVSDown" in prometheus.states(), "the end is seen")
