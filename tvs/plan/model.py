"""A plan as a value: what phones will do, what was found, and whether that is safe."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tvs.plan.boot import PlannedBoot
    from tvs.plan.phones import PhoneKind


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Phones would be lost: each must be touched by hand."""
    WARNING = "warning"
    NOTE = "note"
    """It concerns phones that the cluster is not said to have, or what comes next."""


class Code(StrEnum):
    """What is found: a closed set, fit for scripts."""

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
    NODE_WITHOUT_CERTIFICATE = "node-without-certificate"
    PROFILE_REFUSES_7900 = "profile-refuses-7900"
    LIST_OUTDATED = "list-outdated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        code: which.
        severity: how bad it is.
        sentence: what it is, with names.
        way_out: what to do.
    """

    code: Code
    severity: Severity
    sentence: str
    way_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneOutcome:
    """What becomes of the phones of one kind that hold the same lists.

    Attributes:
        kind: of the phones.
        held: what they hold, for people.
        step: which step of the change, from 0.
        boot: what they do.
    """

    kind: PhoneKind
    held: str
    step: int
    boot: PlannedBoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What phones will do.

    Attributes:
        title: the change.
        steps: its steps, for people; one or two.
        phones: the kinds of phones that count.
        lists: a line for each list that phones will find.
        outcomes: of all kinds of phones.
        findings: the worst first.
    """

    title: str
    steps: tuple[str, ...]
    phones: frozenset[PhoneKind]
    lists: tuple[str, ...]
    outcomes: tuple[PhoneOutcome, ...]
    findings: tuple[Finding, ...]

    @property
    def safe(self) -> bool:
        """Whether no phone that counts would be lost."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)
