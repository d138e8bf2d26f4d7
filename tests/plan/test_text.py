"""Texts of a plan: lines for people, JSON for programs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ctlcache.digests import Digest
from tests.plan.situations import ctl, held
from tvs.plan.engine import plan_change
from tvs.plan.phones import HeldLists, PhoneKind
from tvs.plan.text import plan_json, plan_text

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
    assert "  * not known to be in this cluster (tvs show phones --kinds): no reason to stop" in lines
    assert lines[-1] == "Safe: no phone is lost."


def headings(lines: list[str]) -> list[str]:
    """Headings of groups, each behind those that it stands under."""
    above, found = ["", ""], []
    for line in lines:
        if line.startswith("What phones do"):
            above = [line, ""]
        elif line.startswith("  phones "):
            above[1] = line
        elif "holding " in line:
            found.append("/".join([*above, line]))
    return found


def test_no_two_groups_have_one_heading(site: Site, stranger: KeyFileSigner) -> None:
    """Phones that booted after the first step decide otherwise after the second: their groups say so."""
    now, later = site.situation(), site.regenerated(call_manager=stranger)
    after = replace(later, ctl=now.ctl)
    lines = plan_text(plan_change([held(now)], now, after, NOW, later=later, title="first step")).splitlines()
    found = headings(lines)
    assert len(found) == len(set(found))
    assert [line.strip() for line in lines if "holding CTLFile.tlv and ITLFile.tlv" in line][-4:] == [
        "booted after each step, holding CTLFile.tlv and ITLFile.tlv",
        "booted after this step only, holding CTLFile.tlv and ITLFile.tlv",
    ] * 2


def test_a_serial_number_that_does_not_exist_yet(site: Site, stranger: KeyFileSigner) -> None:
    """A certificate that the change makes is new; one that exists already keeps its serial number."""
    now, after = site.situation(), site.regenerated(call_manager=stranger)
    made = frozenset({stranger.certificate})
    plan = plan_change([held(now)], now, after, NOW, made=made)
    text = plan_text(plan)
    assert "-> " + plan.lists[0].split("-> ")[1] in text
    assert plan.lists[0].endswith("signed by CN=stranger;O=Elsewhere new")
    assert "accepts after asking TVS: CN=stranger;O=Elsewhere new (SAST, CCM+TFTP; from the DB cache)" in text
    assert "0BADCAFE" not in text + str(plan_json(plan))
    assert "0BADCAFE" in plan_text(plan_change([held(now)], now, after, NOW))


def test_phones_that_cannot_verify_a_list(site: Site) -> None:
    """They never installed it: they hold none, and refuse the same one."""
    now = replace(site.situation(), ctl=ctl(site.call_manager, digest=Digest.SHA512))
    lines = plan_text(plan_change([held(now)], now, now, NOW)).splitlines()
    tls10 = lines.index("  phones with TVS, TLS 1.0 only (7900, 69xx, 89xx, 99xx series) *")
    assert lines[tls10 + 1 : tls10 + 4] == [
        "    holding ITLFile.tlv",
        "      CTL  refuses: it is signed with SHA512; CP-7975 knows SHA1",
        "      ITL  has it already",
    ]
    assert "    holding no list that they can verify" in lines


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
    assert list(facts) == ["change", "safe", "phones", "steps", "lists", "outcomes", "findings", "servers", "fleet"]
    outcomes = facts["outcomes"]
    assert isinstance(outcomes, list)
    assert set(outcomes[0]) == {"kind", "phones", "held", "step", "booted_before", "ctl", "itl"}
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
