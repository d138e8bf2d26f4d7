"""The verdict on a service: one sentence on how phones fare, with since when and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from tvs.status.cluster import STALENESS_BOUND, ClusterStatus, NodeState
from tvs.status.health import SIGNER, expired, health
from tvs.status.model import ServiceState, SlotState
from tvs.status.report import Finding, Verdict, VerdictState
from tvs.status.words import age, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tvs.status.cluster import NodeStatus
    from tvs.status.model import ServiceStatus, WorkerStatus
    from tvs.status.observed import Observed
    from tvs.status.report import ListReport, Presented

LATELY: Final = 600.0
"""Seconds for which a refused phone or signer is part of the verdict."""
LIMIT_REACHED: Final = 60.0
"""Seconds for which a limit that was reached is part of the verdict."""
EXPIRES_SOON: Final = 30
"""Days left at which the presented certificate is part of the verdict, as with `tvs check`."""
MOST_NAMED: Final = 3
"""Nodes that a sentence names."""
VERSION_REASONS: Final = ("unsupported_version", "no_shared_cipher")
"""Reasons of failed handshakes that the TLS profile decides."""
_DAY: Final = 86_400
_DELETED: Final = (
    "if that is meant, stop the service (systemctl disable --now tvs) when no phone's configuration file names it any "
    "more; else let the node join anew: tvs init --join URL with another, empty --state; see docs/cluster.md#nodes"
)
"""What to do with the service of a node that was deleted from the cluster."""
_RELOAD: Final = "reload the service (systemctl reload tvs, or SIGHUP)"
_FIRST_WORDS: Final = {
    VerdictState.ANSWERED: "All phones are answered",
    VerdictState.LIMITED: "Answered, but ",
    VerdictState.TURNED_AWAY: "Phones are turned away: ",
}
ANSWERED, LIMITED, TURNED_AWAY = VerdictState


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a verdict is made of.

    Attributes:
        now: seconds since 1970.
        monotonic: monotonic seconds at the same moment.
        service: what the supervisor published last.
        cluster: what the follower published last.
        lists: the trust lists of the state directory.
        presented: the certificate that phones are presented.
        observed: what the observer published last.
    """

    now: float
    monotonic: float
    service: ServiceStatus
    lists: Sequence[ListReport]
    presented: Presented
    observed: Observed
    cluster: ClusterStatus = field(default_factory=ClusterStatus)


def findings(facts: Facts) -> list[Finding]:
    """All that keeps the verdict from 'All phones are answered', the worst first."""
    found = [finding for rule in _RULES for finding in rule(facts)]
    return [finding for state in (TURNED_AWAY, LIMITED) for finding in found if finding.state is state]


def verdict(found: Sequence[Finding], known: Mapping[str, float], now: float) -> Verdict:
    """The verdict of some findings.

    Args:
        found: the findings, the worst first.
        known: since when each code is found without a break, and ``answered`` when there was none; seconds since 1970.
        now: the current time, for those that are not known.
    """
    if not found:
        since = known.get(ANSWERED.value, now)
        return Verdict(state=ANSWERED, sentence=_FIRST_WORDS[ANSWERED], since=since)
    dated = tuple(replace(finding, since=finding.since or known.get(finding.code, now)) for finding in found)
    worst = dated[0]
    more = f", and {len(dated) - 1} more" if len(dated) > 1 else ""
    return Verdict(
        state=worst.state,
        sentence=f"{_FIRST_WORDS[worst.state]}{worst.sentence}{more}",
        since=min(finding.since or now for finding in dated if finding.state is worst.state),
        findings=dated,
    )


# -- phones are turned away ------------------------------------------------------------------------------------------


def _not_running(facts: Facts) -> Iterator[Finding]:
    if facts.service.state is ServiceState.STARTING:
        yield _turned_away("starting", "the service is starting", "wait; if it stays so, its log says why")
    elif facts.service.state is ServiceState.STOPPING:
        yield _turned_away("stopping", "the service is stopping", "start it again when that is wanted")


def _silent(facts: Facts) -> Iterator[Finding]:
    good, body = health(facts.service, facts.monotonic)
    if not good and facts.service.time:
        seconds = round(body["silent_seconds"])
        sentence = f"the service gave no sign of life for {seconds} s"
        yield _turned_away("silent", sentence, "see its log and the machine's load; restart it", facts.now - seconds)


