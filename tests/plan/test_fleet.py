"""The recorded phones in a plan: kinds, numbers, who would be lost, and what makes a change unsafe."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.plan.situations import ctl, held, itl
from tvs.plan.engine import plan_change
from tvs.plan.evidence import Possible
from tvs.plan.fleet import Fleet, Recorded
from tvs.plan.model import Code, Fate, Plan, Seen, Severity, TurnedAway
from tvs.plan.phones import HeldLists, PhoneKind
from tvs.plan.text import plan_json, plan_text
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site
    from tvs.cluster.situation import Situation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind


def recorded(
    kind: PhoneKind, *names: str, lists: HeldLists | None = None, seen: Seen = Seen.SINCE, refuses: bool = False
) -> Recorded:
    """Phones that hold these lists, or of which nothing is known."""
    possible = None if lists is None else Possible(lists=(lists,), refuses=refuses)
    return Recorded(kind=kind, seen=seen, possible=possible, names=names)


def regenerated(site: Site, signer: KeyFileSigner) -> Situation:
    """Another CallManager, which signs both lists; the other certificates stay."""
    return replace(site, call_manager=signer).situation()


def plan(now: Situation, after: Situation, fleet: Fleet, *more: HeldLists, lists: bool = True) -> Plan:
    """The plan with a fleet; phones of which nothing is known hold the present lists and these."""
    return plan_change(
        [*([held(now)] if lists else []), *more], now, after, NOW, phones=fleet.kinds, fleet=fleet, title="a change"
    )


def errors(found: Plan) -> set[Code]:
    """The findings for which a change is refused."""
    return {finding.code for finding in found.findings if finding.severity is Severity.ERROR}


def test_kinds_that_were_seen_count(site: Site, stranger: KeyFileSigner) -> None:
    """A 7960 of the inventory makes a change unsafe, and is named; phones with TVS count also if none was seen."""
    now, after = site.situation(), regenerated(site, stranger)
    old = recorded(WITHOUT_TVS, "CP-7960-SEP000000000001", seen=Seen.NEVER)
    new = recorded(WITH_TVS, "CP-8861-SEP000000000002", "CP-8861-SEP000000000003")
    fleet = Fleet(phones=(old, new))
    assert fleet.kinds == {WITH_TVS, WITHOUT_TVS}
    assert Fleet(phones=(old,)).kinds == {WITH_TVS, WITHOUT_TVS}
    assert Fleet(phones=(old,), inventory=True).kinds == {WITHOUT_TVS}
    found = plan(now, after, fleet)
    assert errors(found) == {Code.PHONES_WITHOUT_TVS}
    assert found.fleet is not None
    assert found.fleet.names(Fate.LOST) == ("CP-7960-SEP000000000001",)
    assert found.fleet.sentence == "would be lost: 1 of 3 recorded phones (CP-7960-SEP000000000001)"
    assert "  would be lost             1  CP-7960-SEP000000000001" in plan_text(found)
    assert plan_json(found)["fleet"] == {
        "recorded": 3,
        "inventory": False,
        "takes": {"phones": 2, "names": []},
        "lost": {"phones": 1, "names": ["CP-7960-SEP000000000001"]},
        "already": {"phones": 0, "names": []},
        "unknown": {"phones": 0, "names": []},
        "behind": [],
        "turned_away": {"addresses": 0, "old_tls": [], "others": []},
        "problem": "",
    }


def test_phones_behind(site: Site, stranger: KeyFileSigner) -> None:
    """A phone that did not move is lost by the next change, though the lists that it holds were replaced long ago."""
    first = site.situation()
    now = replace(site, tvs=stranger).situation()
    after = replace(site, tvs=stranger, call_manager=site.recovery, recovery=site.recovery).situation()
    late = recorded(WITH_TVS, "CP-8861-SEP000000000001", lists=replace(held(first), ctl_name="old"), seen=Seen.BEFORE)
    moved = recorded(WITH_TVS, *(f"CP-8861-SEP00000000001{number}" for number in range(4)), lists=held(now))
    found = plan(now, now, Fleet(phones=(late, moved)))
    assert found.safe, "it takes the present lists"
    unknown_signer = replace(after, itl=itl(stranger, stranger.certificate), ctl=ctl(stranger))
    found = plan(now, unknown_signer, Fleet(phones=(late, moved)))
    assert Code.PHONES_BEHIND in errors(found)
    assert found.fleet is not None
    assert "CP-8861-SEP000000000001" in found.fleet.behind
    assert not found.harmless
    assert not found.helps


def test_an_inventory_tells_that_all_have_moved(site: Site, stranger: KeyFileSigner) -> None:
    """Lists that were replaced within a day do not count if every phone of the inventory is known to have moved."""
    first = site.situation()
    now = replace(site, tvs=stranger).situation()
    after = replace(now, ctl=ctl(stranger), itl=itl(stranger, stranger.certificate), entries=now.entries[:2])
    before = replace(held(first), ctl=None, itl=itl(site.recovery, site.tvs.certificate), ctl_name="no CTL")
    moved = recorded(WITH_TVS, "CP-8861-SEP000000000001", lists=held(now))
    for inventory in (False, True):
        found = plan(now, now, Fleet(phones=(moved,), inventory=inventory), before)
        names = {outcome.held.ctl_name for outcome in found.outcomes if outcome.kind is WITH_TVS}
        assert names == ({"CTLFile.tlv"} if inventory else {"CTLFile.tlv", "no CTL"})
    unmoved = recorded(WITH_TVS, "CP-8861-SEP000000000002")
    found = plan(now, after, Fleet(phones=(moved, unmoved), inventory=True), before)
    assert {outcome.held.ctl_name for outcome in found.outcomes if outcome.kind is WITH_TVS} == {
        "CTLFile.tlv",
        "no CTL",
    }


def test_an_inventory_of_phones_that_refused(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """A change is planned for its phones, though of all that is known is that they once refused the present lists."""
    now = site.situation()
    after = replace(site, call_manager=stranger, tvs=twin, recovery=twin).situation()
    nothing = Possible(lists=(), whole=False, refuses=True)
    refused = Recorded(kind=WITH_TVS, seen=Seen.SINCE, possible=nothing, names=("CP-8861-SEP000000000001",))
    found = plan(now, after, Fleet(phones=(refused,), inventory=True))
    assert WITH_TVS in {outcome.kind for outcome in found.outcomes}
    assert Code.CHANGED_TOGETHER in errors(found)


def test_phones_that_are_lost_already(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """A phone that refuses the present lists stands in no change's way, and is named with each."""
    now, after = site.situation(), replace(site, tvs=twin).situation()
    foreign = HeldLists(ctl=ctl(stranger), itl=itl(stranger, stranger.certificate), ctl_name="c", itl_name="i")
    lost = recorded(WITH_TVS, "CP-8861-SEP000000000001", lists=foreign, refuses=True)
    moved = recorded(WITH_TVS, "CP-8861-SEP000000000002", lists=held(now))
    found = plan(now, after, Fleet(phones=(lost, moved), inventory=True))
    assert found.safe
    assert next(finding.code for finding in found.findings if finding.severity is Severity.WARNING) is Code.PHONES_LOST
    assert found.fleet is not None
    assert found.fleet.names(Fate.ALREADY) == ("CP-8861-SEP000000000001",)
    assert "refuse the lists with or without it: 1" in found.fleet.sentence


