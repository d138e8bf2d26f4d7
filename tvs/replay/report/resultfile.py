"""Result file of `--json`: written and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tvs import __version__
from tvs.replay.report.result import Row, RunResult
from tvs.replay.run.counters import Phase
from tvs.replay.run.histograms import Histogram

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "tvs-replay-result"
VERSION = 1
SUMMARY_PERCENTS = (50, 90, 95, 99, 99.9)
_PLAIN = (
    "server",
    "source",
    "mode",
    "tls",
    "open_model",
    "processes",
    "started_at",
    "seconds",
    "planned",
    "started",
    "answered",
    "late",
    "dropped",
    "unfinished",
    "lost",
    "failures",
    "suites",
    "resumed",
    "examples",
    "left_out",
    "interrupted",
    "late_after",
    "failed_thresholds",
)
_NUMBERS = (
    *("processes", "seconds", "planned", "started", "answered", "late", "dropped", "unfinished", "lost", "resumed"),
    "late_after",
)
_COUNTS = ("failures", "suites", "left_out")
_MAYBE = ("planned", "p50", "p90", "p99", "max")
"""Numbers that can be missing."""
_MAX = 2**63
"""The largest number that is taken: what cannot be divided is none."""
_ROW = ("second", "planned", "started", "answered", "late", "dropped", "failures", "p50", "p90", "p99", "max")


def to_json(result: RunResult) -> str:
    """Serializes a result; times in seconds."""
    entry: dict[str, object] = {"format": FORMAT, "version": VERSION, "program": f"tvs {__version__}"}
    entry |= {name: getattr(result, name) for name in _PLAIN}
    entry["thresholds"] = result.thresholds
    entry |= {"valid": not result.doubts, "doubts": result.doubts, "failed": result.failed, "rate": result.rate}
    entry["phases"] = {phase.value: _phase_json(histogram) for phase, histogram in result.histograms.items()}
    entry["rows"] = [{name: getattr(row, name) for name in _ROW} for row in result.rows]
    return json.dumps(entry, indent=1, ensure_ascii=False) + "\n"


def _phase_json(histogram: Histogram) -> dict[str, object]:
    return {
        "count": histogram.count,
        "min": histogram.minimum,
        "mean": histogram.mean,
        "max": histogram.maximum,
        **{f"p{percent:g}": histogram.percentile(percent) for percent in SUMMARY_PERCENTS},
        "hdr": histogram.encode().decode(),
    }


def read_result(path: Path) -> RunResult:
    """Reads a file with the output of `to_json`. Raises `ValueError` with a sentence."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: is not JSON: {error}") from None
    if not isinstance(entry, dict) or entry.get("format") != FORMAT or entry.get("version") != VERSION:
        raise ValueError(f"{path}: is not a result that tvs replay --json has written")
    try:
        return _from_json(entry)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: is a damaged result: {error}") from None


def _from_json(entry: dict[str, Any]) -> RunResult:
    rows = [{name: row[name] for name in _ROW} for row in entry["rows"]]
    for name, value in ((name, value) for values in (entry, *rows) for name, value in values.items()):
        if (name in _NUMBERS or name in _ROW) and not _is_number(value, name):
            raise ValueError(f"{name} is {value!r:.60}")
    counts = [(name, entry[name]) for name in _COUNTS] + [("failures", row["failures"]) for row in rows]
    for name, numbers in counts:
        if not all(isinstance(number, int) and abs(number) <= _MAX for number in numbers.values()):
            raise ValueError(f"{name} is {numbers!r:.60}")
    return RunResult(
        histograms={phase: Histogram(entry["phases"][phase.value]["hdr"].encode()) for phase in Phase},
        rows=[Row(**row) for row in rows],
        thresholds=list(entry.get("thresholds", [])),  # earlier versions did not write them
        **{name: entry[name] for name in _PLAIN},
    )


def _is_number(value: object, name: str) -> bool:
    """Whether a value is a number of a file, or None where there can be none; numbers of failures stand in a table."""
    if name == "failures":
        return isinstance(value, dict)
    if value is None:
        return name in _MAYBE
    return isinstance(value, int | float) and abs(value) <= _MAX
