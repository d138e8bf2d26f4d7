"""A plan as a value: outcomes of phones, findings, and whether they are safe."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tvs.plan.boot import PlannedBoot, PlannedList
    from tvs.plan.phones import HeldLists, PhoneKind

NO_CHANGE = "nothing"
"""The title of a plan of the files as they are."""


class Severity(StrEnum):
    """The severity of a finding."""

    ERROR = "error"
    """Phones would be lost: each must be touched by hand."""
    WARNING = "warning"
    NOTE = "note"
    """About phones that the cluster is not said to have, or about the next step."""


class Code(StrEnum):
    """The kind of a finding: a closed set, fit for scripts."""

    CHANGED_TOGETHER = "changed-together"
    SIGNER_UNKNOWN = "signer-unknown-to-tvs"
    SIGNER_NOT_SAST = "signer-not-sast"
    SIGNER_DIFFERENT = "signer-different"
    TVS_NOT_IN_ITL = "tvs-not-in-itl"
    TVS_TLS = "tvs-tls-refused"
    PHONES_WITHOUT_TVS = "phones-without-tvs"
    LIST_TOO_LARGE = "list-too-large"
    LIST_DAMAGED = "list-damaged"
    DIGEST_UNKNOWN = "digest-unknown"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_EXPIRES = "certificate-expires-soon"
    CTL_LEFT_OVER = "ctl-left-over"
    CTL_MISSING = "ctl-missing"
    NOT_FETCHED = "not-fetched"
    NODE_NOT_LISTED = "node-not-listed"
    NODE_WITHOUT_CERTIFICATE = "node-without-certificate"
    PUBLISHER_ALIVE = "publisher-alive"
    PROFILE_REFUSES_7900 = "profile-refuses-7900"
    LIST_OUTDATED = "list-outdated"
    TRUST_WITHDRAWN = "trust-withdrawn"
    WITHOUT_ROLE = "without-role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fact that an administrator should know before a change.

    Attributes:
        code: its kind.
        severity: error, warning or note.
        sentence: the fact, with names.
        way_out: the remedy, with commands.
    """

    code: Code
    severity: Severity
    sentence: str
    way_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneOutcome:
    """The boot of the phones of one kind that hold the same lists.

    Attributes:
        kind: of the phones.
        held: the lists that they hold.
        step: the step of the change after which they boot, from 0.
        boot: their decisions.
        booted_before: they booted after the earlier steps too; otherwise they boot after this one only.
    """

    kind: PhoneKind
    held: HeldLists
    step: int
    boot: PlannedBoot
    booted_before: bool = False

    @property
    def refused(self) -> tuple[tuple[str, PlannedList], ...]:
        """The lists that the phones refuse, by file name."""
        lists = ((CTL_NAME, self.boot.ctl), (ITL_NAME, self.boot.itl))
        return tuple((name, fetched) for name, fetched in lists if fetched.refusal is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The behaviour of phones after a change, and findings.

    Attributes:
        title: the change.
        steps: its steps, for people; one or two.
        phones: the kinds of phones that count.
        lists: a line for each list that phones will find.
        outcomes: of all kinds of phones.
        findings: the worst first.
        present: of the same phones without the change.
    """

    title: str
    steps: tuple[str, ...]
    phones: frozenset[PhoneKind]
    lists: tuple[str, ...]
    outcomes: tuple[PhoneOutcome, ...]
    findings: tuple[Finding, ...]
    present: tuple[PhoneOutcome, ...] = ()

    @property
    def safe(self) -> bool:
        """Whether no phone that counts would be lost."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    @property
    def harmless(self) -> bool:
        """Whether every list that phones would refuse is one that they refuse without the change as well."""
        return self._refusals(self.outcomes) <= self._refusals(self.present)

    @property
    def helps(self) -> bool:
        """Whether phones refuse fewer lists than without the change, and none besides."""
        return self._refusals(self.outcomes) < self._refusals(self.present)

    def _refusals(self, outcomes: Iterable[PhoneOutcome]) -> set[tuple[PhoneKind, HeldLists, str]]:
        counted = (outcome for outcome in outcomes if outcome.kind in self.phones)
        return {(outcome.kind, outcome.held, name) for outcome in counted for name, _ in outcome.refused}
