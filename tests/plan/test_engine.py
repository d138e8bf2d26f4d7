"""The plan as a whole: steps, kinds that count, severities, and harm beside what is lost already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from certstore.store import Node
from ctlcache.digests import Digest
from tests.plan.situations import ctl, entry, held, itl
from tvs.plan.engine import plan_change
from tvs.plan.model import Code, Plan, Severity
from tvs.plan.phones import HeldLists, PhoneKind
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind


def codes(plan: Plan, severity: Severity) -> set[Code]:
    """The findings of a severity."""
    return {finding.code for finding in plan.findings if finding.severity is severity}


def test_nothing_changes(site: Site) -> None:
    """Safe, without findings; both lists are described."""
    now = site.situation()
    plan = plan_change([held(now)], now, now, NOW)
    assert plan.safe
    assert plan.harmless
    assert plan.findings == ()
    assert plan.steps == ("nothing",)
    assert plan.lists[0] == f"CTLFile.tlv: {len(now.ctl or b'')} bytes, 2 records, SHA-1, signed by CN=pub;O=Cisco 11"
    assert len(plan.outcomes) == len(plan.present) == len(PhoneKind)


def test_phones_after_each_step(site: Site, stranger: KeyFileSigner) -> None:
    """Of two steps, phones boot after the first, after both, and after the second alone."""
    now, last = site.situation(), site.regenerated(call_manager=stranger)
    first = replace(last, ctl=now.ctl)
    plan = plan_change([held(now)], now, first, NOW, later=last, title="regenerate CallManager")
    assert plan.steps == ("regenerate CallManager", "tvs utils ctl update CTLFile")
    steps = [outcome.step for outcome in plan.outcomes if outcome.kind is WITH_TVS]
    assert steps == [0, 1, 1]
    assert plan.lists[0].endswith("signed by CN=stranger;O=Elsewhere 0BADCAFE"), "the lists of the last step"


def test_only_kinds_that_count_make_it_unsafe(site: Site, stranger: KeyFileSigner) -> None:
    """The same refusal is an error for phones that the cluster has, else a note."""
    now, after = site.situation(), site.regenerated(call_manager=stranger)
    for counted, severity in (({WITH_TVS}, Severity.NOTE), ({WITH_TVS, WITHOUT_TVS}, Severity.ERROR)):
        plan = plan_change([held(now)], now, after, NOW, phones=frozenset(counted))
        assert Code.PHONES_WITHOUT_TVS in codes(plan, severity)
        assert plan.safe is plan.harmless is (severity is Severity.NOTE)


def test_a_finding_stands_once_with_its_worst_severity(site: Site) -> None:
    """Several held lists and steps with the same cause are one finding; the worst come first."""
    now = site.situation()
    after = replace(now, ctl=ctl(site.call_manager, digest=Digest.SHA512))
    lists = [held(now), HeldLists(ctl=now.ctl), HeldLists()]
    plan = plan_change(lists, now, after, NOW, later=after, phones=frozenset({TLS10}))
    digests = [finding for finding in plan.findings if finding.code is Code.DIGEST_UNKNOWN]
    assert [finding.severity for finding in digests] == [Severity.ERROR, Severity.NOTE], "7975 and 7960"
    order = [list(Severity).index(finding.severity) for finding in plan.findings]
    assert order == sorted(order)


def test_harm_beside_what_is_lost_already(site: Site, stranger: KeyFileSigner) -> None:
    """A change is harmless if phones refuse the same lists without it; one list or one phone more is harm."""
    phones = held(site.situation())
    lost = replace(site.situation(), ctl=ctl(stranger), watches_other=True, watched=site.situation().ctl)
    same = plan_change([phones], lost, lost, NOW)
    assert (same.safe, same.harmless) == (False, True)
    itl_too = replace(lost, itl=itl(stranger, site.tvs.certificate))
    assert not plan_change([phones], lost, itl_too, NOW).harmless
    others = HeldLists(ctl=lost.ctl, ctl_name=phones.ctl_name, itl=phones.itl, itl_name=phones.itl_name)
    assert phones.name == others.name, "they are told apart by what they hold"
    back = replace(lost, ctl=ctl(site.recovery), entries=())
    assert plan_change([phones, others], lost, back, NOW).harmless
    assert not plan_change([phones, others], lost, replace(lost, ctl=b"rubbish"), NOW).harmless


def test_changed_together(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """CallManager and TVS: an error where phones refuse a list for it; with ITLRecovery all three are named."""
    now = site.situation()
    plan = plan_change([held(now)], now, site.regenerated(call_manager=stranger, tvs=twin), NOW)
    (finding,) = (finding for finding in plan.findings if finding.code is Code.CHANGED_TOGETHER)
    assert finding.severity is Severity.ERROR
    assert finding.sentence.startswith("CallManager and TVS changed together: phones that hold ITLFile.tlv")
    everything = site.regenerated(call_manager=stranger, tvs=twin, recovery=twin)
    plan = plan_change([held(now)], now, everything, NOW)
    (finding,) = (finding for finding in plan.findings if finding.code is Code.CHANGED_TOGETHER)
    assert finding.sentence.startswith("CallManager, TVS and ITLRecovery changed together")


def test_expiry(site: Site) -> None:
    """Own certificates and those of lists: soon is 30 days, and each is named once."""
    now = site.situation()
    ends = max(entry.certificate.not_after for entry in now.entries)
    for days, code in ((31, None), (29, Code.CERTIFICATE_EXPIRES), (-1, Code.CERTIFICATE_EXPIRED)):
        plan = plan_change([held(now)], now, now, ends - timedelta(days=days))
        found = [f for f in plan.findings if f.code in (Code.CERTIFICATE_EXPIRES, Code.CERTIFICATE_EXPIRED)]
        assert {finding.code for finding in found} == ({code} if code else set())
        assert len(found) == (3 if code else 0)
        assert plan.safe


def test_files_and_mode(site: Site) -> None:
    """No CTL file in mixed mode, and one in non-secure mode: warnings."""
    now = site.situation()
    for after, code in (
        (replace(now, ctl=None), Code.CTL_MISSING),
        (replace(now, mixed_mode=False), Code.CTL_LEFT_OVER),
    ):
        assert code in codes(plan_change([held(now)], now, after, NOW), Severity.WARNING)


def test_nodes_and_profile(site: Site) -> None:
    """A node without certificates is named for each; a profile from TLS 1.2 on is a note, or a warning."""
    now = site.situation()
    node = Node(name="sub1", address="192.0.2.1", publisher=False)
    plan = plan_change([held(now)], now, now.with_node(node), NOW)
    lacking = [f.sentence for f in plan.findings if f.code is Code.NODE_WITHOUT_CERTIFICATE]
    assert [sentence.partition(":")[0] for sentence in lacking] == [
        "node sub1 has no CallManager certificate",
        "node sub1 has no TVS certificate",
    ]
    modern = replace(now, profile=TLSProfile.MODERN)
    for phones, severity in (({WITH_TVS}, Severity.NOTE), ({TLS10}, Severity.WARNING)):
        plan = plan_change([held(now)], now, modern, NOW, phones=frozenset(phones))
        assert Code.PROFILE_REFUSES_7900 in codes(plan, severity)


def test_an_outdated_list(site: Site, stranger: KeyFileSigner) -> None:
    """A list without a certificate that the cluster has: a note for each list that lacks it."""
    now = site.situation()
    after = now.with_own(Purpose.CallManager, stranger.certificate)
    plan = plan_change([held(now)], now, after, NOW)
    outdated = [finding.sentence for finding in plan.findings if finding.code is Code.LIST_OUTDATED]
    assert [sentence.partition(" ")[0] for sentence in outdated] == ["CTLFile.tlv", "ITLFile.tlv"]


def test_a_database_without_nodes(site: Site, stranger: KeyFileSigner) -> None:
    """A store that was filled by hand can be planned too."""
    bare = replace(site.situation(), nodes=(), entries=(), ctl=None, itl=None)
    after = bare.with_trusted(Purpose.Phone_trust, [stranger.certificate])
    assert plan_change([], bare, after, NOW).safe
    assert not plan_change([], after, bare, NOW).findings[0].sentence.startswith("node")


def test_a_withdrawal_has_ways_out_of_its_own(site: Site, stranger: KeyFileSigner) -> None:
    """For a signer that only the change takes from TVS, the way out is not to load it first."""
    phones = held(site.situation())
    data = itl(stranger, site.tvs.certificate)
    before = replace(site.situation(entry(Purpose.Phone_SAST_trust, stranger.certificate)), itl=data)
    after = replace(site.situation(), itl=data)
    for start, text in ((before, "keep the signer's certificate"), (after, "load the signer's certificate first")):
        plan = plan_change([phones], start, after, NOW)
        unknown = [finding for finding in plan.findings if finding.code is Code.SIGNER_UNKNOWN]
        assert unknown[0].severity is Severity.ERROR
        assert all(finding.way_out.startswith(text) for finding in unknown)
