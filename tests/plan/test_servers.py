"""The plan with TVS servers as they were met: what phones do there, and findings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from certstore.store import Node
from ctlcache.builder import build_trust_list
from ctlcache.entries import itl_entries
from ctlcache.trustlist import parse_trust_list
from tests.plan.situations import NAME, ctl, entry, held, itl
from tvs.plan.engine import plan_change
from tvs.plan.model import Code, Severity
from tvs.plan.phones import HeldLists, PhoneKind
from tvs.plan.servers import SeenAnswer, SeenServer
from tvs.plan.text import plan_json, plan_text
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.plan.situations import Site
    from tvs.cluster.situation import Situation
    from tvs.plan.model import Finding, Plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind
ASKING = frozenset({WITH_TVS, TLS10})
WHERE = "127.0.0.1:2445"
SERVER_CODES = {Code.SERVICE_BEHIND, Code.SERVER_UNREACHABLE, Code.SERVER_ANSWERS_OTHERWISE}


def met(certificate: bytes | None, **facts: object) -> SeenServer:
    """The publisher's server as it was met."""
    return replace(SeenServer(node=NAME.upper(), where=WHERE, certificate=certificate, tls10=True), **facts)  # type: ignore[arg-type] # forwarded


def signed_by(situation: Situation, signer: KeyFileSigner, recovery: bytes) -> Situation:
    """The situation with lists of a signer that TVS vouches for, and that no phone has in its lists."""
    tvs = situation.require(Purpose.TVS)
    trusted = situation.with_trusted(Purpose.Phone_SAST_trust, [signer.certificate])
    return replace(trusted, ctl=ctl(signer), itl=itl(signer, tvs, recovery))


def planned(
    site: Site, signer: KeyFileSigner, *servers: SeenServer, phones: frozenset[PhoneKind] = ASKING, **changed: object
) -> Plan:
    """The plan of lists for which phones ask TVS."""
    now = replace(site.situation(), **changed)  # type: ignore[arg-type] # forwarded
    after = signed_by(now, signer, site.recovery.certificate)
    return plan_change([held(now)], now, after, NOW, phones=phones, servers=servers)


def about(plan: Plan) -> list[Finding]:
    """The findings about servers."""
    return [finding for finding in plan.findings if finding.code in SERVER_CODES]


def one(plan: Plan) -> Finding:
    """The only finding about servers."""
    (finding,) = about(plan)
    return finding


def refusing(plan: Plan) -> set[PhoneKind]:
    """The kinds of phones that refuse a list."""
    return {outcome.kind for outcome in plan.outcomes if outcome.boot.refused}


def test_a_server_as_it_should_be(site: Site, stranger: KeyFileSigner) -> None:
    """Nothing is said of it, and phones do what they do at the servers of database and settings."""
    said = planned(site, stranger)
    plan = planned(site, stranger, met(site.tvs.certificate))
    assert about(plan) == about(said) == []
    assert plan.outcomes == said.outcomes
    assert plan.safe is said.safe is True
    assert plan_json(plan)["servers"][0]["server"] == WHERE  # type: ignore[index] # a list of objects
    assert plan_json(said)["servers"] == []


