"""Texts of a plan: lines for people, JSON for programs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.plan.situations import ctl, held
from tvs.plan import HeldLists, PhoneKind, plan_change, plan_json, plan_text

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_phones_that_decide_alike_stand_together(site: Site) -> None:
    """Four held lists with the same outcome: three names, and the number of the others."""
    now = site.situation()
    lists = [replace(held(now), ctl_name=f"CTL{number}", itl_name="") for number in range(5)]
    lines = plan_text(plan_change(lists, now, now, NOW)).splitlines()
    assert lines[0] == "Change: nothing"
    assert lines.count("    holding CTL0; CTL1; CTL2; and 2 more") == len(PhoneKind)
    assert "  * not said to be in this cluster (tvs set phones, or --phones): no reason to stop" in lines
    assert lines[-1] == "Safe: no phone is lost."


def test_the_last_line(site: Site) -> None:
    """Safe, lost, or lost with or without the change; the files as they are cannot be blamed on a change."""
    now = site.situation()
    lost = replace(now, ctl=b"rubbish")
    for before, title, line in (
        (now, "update", "Phones would be lost."),
        (lost, "update", "Phones would be lost, with or without this change."),
        (lost, "nothing", "Phones would be lost."),
    ):
        plan = plan_change([held(now)], before, lost, NOW, title=title)
        assert plan_text(plan).splitlines()[-1] == line


def test_json(site: Site, stranger: KeyFileSigner) -> None:
    """The keys that scripts read, with TVS's answer where a phone asked."""
    now, after = site.situation(), site.regenerated(call_manager=stranger)
    facts = plan_json(plan_change([held(now), HeldLists()], now, after, NOW, title="t"))
    assert list(facts) == ["change", "safe", "phones", "steps", "lists", "outcomes", "findings"]
    outcomes = facts["outcomes"]
    assert isinstance(outcomes, list)
    assert set(outcomes[0]) == {"kind", "phones", "held", "step", "ctl", "itl"}
    assert outcomes[0]["held"] == "CTLFile.tlv and ITLFile.tlv"
    assert outcomes[0]["ctl"]["tvs_answer"] == {
        "subject": "CN=stranger;O=Elsewhere",
        "serial_number": "0BADCAFE",
        "roles": [0, 2],
        "source": "db",
    }
    assert outcomes[1]["held"] == "no list"
    findings = facts["findings"]
    assert isinstance(findings, list)
    assert set(findings[0]) == {"code", "severity", "sentence", "way_out"}
    refused = plan_json(plan_change([held(now)], now, replace(now, ctl=ctl(site.call_manager)[:-9]), NOW))
    assert "refusal" in str(refused["outcomes"])
