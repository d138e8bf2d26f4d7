"""Plans: the behaviour of phones after a change of the cluster, before it is made.

    plan = plan_change(held, before, after, now)
    plan.safe, plan.findings, plan.outcomes

Pure functions over values; `tvs.cluster` makes situations and changes, `tvs.manage.held` the lists that phones hold.
"""

from tvs.plan.boot import Decision, PlannedBoot, PlannedList, boot
from tvs.plan.engine import plan_change
from tvs.plan.model import Code, Finding, PhoneOutcome, Plan, Severity
from tvs.plan.phones import DEFAULT_KINDS, PHONE_KINDS, HeldLists, PhoneKind, parse_kinds
from tvs.plan.text import findings_json, plan_json, plan_text

__all__ = [
    "DEFAULT_KINDS",
    "PHONE_KINDS",
    "Code",
    "Decision",
    "Finding",
    "HeldLists",
    "PhoneKind",
    "PhoneOutcome",
    "Plan",
    "PlannedBoot",
    "PlannedList",
    "Severity",
    "boot",
    "findings_json",
    "parse_kinds",
    "plan_change",
    "plan_json",
    "plan_text",
]
