"""Texts of a plan: lines for people, JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.certificate import Certificate
from certstore.serials import serial_text
from tvs.plan.model import NO_CHANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.plan.boot import PlannedList
    from tvs.plan.model import Finding, PhoneOutcome, Plan


_SHOWN = 3
"""Most held lists that are named for phones that do the same."""


def plan_text(plan: Plan) -> str:
    """Lines for people."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"Change: {plan.title}"
    yield from plan.lists
    for number, step in enumerate(plan.steps):
        yield ""
        yield f"What phones do after: {step}" if len(plan.steps) > 1 else "What phones do"
        yield from _table([outcome for outcome in plan.outcomes if outcome.step == number], plan)
    if plan.findings:
        yield ""
        yield "Findings"
    for finding in plan.findings:
        yield from _finding_lines(finding)
    yield ""
    yield _verdict(plan)


def _verdict(plan: Plan) -> str:
    if plan.safe:
        return "Safe: no phone is lost."
    already = plan.harmless and plan.title != NO_CHANGE
    return "Phones would be lost, with or without this change." if already else "Phones would be lost."


def _table(outcomes: list[PhoneOutcome], plan: Plan) -> Iterator[str]:
    """Phones by kind; those that decide alike stand together, whatever they hold."""
    groups: dict[str, dict[tuple[str, str], list[str]]] = {}
    for outcome in outcomes:
        phones = f"{outcome.kind.phones}{'' if outcome.kind in plan.phones else ' *'}"
        decisions = (outcome.boot.ctl.text, outcome.boot.itl.text)
        groups.setdefault(phones, {}).setdefault(decisions, []).append(outcome.held.name)
    for phones, same in groups.items():
        yield f"  {phones}"
        for (ctl, itl), held in same.items():
            yield f"    holding {_some(list(dict.fromkeys(held)))}"
            yield f"      CTL  {ctl}"
            yield f"      ITL  {itl}"
    if any(outcome.kind not in plan.phones for outcome in outcomes):
        yield "  * not said to be in this cluster (tvs set phones, or --phones): no reason to stop"


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    shown = "; ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}; and {len(names) - _SHOWN} more"


def _finding_lines(finding: Finding) -> Iterator[str]:
    yield f"  {finding.severity:<8} {finding.code}"
    yield f"           {finding.sentence}."
    yield f"           Way out: {finding.way_out}."


def plan_json(plan: Plan) -> dict[str, object]:
    """The same facts as texts, numbers, booleans, lists and dictionaries."""
    return {
        "change": plan.title,
        "safe": plan.safe,
        "phones": sorted(plan.phones),
        "steps": list(plan.steps),
        "lists": list(plan.lists),
        "outcomes": [_outcome_json(outcome) for outcome in plan.outcomes],
        "findings": findings_json(plan),
    }


def findings_json(plan: Plan) -> list[dict[str, object]]:
    """The findings of a plan: code, severity, sentence and way out of each, the worst first."""
    return [_finding_json(finding) for finding in plan.findings]


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "sentence": finding.sentence,
        "way_out": finding.way_out,
    }


def _outcome_json(outcome: PhoneOutcome) -> dict[str, object]:
    return {
        "kind": outcome.kind,
        "phones": outcome.kind.phones,
        "held": outcome.held.name,
        "step": outcome.step,
        "ctl": _list_json(outcome.boot.ctl),
        "itl": _list_json(outcome.boot.itl),
    }


def _list_json(fetched: PlannedList) -> dict[str, object]:
    found: dict[str, object] = {"decision": fetched.decision}
    if fetched.refusal is not None:
        found |= {"refusal": fetched.refusal, "sentence": fetched.sentence}
    if fetched.answer is not None:
        certificate = Certificate.from_der(fetched.answer.certificate)
        found["tvs_answer"] = {
            "subject": certificate.subject_name,
            "serial_number": serial_text(certificate.serial_number),
            "roles": list(fetched.answer.roles),
            "source": fetched.answer.source,
        }
    return found
