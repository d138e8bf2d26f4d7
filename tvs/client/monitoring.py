"""Verdicts as monitoring plugins give them: one line, a status, figures (Monitoring Plugins Development Guidelines)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from proto.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


class Severity(IntEnum):
    """Verdicts; each is the exit status of a plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


OK, WARNING, CRITICAL, UNKNOWN = Severity
_WORST_FIRST: Final = (CRITICAL, WARNING, UNKNOWN, OK)


@dataclass(frozen=True, slots=True)
class Finding:
    """A part of a verdict.

    Attributes:
        severity: its verdict.
        sentence: what was found, without a full stop.
    """

    severity: Severity
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure for a monitoring system's graphs.

    Attributes:
        name: letters and ``_`` only.
        value: the figure.
        unit: ``s`` or nothing.
        warning, critical: ranges that are fine, as plugins write them (``1``: 0 to 1; ``30:``: 30 and more).
    """

    name: str
    value: float
    unit: str = ""
    warning: str = ""
    critical: str = ""

    def __str__(self) -> str:
        return f"{self.name}={self.value:.6g}{self.unit};{self.warning};{self.critical};0"


@dataclass(frozen=True, slots=True)
class Report:
    """All that a check has found.

    Attributes:
        findings: at least one.
        measures: its figures.
    """

    findings: Sequence[Finding]
    measures: Sequence[Measure] = ()

    @property
    def severity(self) -> Severity:
        """The worst verdict."""
        return next(severity for severity in _WORST_FIRST if any(found.severity is severity for found in self.findings))

    @property
    def sentence(self) -> str:
        """What was found, the worst first; of good things only if there are no others."""
        worst = [found for severity in _WORST_FIRST for found in self.findings if found.severity is severity]
        if self.severity is not OK:
            worst = [found for found in worst if found.severity is not OK]
        return "; ".join(found.sentence for found in worst)

    @property
    def line(self) -> str:
        """The line that a plugin prints; a bar in a sentence would begin the figures."""
        text = printable(self.sentence).replace("|", "/")
        figures = " ".join(map(str, self.measures))
        return f"TVS {self.severity.name} - {text}" + (f" | {figures}" if figures else "")
