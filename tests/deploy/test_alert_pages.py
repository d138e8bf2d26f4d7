"""Every alert has a section of its runbook, and every rule says what an operator needs."""

from __future__ import annotations

import re

import pytest

from deploy.lock import ROOT
from tests.deploy.promtool import RULES, alert_names

PAGE = (ROOT / "docs" / "alerts.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### (TVS\w+)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
ALERTS = re.findall(r"- alert: (\w+)\n(.*?)(?=\n +- (?:alert|record|name):|\Z)", RULES.read_text(), re.DOTALL)


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    """The page has a section for each alert of the rule file, and none for another one."""
    assert sorted(SECTIONS) == sorted(alert_names())
    assert len(ALERTS) >= len(SECTIONS) > 15


@pytest.mark.parametrize("name", SECTIONS)
def test_sections_say_what_to_do(name: str) -> None:
    """Each says what the alert means for phones, what to look at and what to do."""
    assert re.findall(r"^\*\*(For phones:|Look at|Do:)\*\*", SECTIONS[name], re.MULTILINE) == [
        "For phones:",
        "Look at",
        "Do:",
    ]


@pytest.mark.parametrize(("name", "rule"), ALERTS, ids=[f"{number}-{name}" for number, (name, _) in enumerate(ALERTS)])
def test_rules_lead_to_their_sections(name: str, rule: str) -> None:
    """Each rule has a severity of two, a summary, a description and the place of its section."""
    assert re.search(r"^ +severity: (critical|warning)$", rule, re.MULTILINE)
    assert re.search(r"^ +summary: ", rule, re.MULTILINE)
    assert re.search(r"^ +description: ", rule, re.MULTILINE)
    assert re.search(rf"^ +runbook: docs/alerts\.md#{name.lower()}$", rule, re.MULTILINE)


def test_metrics_of_the_page_exist() -> None:
    """Every metric that the page names is described in docs/operations.md."""
    described = (ROOT / "docs" / "operations.md").read_text("utf-8")
    named = set(re.findall(r"\btvs_[a-z_]+", PAGE))
    assert len(named) > 10
    assert [name for name in sorted(named) if name not in described] == []
