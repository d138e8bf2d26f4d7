"""The verdict: which facts give which words, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.statuses import service, slot, worker
from tvs.status.cluster import ClusterStatus, NodeState, NodeStatus
from tvs.status.model import ServiceState, ServiceStatus, SlotState
from tvs.status.observed import Interval, Observed, SeenFailure, SeenSigner
from tvs.status.report import ListReport, Presented, VerdictState
from tvs.status.sources import DatabaseStatus
from tvs.status.verdict import Facts, findings, verdict

if TYPE_CHECKING:
    from tvs.status.model import WorkerStatus

NOW = 1_700_000_000.0
DAY = 86_400
GOOD = service(slot(), slot(1), time=100.0)
LISTS = tuple(
    ListReport(name=name, found=True, verified=True, reason="good", signer_trusted=True)
    for name in ("CTLFile.tlv", "ITLFile.tlv")
)
PRESENTED = Presented(sha256="ab", not_after=NOW + 900 * DAY, in_database=True, in_itl=True)


def facts(
    status: ServiceStatus = GOOD,
    *,
    ctl: dict[str, Any] | None = None,
    itl: dict[str, Any] | None = None,
    presented: dict[str, Any] | None = None,
    cluster: ClusterStatus | None = None,
    **seen: Any,
) -> Facts:
    """Facts of a service that is in order, but for these."""
    first, second = LISTS
    return Facts(
        now=NOW,
        monotonic=101.0,
        service=status,
        lists=(replace(first, **(ctl or {})), replace(second, **(itl or {}))),
        presented=replace(PRESENTED, **(presented or {})),
        observed=Observed(since=NOW - 5000, time=NOW, **seen),
        cluster=cluster or ClusterStatus(),
    )


def interval(age: float, **numbers: int) -> Interval:
    """An interval that began so many seconds ago."""
    zeros = dict.fromkeys(("connections", "trusted", "refused", "failed", "malformed", "turned_away"), 0)
    return Interval(time=int(NOW - age), **(zeros | numbers))


def failure(
    age: float = 5.0, reason: str = "unsupported_version", version: str = "TLSv1", count: int = 3
) -> SeenFailure:
    """A kind of failed connections, the last of which was so many seconds ago."""
    return SeenFailure(
        reason=reason, version=version, count=count, first=NOW - age - 50, last=NOW - age, address="192.0.2.7"
    )


def signer(age: float = 5.0, *, trusted: bool = False, device: str = "SEP1") -> SeenSigner:
    """A signer that a phone asked about so many seconds ago."""
    return SeenSigner(
        issuer="CN=i",
        serial="0A",
        subject="CN=s",
        trusted=trusted,
        result="trusted" if trusted else "not_found",
        count=1,
        refused=int(not trusted),
        first=NOW - age,
        last=NOW - age,
        device=device,
        address="192.0.2.9",
    )


def workers(status: WorkerStatus) -> ServiceStatus:
    """A service whose two workers have this status."""
    return service(slot(status=status), slot(1, status=status))


DOWN = replace(
    worker(), db=DatabaseStatus(up=False, certificates=4, generation=1, change_number=7, problem="disk I/O error")
)


def copied(age: float) -> ServiceStatus:
    """A service that was started from a copy of this age, in seconds."""
    return replace(workers(DOWN), copy_as_of=NOW - age)


LOST = replace(worker(), ctl=replace(worker().ctl, state="missing"))
PRESENTS = replace(GOOD, presented={"TVS.pem": NOW + 12.5 * DAY})
EXPIRED = replace(GOOD, presented={"TVS.pem": NOW - DAY})


def cluster(staleness: float, *others: tuple[NodeState, float | None], problem: str = "") -> ClusterStatus:
    """What a follower has published: its own staleness, and state and staleness of the others."""
    nodes = [NodeStatus(name="pub", publisher=True, state=NodeState.CURRENT, generation=3, staleness=staleness)]
    for number, (state, seconds) in enumerate(others, 1):
        nodes.append(NodeStatus(name=f"sub{number}", publisher=False, state=state, generation=2, staleness=seconds))
    known_at = 101.0 - staleness
    return ClusterStatus(
        time=100.0, node="pub", generation=3, current=3, known_at=known_at, problem=problem, nodes=tuple(nodes)
    )


CASES: list[tuple[Facts, str, str, str]] = [
    # facts, state, code of the worst finding, part of the sentence
    (facts(), "answered", "", "All phones are answered"),
    (facts(ServiceStatus()), "turned_away", "starting", "Phones are turned away: the service is starting"),
    (facts(replace(GOOD, state=ServiceState.STOPPING)), "turned_away", "stopping", "the service is stopping"),
    (facts(replace(GOOD, time=90.0)), "turned_away", "silent", "gave no sign of life for 11 s"),
    (facts(service(slot(state=SlotState.WAITING))), "turned_away", "no_worker", "no worker runs"),
    (facts(service(slot(), slot(1, state=SlotState.CLOSED))), "limited", "workers", "only 1 of 2 workers run"),
    (
        facts(intervals=(interval(30, turned_away=7),)),
        "turned_away",
        "limit_reached",
        "7 connections closed at a limit",
    ),
    (facts(intervals=(interval(90, turned_away=7),)), "answered", "", "All phones"),
    (facts(intervals=(interval(3, connections=50, failed=50),)), "answered", "", "All phones"),
    (facts(presented={"in_itl": False}), "turned_away", "certificate_not_listed", "is not in ITLFile.tlv"),
    (facts(presented={"in_itl": None}), "answered", "", "All phones"),
    (facts(presented={"in_database": False}), "limited", "certificate_behind", "another TVS certificate"),
    (facts(cluster=replace(cluster(1), profile="legacy")), "limited", "profile_behind", "profile than the settings"),
    (facts(presented={"in_database": False, "in_cluster": False}), "limited", "node_deleted", "was deleted from the"),
    (facts(workers(worker(reasons=("CTL file damaged",)))), "limited", "incomplete", "not from complete data: CTL"),
    (facts(workers(DOWN)), "limited", "database", "cannot be read: disk I/O error"),
    (facts(copied(40)), "limited", "database_copy", "database that is less than a minute old, because it cannot be"),
    (facts(copied(7200)), "limited", "database_copy", "is 2 hours old, because it cannot be read: disk I/O error"),
    (facts(copied(1.5 * DAY)), "limited", "database_copy", "is 1 day old"),
    (facts(ctl={"verified": False, "reason": "bad_signature"}), "limited", "list_not_verified_ctl", "bad signature"),
    (facts(itl={"signer_trusted": False}), "limited", "signer_not_trusted_itl", "the signer of ITLFile.tlv is not"),
    (facts(itl={"signer_trusted": None}), "answered", "", "All phones"),
    (facts(ctl={"found": False, "verified": False, "signer_trusted": None}), "answered", "", "All phones"),
    (facts(itl={"found": False, "verified": False}), "limited", "itl_missing", "no ITLFile.tlv"),
    (facts(workers(LOST), ctl={"found": False}), "limited", "ctl_missing", "CTLFile.tlv is gone"),
    (facts(EXPIRED), "limited", "expired_tvs", "TVS.pem has expired"),
    (facts(PRESENTS), "limited", "expires_soon", "TVS.pem expires in 12 days"),
    (facts(replace(GOOD, presented={"TVS.pem": NOW + 31 * DAY})), "answered", "", "All phones"),
    (facts(cluster=cluster(9.9)), "answered", "", "All phones"),
    (facts(cluster=cluster(10.6)), "limited", "node_behind", "has not known for 11 s that it serves what the cluster"),
    (facts(cluster=cluster(31.0, problem="no room")), "limited", "node_behind", "what the cluster has: no room"),
    (facts(cluster=cluster(1.0, (NodeState.BEHIND, 2.0))), "answered", "", "All phones"),
    (facts(cluster=cluster(1.0, (NodeState.ABSENT, None))), "answered", "", "All phones"),
    (facts(cluster=cluster(1.0, (NodeState.UNKNOWN, 99.0))), "answered", "", "All phones"),
    (facts(cluster=cluster(1.0, (NodeState.SILENT, 2.0))), "limited", "node_behind", "now: sub1 (silent)"),
    (
        facts(cluster=cluster(1.0, *[(NodeState.BEHIND, 20.0)] * 5)),
        "limited",
        "node_behind",
        "sub1 (behind for 20 s), sub2 (behind for 20 s), sub3 (behind for 20 s) and 2 more",
    ),
    (facts(replace(GOOD, reload_successful=False)), "limited", "reload_failed", "the last reload, which failed"),
    (facts(failures=(failure(),)), "limited", "version_refused", "clients that offer TLSv1 at most are refused"),
    (facts(failures=(failure(version="none"),)), "limited", "version_refused", "clients are refused by the TLS"),
    (facts(failures=(failure(601),)), "answered", "", "All phones"),
    (facts(failures=(failure(reason="closed"),)), "answered", "", "All phones"),
    (
        facts(signers=(signer(),)),
        "limited",
        "signer_refused",
        "asked about 1 certificate not trusted here (the last was SEP1)",
    ),
    (facts(signers=(signer(device=""),)), "limited", "signer_refused", "192.0.2.9"),
    (facts(signers=(signer(trusted=True), signer(601))), "answered", "", "All phones"),
]


def test_a_deleted_node() -> None:
    """Its cause alone is named: a reload is refused, and the generation that it is behind is not its own any more."""
    gone = {"in_database": False, "in_cluster": False}
    (only,) = findings(facts(presented=gone, cluster=cluster(99.0, problem="is not a node of the cluster of pub")))
    assert "SIGHUP" not in only.advice
    assert "tvs init --join" in only.advice
    assert "docs/cluster.md#nodes" in only.advice
    worst, _ = findings(facts(presented={**gone, "in_itl": False}))
    assert worst.code == "certificate_not_listed"
    assert worst.advice == f"it was deleted from the cluster: {only.advice}"


@pytest.mark.parametrize(
    ("known", "state", "code", "words"), CASES, ids=[f"{case[1]}-{number}" for number, case in enumerate(CASES)]
)
def test_each_fact(known: Facts, state: str, code: str, words: str) -> None:
    """One fact gives its verdict, its finding with something to do, and no other."""
    found = findings(known)
    given = verdict(found, {}, NOW)
    assert [finding.code for finding in found][:1] == ([code] if code else [])
    assert (given.state, words in given.sentence) == (state, True), given.sentence
    assert all(finding.advice and not finding.sentence.endswith(".") for finding in found)


def test_advice_that_works_without_the_database() -> None:
    """`tvs show nodes` is named while it can answer."""
    behind = cluster(31.0, problem="no room")
    (known,) = findings(facts(cluster=behind))
    assert "tvs show nodes" in known.advice
    away = findings(facts(workers(DOWN), cluster=behind))
    assert [finding.code for finding in away] == ["database", "node_behind"]
    assert not any("show nodes" in finding.advice for finding in away)


def test_every_rule_has_a_case() -> None:
    """No rule is without a case in which it speaks."""
    from tvs.status import verdict as module  # noqa: PLC0415 - its rules

    for rule in module._RULES:
        assert any(list(rule(known)) for known, *_ in CASES), rule


def test_worst_first() -> None:
    """What turns phones away is the sentence; the rest is counted, and each finding is there."""
    known = facts(
        replace(GOOD, reload_successful=False), presented={"in_itl": False}, signers=(signer(),), failures=(failure(),)
    )
    given = verdict(findings(known), {}, NOW)
    assert given.state is VerdictState.TURNED_AWAY
    assert given.sentence.endswith(", so phones with that file refuse it, and 3 more")
    assert [finding.code for finding in given.findings] == [
        "certificate_not_listed",
        "reload_failed",
        "version_refused",
        "signer_refused",
    ]


def test_since_when() -> None:
    """A finding that knows its time keeps it; the others have the time when they were first found without a break."""
    found = findings(facts(replace(GOOD, reload_successful=False), signers=(signer(7),)))
    given = verdict(found, {"reload_failed": NOW - 90}, NOW)
    assert [finding.since for finding in given.findings] == [NOW - 90, NOW - 7]
    assert given.since == NOW - 90
    assert verdict([], {"answered": NOW - 33}, NOW).since == NOW - 33
    assert verdict([], {}, NOW).since == NOW