def _no_worker(facts: Facts) -> Iterator[Finding]:
    states = [slot.state for slot in facts.service.slots]
    running = states.count(SlotState.RUNNING)
    if facts.service.state is not ServiceState.RUNNING or running == len(states):
        return
    advice = "see the log for worker_died and worker_cannot_start"
    if not running:
        yield _turned_away("no_worker", "no worker runs", advice)
    else:
        yield _limited("workers", f"only {running} of {len(states)} workers run", advice)


def _limit_reached(facts: Facts) -> Iterator[Finding]:
    lately = [part for part in facts.observed.intervals if part.time > facts.now - LIMIT_REACHED and part.turned_away]
    if lately:
        closed = number(sum(part.turned_away for part in lately), "connection")
        sentence = f"{closed} closed at a limit in the last minute"
        advice = "tvs_connections_rejected_total says which limit; docs/operations.md says what each is for"
        yield _turned_away("limit_reached", sentence, advice, lately[0].time)


def _not_in_itl(facts: Facts) -> Iterator[Finding]:
    if facts.presented.in_itl is False:
        sentence = "the certificate that the service presents is not in ITLFile.tlv, so phones with that file refuse it"
        behind = facts.presented.in_database is False
        advice = _RELOAD if behind else "on the publisher: tvs utils itl update"
        advice = f"it was deleted from the cluster: {_DELETED}" if facts.presented.in_cluster is False else advice
        yield _turned_away("certificate_not_listed", sentence, advice)


# -- answered, but ---------------------------------------------------------------------------------------------------


def _incomplete(facts: Facts) -> Iterator[Finding]:
    for reason in dict.fromkeys(reason for worker in _workers(facts) for reason in worker.reasons):
        if reason != "draining":
            yield _limited("incomplete", f"not from complete data: {reason}", "see /readyz and the log")
            return


def _database(facts: Facts) -> Iterator[Finding]:
    down = [worker.db for worker in _workers(facts) if not worker.db.up]
    problem = next((f": {status.problem}" for status in down if status.problem), "")
    copy = facts.service.copy_as_of
    if copy is not None:
        old = age(facts.now - copy)
        sentence = f"from a copy of the certificate database that is {old} old, because it cannot be read{problem}"
        advice = "see docs/database.md#a-start-without-the-database; later changes are not known until it can be read"
        yield _limited("database_copy", sentence, advice)
    elif down:
        sentence = f"from memory only, because the certificate database cannot be read{problem}"
        yield _limited("database", sentence, "see docs/troubleshooting.md; changes are not seen until it can be read")


def _lists(facts: Facts) -> Iterator[Finding]:
    for found in facts.lists:
        if found.found and not found.verified:
            sentence = f"{found.name} on disk does not verify ({found.reason.replace('_', ' ')})"
            advice = f"tvs show {found.name[:3].lower()} says more; phones are answered from the last good one"
            yield _limited(f"list_not_verified_{found.name[:3].lower()}", sentence, advice, found.modified)
        elif found.signer_trusted is False:
            sentence = f"the signer of {found.name} is not trusted, so phones that ask refuse the file"
            advice = "tvs ctl plan says how it comes back without a loss of phones"
            yield _limited(f"signer_not_trusted_{found.name[:3].lower()}", sentence, advice)


def _lost_list(facts: Facts) -> Iterator[Finding]:
    missing = {found.name for found in facts.lists if not found.found}
    if "ITLFile.tlv" in missing:
        yield _limited("itl_missing", "there is no ITLFile.tlv for phones to fetch", "tvs utils itl update ITLFile")
    if any(worker.ctl.state == "missing" and worker.ctl.certificates for worker in _workers(facts)):
        sentence = "CTLFile.tlv is gone, and phones are answered from the last good one"
        yield _limited("ctl_missing", sentence, "tvs utils ctl update CTLFile, or tvs file delete if it is not wanted")


def _behind(facts: Facts) -> Iterator[Finding]:
    if facts.presented.in_cluster is False:
        sentence = "this node was deleted from the cluster: it answers from what it has, and takes no changes"
        yield _limited("node_deleted", sentence, _DELETED)
    elif facts.presented.in_database is False and facts.presented.in_itl is not False:
        sentence = "with another TVS certificate than the database has"
        yield _limited("certificate_behind", sentence, f"{_RELOAD} when phones have the new ITL file")
    if facts.cluster.profile:
        sentence = f"with another TLS profile than the settings have ({facts.cluster.profile})"
        yield _limited("profile_behind", sentence, _RELOAD)


