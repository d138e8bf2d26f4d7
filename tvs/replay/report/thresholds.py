"""Thresholds of `--fail-if`, and the status of a run."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING

from tvs.replay.run.counters import Phase
from tvs.replay.run.failures import Failure
from tvs.replay.units import duration_text, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tvs.replay.report.result import RunResult

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXPRESSION = re.compile(r"\s*([a-z0-9_.]+)\s*(<=|>=|<|>)\s*(\S+)\s*")
_STATISTIC = re.compile(r"(?:(tcp|tls|first_byte|whole|delay)\.)?(min|mean|max|p(\d+(?:\.\d+)?))")
COUNTS = ("errors", "wrong", "late", "dropped", *Failure)
"""Metrics compared with a number, or with a share of the started queries."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One expression.

    Attributes:
        text: the expression as written.
        metric: ``p99``, ``tls.p99.9``, ``whole.max``, ``rate``, or one of `COUNTS`.
        comparison: one of ``< <= > >=``.
        limit: seconds, answers a second, a number of queries, or with `share` a fraction.
        share: whether `limit` is a fraction of the started queries.
    """

    text: str
    metric: str
    comparison: str
    limit: float
    share: bool = False

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Parses an expression. Raises `ValueError` with a sentence."""
        match = _EXPRESSION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a threshold; write 'p99>250ms', 'errors>0.1%' or 'rate<400/s'")
        metric, comparison, value = match.groups()
        try:
            limit, share = _limit(metric, value)
        except ValueError as error:
            raise ValueError(f"{text!r}: {error}") from None
        return cls(text.strip(), metric, comparison, limit, share)

    @property
    def about_errors(self) -> bool:
        """Whether it limits the number of errors."""
        return self.metric in ("errors", "wrong", *Failure)

    def value(self, result: RunResult) -> float:
        """The metric's value in a run."""
        if self.metric == "rate":
            return result.rate
        if self.metric in COUNTS:
            number = _count(self.metric, result)
            return number / max(1, result.started) if self.share else number
        return _statistic(self.metric, result)

    def failed(self, result: RunResult) -> bool:
        """Whether the expression is true."""
        return _OPERATORS[self.comparison](self.value(result), self.limit)

    def facts(self, result: RunResult) -> dict[str, object]:
        """The expression with the metric's value and the limit, in the unit that it names, and whether it is true."""
        return {
            "expression": self.text,
            "metric": self.metric,
            "value": self.value(result),
            "limit": self.limit,
            "unit": self._unit,
            "true": self.failed(result),
        }

    @property
    def _unit(self) -> str:
        if self.metric == "rate":
            return "answers a second"
        if self.metric in COUNTS:
            return "share of the started queries" if self.share else "queries"
        return "seconds"

    def sentence(self, result: RunResult) -> str:
        """The expression that came true, with the metric's value in a run."""
        value = self.value(result)
        if self.metric == "rate":
            shown = f"{value:.1f}/s"
        elif self.metric in COUNTS:
            shown = f"{value:.3%}" if self.share else f"{value:.0f}"
        else:
            shown = duration_text(value)
        return f"{self.text} is true: {self.metric} is {shown}"


def _limit(metric: str, value: str) -> tuple[float, bool]:
    if metric == "rate":
        return float(value.removesuffix("/s")), False
    if metric in COUNTS:
        return (float(value[:-1]) / 100, True) if value.endswith("%") else (float(value), False)
    match = _STATISTIC.fullmatch(metric)
    if match is None or float(match[3] or 0) > 100:
        raise ValueError(f"{metric!r} is not one of p50, p99.9, min, mean, max (or tls.p99), rate, {', '.join(COUNTS)}")
    return parse_duration(value), False


def _count(metric: str, result: RunResult) -> int:
    if metric == "errors":
        return result.failed
    if metric in ("wrong", "late", "dropped"):
        return int(getattr(result, metric))
    return result.failures.get(metric, 0)


def _statistic(metric: str, result: RunResult) -> float:
    match = _STATISTIC.fullmatch(metric)
    if match is None:
        raise ValueError(metric)
    histogram = result.histograms[Phase(match[1] or Phase.WHOLE)]
    if match[3] is not None:
        return histogram.percentile(float(match[3]))
    return {"min": histogram.minimum, "mean": histogram.mean, "max": histogram.maximum}[match[2]]


class RunStatus(StrEnum):
    """Status of a run: a closed set."""

    PASSED = auto()
    """Every answer as expected, or as few errors as the thresholds allow."""
    FAILED = auto()
    """Wrong or missing answers, or a run that is not valid."""
    THRESHOLD = auto()
    """A --fail-if expression is true."""
    INTERRUPTED = auto()


def status_of(result: RunResult, thresholds: Iterable[Threshold]) -> RunStatus:
    """The status of a run. With a threshold about errors, it alone decides how many are too many."""
    if result.interrupted:
        return RunStatus.INTERRUPTED
    if result.failed_thresholds:
        return RunStatus.THRESHOLD
    tolerated = any(threshold.about_errors for threshold in thresholds)
    return RunStatus.FAILED if result.doubts or (result.failed and not tolerated) else RunStatus.PASSED
