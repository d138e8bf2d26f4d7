"""Thresholds of --fail-if, and the status of a run."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tvs.replay.report.thresholds import RunStatus, Threshold, status_of

if TYPE_CHECKING:
    from tvs.replay.report.result import RunResult


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("p99>250ms", False),
        ("p99.9>250ms", True),
        ("tls.p50>=1ms", True),
        ("max<2s", False),
        ("mean>10ms", True),
        ("errors>4%", False),
        ("errors>=4%", True),
        ("errors>19", True),
        ("wrong>15", False),
        ("wrong_roles>=3%", True),
        ("connect_timeout>0", False),
        ("rate<96/s", False),
        ("rate<=96", True),
        ("late>0", False),
    ],
)
def test_thresholds(result: RunResult, text: str, failed: bool) -> None:
    """Percentiles, counts, shares and the rate are compared as written; the unit decides what is compared."""
    assert Threshold.parse(text).failed(result) is failed


@pytest.mark.parametrize(
    ("text", "sentence", "value", "unit"),
    [
        ("errors>=4%", "errors>=4% is true: errors is 4.000%", 0.04, "share of the started queries"),
        ("errors > 19", "errors > 19 is true: errors is 20", 20, "queries"),
        ("tls.p50>=1ms", "tls.p50>=1ms is true: tls.p50 is 1 ms", 0.001, "seconds"),
        ("rate<=96/s", "rate<=96/s is true: rate is 96.0/s", 96.0, "answers a second"),
    ],
)
def test_an_expression_that_came_true(result: RunResult, text: str, sentence: str, value: float, unit: str) -> None:
    """It is named with the value, as a sentence and as facts for machines."""
    threshold = Threshold.parse(text)
    facts = threshold.facts(result)
    assert threshold.sentence(result) == sentence
    assert facts["value"] == pytest.approx(value, rel=0.01)
    assert (facts["expression"], facts["true"], facts["unit"]) == (text, True, unit)


@pytest.mark.parametrize(
    "text", ["", "p99", "p99>", "p99>fast", "p101>1s", "speed>1", "errors>x%", "p99=1s", "rate<1ms"]
)
def test_wrong_thresholds(text: str) -> None:
    """Wrong expressions are refused; the sentence quotes them."""
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Threshold.parse(text)


@pytest.mark.parametrize(
    ("changes", "expressions", "status"),
    [
        ({"failures": {}}, (), RunStatus.PASSED),
        ({}, (), RunStatus.FAILED),
        ({}, ("errors>5%",), RunStatus.PASSED),
        ({}, ("p99>1h",), RunStatus.FAILED),
        ({"failures": {}, "dropped": 1}, (), RunStatus.FAILED),
        ({"dropped": 1}, ("errors>5%",), RunStatus.FAILED),
        ({"failed_thresholds": ["errors>1% (4.000%)"]}, ("errors>1%",), RunStatus.THRESHOLD),
        ({"interrupted": True, "failed_thresholds": ["errors>1% (4.000%)"]}, ("errors>1%",), RunStatus.INTERRUPTED),
    ],
)
def test_status_of_a_run(
    result: RunResult, changes: dict[str, object], expressions: tuple[str, ...], status: RunStatus
) -> None:
    """Errors fail a run unless a threshold about errors allows them; a lagging generator always does."""
    ended = replace(result, **changes)  # type: ignore[arg-type] # fields of the result
    assert status_of(ended, [Threshold.parse(text) for text in expressions]) is status
