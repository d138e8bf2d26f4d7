"""The plan: a pure function of held lists and of the situations before and after a change."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ctlcache.digests import Digest
from tvs.plan import findings as found
from tvs.plan.answers import parsed, shown_serial
from tvs.plan.boot import boot
from tvs.plan.causes import refusals
from tvs.plan.fleet import fleet_findings, fleet_outcome
from tvs.plan.model import NO_CHANGE, Finding, PhoneOutcome, Plan, Severity
from tvs.plan.outdated import outdated
from tvs.plan.phones import DEFAULT_KINDS, PhoneKind
from tvs.plan.servers import as_met
from tvs.plan.trust import imported_without_role, signers_withdrawn, trust_withdrawn
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tvs.cluster.situation import Situation
    from tvs.plan.fleet import Fleet, Refusals
    from tvs.plan.phones import HeldLists
    from tvs.plan.servers import SeenServer

    _Met = tuple[Situation, Sequence[SeenServer]] | None
    """The TVS servers, and the situation in which they were met; None if they are as that says."""


def plan_change(
    held: Sequence[HeldLists],
    before: Situation,
    after: Situation,
    now: datetime,
    *,
    later: Situation | None = None,
    phones: frozenset[PhoneKind] = DEFAULT_KINDS,
    title: str = NO_CHANGE,
    made: frozenset[bytes] = frozenset(),
    lost_reports: bool = False,
    needed: frozenset[bytes] = frozenset(),
    servers: Sequence[SeenServer] = (),
    fleet: Fleet | None = None,
) -> Plan:
    """The plan of a change: each kind of phones with each pair of held lists boots after it.

    Args:
        held: the lists that phones hold; one for each state that phones may be in.
        before: the current situation.
        after: the situation after the change; the same one if nothing changes.
        now: the time, with its zone.
        later: the situation after a second step that must follow; phones boot after the first, after both or only
            after the second. None without such a step.
        phones: the kinds of phones that count; the others are reported, and do not make it unsafe.
        title: the change, for people.
        made: certificates (X.509 DER) that the change makes: they get another serial number each time.
        lost_reports: whether the publisher that is lost after the change reports that its service runs.
        needed: TVS certificates (X.509 DER) that the ITL of phones must have before the change.
        servers: the TVS servers as they were met; without them they are as database and settings say.
        fleet: the recorded phones; None without a record. Where an inventory says which phones there are, what they
            hold counts in place of `held`.
    """
    steps = (after,) if later is None else (after, later)
    holds = {kind: held if fleet is None else fleet.held(kind, held) for kind in PhoneKind}
    at = (before, servers) if servers else None
    outcomes = met = tuple(_outcomes(holds, steps, made))
    if servers:
        met = tuple(_outcomes(holds, steps, made, at))
    last = steps[-1]
    recorded = None
    if fleet is not None:  # phones that a reload would save are not lost already
        recorded = fleet_outcome(fleet, held, phones, _refused((before,)), _refused(steps, made, at))
    findings = [
        *(() if recorded is None else fleet_findings(recorded, phones)),
        *_findings_of_change(_all(holds, phones), before, last, outcomes, phones),
        *_findings_of_situation(before, last, phones, now),
        *(found.publisher_alive(last) if lost_reports else ()),
        *found.not_fetched(_all(holds, phones), needed, phones),
        *_findings_of_servers(_staying(servers, last), before, outcomes, met, phones),
    ]
    return Plan(
        title=title,
        steps=(title,) if later is None else (title, "tvs utils ctl update CTLFile"),
        phones=phones,
        lists=tuple(_lists(before, last, made)),
        outcomes=met,
        findings=tuple(_worst_first(findings)),
        present=tuple(_outcomes(holds, (before,), met=at)),
        servers=tuple(servers),
        fleet=recorded,
    )


def _all(holds: Mapping[PhoneKind, Sequence[HeldLists]], counted: frozenset[PhoneKind]) -> list[HeldLists]:
    """The lists that phones of the kinds that count may hold, each once."""
    return list(dict.fromkeys(lists for kind in PhoneKind if kind in counted for lists in holds[kind]))


def _refused(situations: Sequence[Situation], made: frozenset[bytes] = frozenset(), met: _Met = None) -> Refusals:
    """Names of the lists that phones refuse after one of the steps, by what they hold; arguments as of `_outcomes`."""

    @functools.cache
    def names(lists: HeldLists, kind: PhoneKind) -> frozenset[str]:
        outcomes = _outcomes({kind: [lists]}, situations, made, met)
        return frozenset(name for outcome in outcomes for name, _ in outcome.refused)

    return names


def _findings_of_change(
    held: Sequence[HeldLists],
    before: Situation,
    last: Situation,
    outcomes: Sequence[PhoneOutcome],
    phones: frozenset[PhoneKind],
) -> Iterator[Finding]:
    withdrawn = signers_withdrawn(before, last)
    yield from refusals(outcomes, phones, withdrawn, before, last)
    yield from found.changed_together(held, last, outcomes, phones)
    yield from found.tvs_not_in_itl(held, last)
    yield from found.signer_unknown(last, withdrawn)
    yield from trust_withdrawn(before, last)
    yield from imported_without_role(before, last)


def _findings_of_situation(
    before: Situation, last: Situation, phones: frozenset[PhoneKind], now: datetime
) -> Iterator[Finding]:
    yield from found.unloadable(before, last, phones)
    yield from found.nodes(last)
    yield from found.node_not_listed(last)
    yield from found.ctl_file(last)
    yield from found.expiry(last, now)
    yield from outdated(last)
    yield from found.profile(last, phones)


def _staying(servers: Sequence[SeenServer], last: Situation) -> list[SeenServer]:
    """Those of nodes that are there after the change, and not lost."""
    names = {node.name.lower() for node in last.nodes if node.name != last.lost}
    return [server for server in servers if server.node.lower() in names]


def _findings_of_servers(
    servers: Sequence[SeenServer],
    before: Situation,
    said: Sequence[PhoneOutcome],
    met: Sequence[PhoneOutcome],
    phones: frozenset[PhoneKind],
) -> Iterator[Finding]:
    if servers:
        from tvs.plan.behind import losses, servers_met  # noqa: PLC0415 - without a service there is nothing to say

        yield from servers_met(servers, before, losses(said, met, phones), phones)


def _outcomes(
    holds: Mapping[PhoneKind, Sequence[HeldLists]],
    steps: Sequence[Situation],
    made: frozenset[bytes] = frozenset(),
    met: _Met = None,
) -> Iterator[PhoneOutcome]:
    """Phones of each kind with each pair of lists, after each step; `met`: the servers, and where they were met."""
    servers = [None if met is None else as_met(situation, *met) for situation in steps]
    for kind, held in holds.items():
        for lists in held:
            first = boot(lists, steps[0], kind, made, servers[0])
            yield PhoneOutcome(kind=kind, held=lists, step=0, boot=first)
            for number, situation in enumerate(steps[1:], 1):
                again, late = (boot(one, situation, kind, made, servers[number]) for one in (first.held, lists))
                yield PhoneOutcome(kind=kind, held=lists, step=number, boot=again, booted_before=True)
                yield PhoneOutcome(kind=kind, held=lists, step=number, boot=late)


def _worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once, with the worst of its severities."""
    order = list(Severity)
    best: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.sentence)
        if key not in best or order.index(finding.severity) < order.index(best[key].severity):
            best[key] = finding
    return sorted(best.values(), key=lambda finding: order.index(finding.severity))


def _lists(before: Situation, after: Situation, made: frozenset[bytes]) -> Iterator[str]:
    for name, old, new in ((CTL_NAME, before.ctl, after.ctl), (ITL_NAME, before.itl, after.itl)):
        if old == new:
            yield f"{name}: {_described(new)}"
        else:
            yield f"{name}: {_described(old)} -> {_described(new, made)}"


def _described(data: bytes | None, made: frozenset[bytes] = frozenset()) -> str:
    trust_list = parsed(data)
    if data is None:
        return "none"
    if trust_list is None:
        return f"{len(data)} bytes, damaged or not verified"
    header, signer = trust_list.header, trust_list.signer_record
    serial = shown_serial(header.serial_number, new=signer is not None and signer.certificate in made)
    described = f"{len(data)} bytes, {len(trust_list.records)} records, {Digest(header.digest).text}"
    return f"{described}, signed by {header.signer_name} {serial}"
