"""Texts of a plan: lines for people, JSON for programs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError
from proto.text import printable
from tvs.plan.answers import shown_serial
from tvs.plan.boot import installable
from tvs.plan.model import NO_CHANGE, Fate, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.plan.answers import SignerAnswer
    from tvs.plan.boot import PlannedList
    from tvs.plan.model import Finding, FleetOutcome, PhoneOutcome, Plan
    from tvs.plan.servers import SeenServer


MAX_NAMES = 1000
"""Most phones of each fate, and addresses, that are named for machines."""
_SHOWN = 3
"""Most held lists that are named for phones that do the same."""


def plan_text(plan: Plan) -> str:
    """Lines for people; control characters of names are escaped."""
    return "\n".join(map(printable, _lines(plan)))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"Change: {plan.title}"
    yield from plan.lists
    for number, step in enumerate(plan.steps):
        yield ""
        yield f"What phones do after: {step}" if len(plan.steps) > 1 else "What phones do"
        yield from _table([outcome for outcome in plan.outcomes if outcome.step == number], plan)
    if plan.fleet is not None and not plan.fleet.problem:
        yield ""
        yield from _fleet_lines(plan.fleet)
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
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        yield f"  {kind.phones}{'' if kind in plan.phones else ' *'}"
        yield from _kind_lines([outcome for outcome in outcomes if outcome.kind is kind])
    if any(outcome.kind not in plan.phones for outcome in outcomes):
        yield "  * not known to be in this cluster (tvs show phones --kinds): no reason to stop"


def _kind_lines(outcomes: list[PhoneOutcome]) -> Iterator[str]:
    """Phones of one kind; the same held lists stand in two groups only with the steps after which phones booted."""
    decisions: dict[str, set[tuple[str, str]]] = {}
    for outcome in outcomes:
        decisions.setdefault(_held(outcome), set()).add(_decisions(outcome))
    groups: dict[tuple[str, str, str], list[str]] = {}
    for outcome in outcomes:
        name = _held(outcome)
        booted = _BOOTED[outcome.booted_before] if len(decisions[name]) > 1 else ""
        groups.setdefault((booted, *_decisions(outcome)), []).append(name)
    for (booted, ctl, itl), names in groups.items():
        yield f"    {booted}holding {_some(list(dict.fromkeys(names)))}"
        yield f"      CTL  {ctl}"
        yield f"      ITL  {itl}"


_BOOTED = {True: "booted after each step, ", False: "booted after this step only, "}


def _decisions(outcome: PhoneOutcome) -> tuple[str, str]:
    return outcome.boot.ctl.text, outcome.boot.itl.text


def _held(outcome: PhoneOutcome) -> str:
    """The held lists that the phones can have installed."""
    possible = installable(outcome.held, outcome.kind)
    none_left = possible.ctl is possible.itl is None
    return "no list that they can verify" if none_left and possible != outcome.held else possible.name


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    shown = "; ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}; and {len(names) - _SHOWN} more"


_FATES = {
    Fate.TAKES: "take the lists",
    Fate.LOST: "would be lost",
    Fate.ALREADY: "refuse them already",
    Fate.UNKNOWN: "unknown",
}


def _fleet_lines(fleet: FleetOutcome) -> Iterator[str]:
    """The recorded phones in numbers, those by name that do not take the lists for certain."""
    source = "seen, or in the inventory" if fleet.inventory else "seen; no inventory says which others there are"
    yield f"Recorded phones: {fleet.number:,} ({source})"
    width = max(map(len, _FATES.values()))
    for fate, words in _FATES.items():
        for seen, names in fleet.fates.get(fate, {}).items() if fate is Fate.UNKNOWN else [("", fleet.names(fate))]:
            if names:
                more = "" if fate is Fate.TAKES else "  " + ": ".join(filter(None, (seen, some(names))))
                yield f"  {words:<{width}} {len(names):>7,}{more}"
    if turned_away := fleet.turned_away.all:
        yield f"  {'turned away':<{width}} {len(turned_away):>7,}  addresses: {some(turned_away)}"


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
        "servers": [_server_json(server) for server in plan.servers],
        "fleet": fleet_json(plan.fleet),
    }


def _server_json(server: SeenServer) -> dict[str, object]:
    presented = server.certificate
    return {
        "node": server.node,
        "server": server.where,
        "presented_sha256": None if presented is None else hashlib.sha256(presented).hexdigest(),
        "takes_tls10": server.tls10,
        "generation": server.generation,
        "problem": server.problem,
    }


def fleet_json(fleet: FleetOutcome | None) -> dict[str, object] | None:
    """What happens to the recorded phones; None without a record."""
    if fleet is None:
        return None
    return {
        "recorded": fleet.number,
        "inventory": fleet.inventory,
        **{str(fate): {"phones": len(fleet.names(fate)), "names": _named(fleet, fate)} for fate in Fate},
        "behind": list(fleet.behind[:MAX_NAMES]),
        "turned_away": {
            "addresses": len(fleet.turned_away.all),
            "old_tls": list(fleet.turned_away.old[:MAX_NAMES]),
            "others": list(fleet.turned_away.others[:MAX_NAMES]),
        },
        "problem": fleet.problem,
    }


def _named(fleet: FleetOutcome, fate: Fate) -> list[str]:
    """The names of phones with a fate; those that take the lists are not named."""
    return [] if fate is Fate.TAKES else list(fleet.names(fate)[:MAX_NAMES])


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
        "held": _held(outcome),
        "step": outcome.step,
        "booted_before": outcome.booted_before,
        "ctl": _list_json(outcome.boot.ctl),
        "itl": _list_json(outcome.boot.itl),
    }


def _certificate_facts(answer: SignerAnswer) -> tuple[str | None, str | None]:
    """Subject and serial number of an answer's certificate; None of one that cannot be read, as servers may send."""
    try:
        certificate = Certificate.from_der(answer.certificate)
    except CertificateError:
        return None, None
    return certificate.subject_name, shown_serial(certificate.serial_number, new=answer.new)


def _list_json(fetched: PlannedList) -> dict[str, object]:
    found: dict[str, object] = {"decision": fetched.decision}
    if fetched.refusal is not None:
        found |= {"refusal": fetched.refusal, "sentence": fetched.sentence}
    if fetched.answer is not None:
        subject, serial_number = _certificate_facts(fetched.answer)
        found["tvs_answer"] = {
            "subject": subject,
            "serial_number": serial_number,
            "roles": list(fetched.answer.roles),
            "source": fetched.answer.source,
        }
    return found
