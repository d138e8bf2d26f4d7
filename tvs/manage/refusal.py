"""The refusal of a change that would lose phones, with its sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proto.text import printable
from tvs.errors import StateError
from tvs.plan.model import Severity
from tvs.plan.text import findings_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvs.plan.model import Plan


class PhonesLost(StateError):  # noqa: N818 - a verdict
    """A change is stopped because phones would be lost; nothing was changed.

    Attributes:
        plan: of the change.
        ways_out: sentences with options under which the plan is safe.
    """

    def __init__(self, plan: Plan, ways_out: Sequence[str] = ()) -> None:
        errors = [finding for finding in plan.findings if finding.severity is Severity.ERROR]
        lines = [printable(f"{finding.code}: {finding.sentence}. Way out: {finding.way_out}.") for finding in errors]
        if plan.fleet is not None and plan.fleet.sentence:
            lines.append(printable(plan.fleet.sentence))
        super().__init__(
            "\n".join(
                ["phones would be lost; nothing was changed", *lines, *ways_out, "to do it all the same, add --force"]
            )
        )
        self.plan = plan
        self.ways_out = tuple(ways_out)

    @property
    def findings(self) -> list[dict[str, object]]:
        """All findings of the plan, for machines."""
        return findings_json(self.plan)