def test_phones_that_refused_and_would_not_now(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """A phone that refused the present lists, and takes them now that TVS vouches for them, is lost by the change."""
    now = site.situation()
    after = replace(site, call_manager=stranger, tvs=twin, recovery=twin).situation()
    before = HeldLists(ctl=ctl(twin), itl=itl(twin, site.tvs.certificate), ctl_name="c", itl_name="i")
    fleet = Fleet(phones=(recorded(WITH_TVS, "CP-8861-SEP000000000001", lists=before, refuses=True),))
    for situation, fate in ((now, Fate.TAKES), (after, Fate.LOST)):
        found = plan(now, situation, fleet)
        assert found.fleet is not None
        assert list(found.fleet.fates) == [fate]
        assert found.fleet.behind == (() if fate is Fate.TAKES else ("CP-8861-SEP000000000001",))
        assert Code.PHONES_LOST not in {finding.code for finding in found.findings}


def test_what_is_not_known_is_said(site: Site, stranger: KeyFileSigner) -> None:
    """Phones that are lost with one of the lists that they may hold, and not with another, are unknown."""
    now, after = site.situation(), regenerated(site, stranger)
    elsewhere = HeldLists(ctl=ctl(stranger), ctl_name="the new one already")
    names = [f"CP-7960-SEP{number:012X}" for number in range(5)]
    fleet = Fleet(phones=(recorded(WITHOUT_TVS, *names, seen=Seen.NEVER),))
    found = plan(now, after, fleet, elsewhere)
    assert found.fleet is not None
    assert found.fleet.fates == {Fate.UNKNOWN: {Seen.NEVER: tuple(names)}}
    assert found.fleet.sentence == f"unknown: 5, never seen ({', '.join(names[:3])}, …)"
    assert found.fleet.number == 5
    some = Possible(lists=(held(now),), whole=False)
    late = Recorded(kind=WITHOUT_TVS, seen=Seen.BEFORE, possible=some, names=("CP-7960-SEP00000000000A",))
    found = plan(now, after, Fleet(phones=(late,)))
    assert found.fleet is not None
    assert found.fleet.names(Fate.UNKNOWN) == ("CP-7960-SEP00000000000A",)


def test_phones_that_were_turned_away(site: Site, stranger: KeyFileSigner) -> None:
    """Addresses that offered TLS 1.0 are phones of that kind, whatever an inventory says; others are named."""
    now, after = replace(site.situation(), profile=TLSProfile.COMPATIBLE), regenerated(site, stranger)
    after = replace(after, profile=TLSProfile.COMPATIBLE)
    new = recorded(WITH_TVS, "CP-8861-SEP000000000001")
    others = Fleet(phones=(new,), inventory=True, turned_away=TurnedAway(others=("192.0.2.1",)))
    assert others.kinds == {WITH_TVS}
    found = plan(now, after, others)
    assert found.safe
    assert "1 address (192.0.2.1) failed in the handshake with TVS" in plan_text(found)
    old = replace(others, turned_away=TurnedAway(old=("192.0.2.2", "192.0.2.3"), others=("192.0.2.1",)))
    assert old.kinds == {WITH_TVS, TLS10}
    found = plan(now, after, old)
    assert errors(found) == {Code.TVS_TLS}
    warnings = [finding.code for finding in found.findings if finding.severity is Severity.WARNING]
    assert warnings.count(Code.PHONES_TURNED_AWAY) == 2
    assert found.fleet is not None
    assert found.fleet.sentence == "turned away in the handshake: 3 addresses (192.0.2.2, 192.0.2.3, 192.0.2.1)"
    assert "  turned away               3  addresses: 192.0.2.2, 192.0.2.3, 192.0.2.1" in plan_text(found)
    said = plan_json(found)["fleet"]
    assert isinstance(said, dict)
    assert said["turned_away"] == {"addresses": 3, "old_tls": ["192.0.2.2", "192.0.2.3"], "others": ["192.0.2.1"]}
    assert plan(now, now, old).safe, "they take lists whose signer they know"
    only_tvs = plan_change([held(now)], now, after, NOW, phones=frozenset({WITH_TVS}), fleet=old)
    assert only_tvs.safe
    severities = {finding.severity for finding in only_tvs.findings if "192.0.2.2" in finding.sentence}
    assert severities == {Severity.NOTE}, "the administrator says that there are no such phones"