def test_another_certificate(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """Phones with the database's certificate in their ITL refuse the server: an error if they need it, else not."""
    behind = met(twin.certificate)
    plan = planned(site, stranger, behind)
    finding = one(plan)
    assert (finding.code, finding.severity) == (Code.SERVICE_BEHIND, Severity.ERROR)
    assert NAME.upper() in finding.sentence
    kinds = f"{WITH_TVS.phones} and {TLS10.phones}"
    assert finding.sentence.endswith(f": {kinds} refuse CTLFile.tlv and ITLFile.tlv")
    assert "systemctl reload tvs" in finding.way_out
    assert not plan.safe
    assert not plan.harmless
    assert refusing(plan) == {*ASKING, WITHOUT_TVS}
    assert one(planned(site, stranger, behind, phones=frozenset({WITHOUT_TVS}))).severity is Severity.WARNING
    now = site.situation()
    same = plan_change([held(now)], now, now, NOW, phones=ASKING, servers=[behind])
    assert one(same).severity is Severity.WARNING
    assert same.safe


def test_a_change_of_the_certificate_is_followed(site: Site, stranger: KeyFileSigner, twin: KeyFileSigner) -> None:
    """A server that agrees with the database before a change presents what the database has after it, when reloaded."""
    now = site.situation()
    after = replace(now.with_own(Purpose.TVS, twin.certificate), ctl=ctl(stranger))
    after = after.with_trusted(Purpose.Phone_SAST_trust, [stranger.certificate])
    said = plan_change([held(now)], now, after, NOW, phones=ASKING)
    plan = plan_change([held(now)], now, after, NOW, phones=ASKING, servers=[met(site.tvs.certificate)])
    assert plan.outcomes == said.outcomes
    assert {finding.code for finding in plan.findings} == {finding.code for finding in said.findings}
    assert Code.TVS_NOT_IN_ITL in {finding.code for finding in plan.findings}


def test_a_profile_that_is_not_in_use(site: Site, stranger: KeyFileSigner) -> None:
    """Settings say legacy, the server refuses TLS 1.0: an error for such phones if they are in the cluster."""
    behind = met(site.tvs.certificate, tls10=False)
    plan = planned(site, stranger, behind)
    assert (one(plan).code, one(plan).severity) == (Code.SERVICE_BEHIND, Severity.ERROR)
    assert "TLS 1.0" in one(plan).sentence
    assert TLS10.phones in one(plan).sentence
    assert refusing(plan) == {TLS10, WITHOUT_TVS}
    assert one(planned(site, stranger, behind, phones=frozenset({WITH_TVS}))).severity is Severity.WARNING


def test_a_profile_that_serves_more_than_the_settings(site: Site, stranger: KeyFileSigner) -> None:
    """Settings say compatible, the server takes TLS 1.0: phones are answered now, and would not be after a reload."""
    served = met(site.tvs.certificate, tls10=True)
    plan = planned(site, stranger, served, profile=TLSProfile.COMPATIBLE)
    assert one(plan).severity is Severity.WARNING
    assert refusing(plan) == {WITHOUT_TVS}
    assert not plan.safe, "the settings lose them"
    assert Code.TVS_TLS in {finding.code for finding in plan.findings}
    without = planned(site, stranger, served, profile=TLSProfile.COMPATIBLE, phones=frozenset({WITH_TVS}))
    assert one(without).severity is Severity.NOTE
    assert without.safe
    not_tried = replace(served, tls10=None)
    assert about(planned(site, stranger, not_tried, profile=TLSProfile.COMPATIBLE)) == []


def test_a_server_that_is_not_reached(site: Site, stranger: KeyFileSigner) -> None:
    """An error if phones need it, and no other server of the cluster is reached; a note if no service was seen."""
    away = met(None, problem=f"{WHERE} does not accept the connection", tls10=None)
    plan = planned(site, stranger, away)
    assert (one(plan).code, one(plan).severity) == (Code.SERVER_UNREACHABLE, Severity.ERROR)
    assert WHERE in one(plan).sentence
    assert refusing(plan) == {*ASKING, WITHOUT_TVS}
    now = site.situation()
    assert one(plan_change([held(now)], now, now, NOW, servers=[away])).severity is Severity.WARNING
    never = planned(site, stranger, replace(away, runs=False, where="", problem=""))
    assert (one(never).code, one(never).severity) == (Code.SERVER_UNREACHABLE, Severity.NOTE)
    assert never.safe


def test_another_server_is_enough(site: Site, stranger: KeyFileSigner) -> None:
    """Phones ask another server that their ITL has: then the one that is behind, or not reached, loses none."""
    now = site.situation()
    second = Node(name="sub", address="10.48.47.154", publisher=False)
    other = replace(entry(Purpose.TVS, site.recovery.certificate), node="sub")
    now = replace(now, nodes=(*now.nodes, second), entries=(*now.entries, other))
    both = held(replace(now, itl=_with_both(now, site)))
    after = signed_by(now, stranger, site.recovery.certificate)
    good = SeenServer(node="sub", where=WHERE, certificate=site.recovery.certificate, tls10=True)
    for bad in (met(stranger.certificate), met(None, problem="it is away")):
        plan = plan_change([both], now, after, NOW, phones=ASKING, servers=[bad, good])
        assert [finding.severity for finding in about(plan)] == [Severity.WARNING]
        assert plan.safe
        plan = plan_change([both], now, after, NOW, phones=ASKING, servers=[bad, replace(good, certificate=None)])
        assert Severity.ERROR in {finding.severity for finding in about(plan)}
        assert not plan.safe


def _with_both(now: Situation, site: Site) -> bytes:
    """An ITL with the TVS certificates of both nodes."""
    entries = itl_entries(
        now.cluster_nodes[0],
        now.cluster_nodes,
        sast=[site.call_manager.certificate, site.recovery.certificate],
        capf=None,
        mixed_mode=True,
    )
    return build_trust_list(entries, site.call_manager, timestamp=1, file_name="ITLFile.tlv")


def test_a_node_that_goes(site: Site) -> None:
    """Of a node that the change takes out, or that is lost after it, nothing is said."""
    now = site.situation()
    with_sub = now.with_node(Node(name="sub", address="10.48.47.154", publisher=False))
    away = SeenServer(node="sub", where=WHERE, problem="it is away")
    assert one(plan_change([held(now)], with_sub, with_sub, NOW, servers=[away])).severity is Severity.WARNING
    for after in (now, replace(with_sub, lost="sub")):
        assert about(plan_change([held(now)], with_sub, after, NOW, servers=[away])) == []


def test_an_older_generation(site: Site, stranger: KeyFileSigner) -> None:
    """A service whose report says that it serves an earlier generation than the database has."""
    plan = planned(site, stranger, met(site.tvs.certificate, generation=6, current=7))
    assert (one(plan).code, one(plan).severity) == (Code.SERVICE_BEHIND, Severity.WARNING)
    assert "generation 6" in one(plan).sentence
    assert about(planned(site, stranger, met(site.tvs.certificate, generation=7, current=7))) == []


def test_another_answer(site: Site, stranger: KeyFileSigner) -> None:
    """A server that does not vouch for a signer for which the database vouches: an error if phones ask about it."""
    now = signed_by(site.situation(), stranger, site.recovery.certificate)
    header = parse_trust_list(now.ctl or b"").header
    roles = now.roles(stranger.certificate)
    told = SeenAnswer(
        signer_name=header.signer_name,
        ca_name=header.ca_name,
        serial_number=header.serial_number,
        trusted=True,
        certificate=stranger.certificate,
        roles=roles,
    )
    phones = held(site.situation())
    good = met(site.tvs.certificate, answers=(told,))
    assert about(plan_change([phones], now, now, NOW, phones=ASKING, servers=[good])) == []
    for other in (replace(told, trusted=False, certificate=None, roles=()), replace(told, roles=(4,))):
        plan = plan_change([phones], now, now, NOW, phones=ASKING, servers=[replace(good, answers=(other,))])
        assert (one(plan).code, one(plan).severity) == (Code.SERVER_ANSWERS_OTHERWISE, Severity.ERROR)
        assert header.signer_name in one(plan).sentence
        assert refusing(plan) == {*ASKING, WITHOUT_TVS}
        unneeded = plan_change([held(now)], now, now, NOW, phones=ASKING, servers=[replace(good, answers=(other,))])
        assert one(unneeded).severity is Severity.WARNING
    more = replace(told, roles=(*roles, 4))
    plan = plan_change([phones], now, now, NOW, phones=ASKING, servers=[replace(good, answers=(more,))])
    assert one(plan).severity is Severity.WARNING, "they take it all the same"
    assert "as the server answers now" in plan_text(plan)


def test_an_answer_with_a_damaged_certificate(site: Site, stranger: KeyFileSigner) -> None:
    """Whatever a server answers with, the plan says that phones refuse it, as text and as JSON."""
    now = site.situation()
    header = parse_trust_list(now.ctl or b"").header
    told = SeenAnswer(
        signer_name=header.signer_name,
        ca_name=header.ca_name,
        serial_number=header.serial_number,
        trusted=True,
        certificate=b"0\x03\x02\x01\x00",
        roles=(0,),
    )
    phones = HeldLists(ctl=ctl(stranger), itl=itl(stranger, site.tvs.certificate), ctl_name="c", itl_name="i")
    odd = met(site.tvs.certificate, answers=(told,))
    plan = plan_change([phones], now, now, NOW, phones=ASKING, servers=[odd])
    assert (one(plan).code, one(plan).severity) == (Code.SERVER_ANSWERS_OTHERWISE, Severity.ERROR)
    assert plan_text(plan)
    unreadable = {"subject": None, "serial_number": None, "roles": [0], "source": ""}
    outcomes = plan_json(plan)["outcomes"]
    assert outcomes[0]["ctl"]["tvs_answer"] == unreadable  # type: ignore[index] # a list of objects


def test_no_answer(site: Site, stranger: KeyFileSigner) -> None:
    """A server that presents its certificate and then answers nothing, as one that wants phones' certificates."""
    plan = planned(site, stranger, met(site.tvs.certificate, problem="it closed the connection"))
    assert (one(plan).code, one(plan).severity) == (Code.SERVER_ANSWERS_OTHERWISE, Severity.WARNING)
