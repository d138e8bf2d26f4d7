"""The plan: a pure function of held lists and of the situations before and after a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.digests import Digest
from tvs.plan import findings as found
from tvs.plan.answers import parsed, shown_serial
from tvs.plan.boot import boot
from tvs.plan.causes import refusals
from tvs.plan.model import NO_CHANGE, Finding, PhoneOutcome, Plan, Severity
from tvs.plan.outdated import outdated
from tvs.plan.phones import DEFAULT_KINDS, PhoneKind
from tvs.plan.trust import imported_without_role, signers_withdrawn, trust_withdrawn
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from tvs.cluster.situation import Situation
    from tvs.plan.phones import HeldLists


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
    """
    steps = (after,) if later is None else (after, later)
    outcomes = tuple(_outcomes(held, steps, made))
    last = steps[-1]
    findings = [
        *_findings_of_change(held, before, last, outcomes, phones),
        *_findings_of_situation(before, last, phones, now),
        *(found.publisher_alive(last) if lost_reports else ()),
        *found.not_fetched(held, needed, phones),
    ]
    return Plan(
        title=title,
        steps=(title,) if later is None else (title, "tvs utils ctl update CTLFile"),
        phones=phones,
        lists=tuple(_lists(before, last, made)),
        outcomes=outcomes,
        findings=tuple(_worst_first(findings)),
        present=tuple(_outcomes(held, (before,))),
    )


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


def _outcomes(
    held: Sequence[HeldLists], steps: Sequence[Situation], made: frozenset[bytes] = frozenset()
) -> Iterator[PhoneOutcome]:
    for kind in PhoneKind:
        for lists in held:
            first = boot(lists, steps[0], kind, made)
            yield PhoneOutcome(kind=kind, held=lists, step=0, boot=first)
            for number, situation in enumerate(steps[1:], 1):
                again, late = boot(first.held, situation, kind, made), boot(lists, situation, kind, made)
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