def _node_behind(facts: Facts) -> Iterator[Finding]:
    cluster, staleness = facts.cluster, facts.cluster.staleness(facts.monotonic)
    others = [node for node in cluster.nodes if node.is_behind and node.name.lower() != cluster.node.lower()]
    if facts.presented.in_cluster is False:
        return
    if staleness is not None and staleness > STALENESS_BOUND:
        problem = f": {cluster.problem}" if cluster.problem else ""
        sentence = f"this node has not known for {round(staleness)} s that it serves what the cluster has{problem}"
        away = any(not worker.db.up for worker in _workers(facts))
        advice = "see docs/alerts.md#tvsnodebehind" + ("" if away else "; tvs show nodes says what each node serves")
        yield _limited("node_behind", sentence, advice, facts.now - staleness)
    elif others:
        named = ", ".join(f"{node.name} ({_how(node)})" for node in others[:MOST_NAMED])
        more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
        advice = "look at that node's service, and at its way to the database; tvs show nodes says more"
        yield _limited("node_behind", f"not by every node as the cluster is now: {named}{more}", advice)


def _how(node: NodeStatus) -> str:
    return "silent" if node.state is NodeState.SILENT else f"behind for {round(node.staleness or 0)} s"


def _expiry(facts: Facts) -> Iterator[Finding]:
    for use, name, end in expired(facts.service, facts.now):
        what = f"the signer of {name} has" if use == SIGNER else f"the certificate {name} has"
        advice = "tvs ctl plan" if use == SIGNER else "tvs set cert regen TVS; docs/administration.md has the order"
        yield _limited(f"expired_{use.lower()}", f"{what} expired; phones are answered as before", advice, end)
    for name, end in facts.service.presented.items():
        days = int((end - facts.now) // _DAY)
        if 0 <= days < EXPIRES_SOON:
            advice = "tvs set cert regen TVS; docs/administration.md has the order"
            yield _limited("expires_soon", f"the certificate {name} expires in {number(days, 'day')}", advice)


def _reload(facts: Facts) -> Iterator[Finding]:
    if facts.service.time and not facts.service.reload_successful:
        sentence = "with the settings from before the last reload, which failed"
        yield _limited("reload_failed", sentence, "the log says why; mend it, then SIGHUP")


def _refused_versions(facts: Facts) -> Iterator[Finding]:
    seen = [kind for kind in facts.observed.failures if kind.reason in VERSION_REASONS and _late(kind.last, facts)]
    if seen:
        count, last = sum(kind.count for kind in seen), max(seen, key=lambda kind: kind.last)
        offer = f" that offer {last.version} at most" if last.version.startswith(("TLS", "SSL")) else ""
        sentence = f"clients{offer} are refused by the TLS profile ({count} so far, the last from {last.address})"
        advice = "if they are phones: docs/which-phones.md says which tls_profile serves them"
        yield _limited("version_refused", sentence, advice, min(kind.first for kind in seen))


def _refused_signers(facts: Facts) -> Iterator[Finding]:
    seen = [signer for signer in facts.observed.signers if not signer.trusted and _late(signer.last, facts)]
    if seen:
        last = max(seen, key=lambda signer: signer.last)
        certificates = number(len(seen), "certificate")
        sentence = f"phones asked about {certificates} not trusted here (the last was {last.device or last.address})"
        advice = "tvs show signers --refused; import those that should be trusted, or find out who signed the file"
        yield _limited("signer_refused", sentence, advice, min(signer.first for signer in seen))


_RULES: Final[tuple[Callable[[Facts], Iterator[Finding]], ...]] = (
    _not_running,
    _silent,
    _no_worker,
    _limit_reached,
    _not_in_itl,
    _incomplete,
    _database,
    _lists,
    _lost_list,
    _behind,
    _node_behind,
    _expiry,
    _reload,
    _refused_versions,
    _refused_signers,
)


# -- parts -----------------------------------------------------------------------------------------------------------


def _turned_away(code: str, sentence: str, advice: str, since: float | None = None) -> Finding:
    return Finding(code=code, state=TURNED_AWAY, sentence=sentence, advice=advice, since=since)


def _limited(code: str, sentence: str, advice: str, since: float | None = None) -> Finding:
    return Finding(code=code, state=LIMITED, sentence=sentence, advice=advice, since=since)


def _workers(facts: Facts) -> Iterator[WorkerStatus]:
    return (slot.worker for slot in facts.service.slots if slot.worker is not None)


def _late(time: float, facts: Facts) -> bool:
    return time > facts.now - LATELY
