"""Result as a table for people, and as CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tvs.replay.run.counters import Phase
from tvs.replay.run.failures import Failure
from tvs.replay.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvs.replay.report.result import RunResult
    from tvs.replay.run.histograms import Histogram

PHASE_NAMES = {
    Phase.TCP: "TCP connect",
    Phase.TLS: "TLS handshake",
    Phase.FIRST_BYTE: "first byte",
    Phase.WHOLE: "whole",
    Phase.DELAY: "generator's delay",
}
_HEADING = ("", "count", "min", "mean", "p50", "p90", "p99", "p99.9", "max")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Formats rows as indented lines: the first column left-aligned, the others right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        (
            "  "
            + row[0].ljust(widths[0])
            + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        ).rstrip()
        for row in rows
    ]


def table(result: RunResult) -> str:
    """The report that ends a run."""
    lines = [f"Load test of {result.server}: {result.mode}", ""]
    lines += [f"  {name:<9}  {text}" for name, text in facts(result)]
    lines += ["", *aligned(phase_rows(result))]
    if result.failures:
        rows = [(name, str(number), share(number, result.started)) for name, number in result.failures.items()]
        lines += ["", "Errors", *aligned(rows)]
    lines += _sentences("Errors in detail, the first few", result.examples)
    lines += _sentences("Not replayed", [f"{number}: {reason}" for reason, number in result.left_out.items()])
    return "\n".join(lines)


def verdict(result: RunResult) -> list[str]:
    """Sentences about failed thresholds, an interruption and an invalid run; empty if all is well."""
    lines = [f"--fail-if {text}" for text in result.failed_thresholds]
    if result.interrupted:
        lines.append(f"interrupted after {result.seconds:.1f} s; {result.unfinished} queries were under way")
    if result.doubts:
        lines.append(f"this run is not valid, the generator itself lagged: {'; '.join(result.doubts)}")
        lines.append("use more --processes or --sources, a machine with more cores, or a lower rate")
    return lines


def facts(result: RunResult) -> list[tuple[str, str]]:
    """Facts of a run as pairs of name and text."""
    failed = f"{result.failed} failed ({share(result.failed, result.started)})"
    planned = "" if result.planned is None else f"{result.planned} planned, "
    facts = [
        ("Queries", f"{planned}{result.started} started, {result.answered} answered as expected, {failed}"),
        ("Generator", f"{_processes(result.processes)}, {result.late} late, {result.dropped} dropped"),
        ("Rate", f"{result.rate:.1f} answers/s over {result.seconds:.1f} s"),
        ("Source", result.source),
        ("TLS", result.tls),
    ]
    facts += [("", f"{number} handshakes {suite}") for suite, number in result.suites.items()]
    if result.resumed:
        facts.append(("", f"{result.resumed} resumed a session"))
    return facts


def _processes(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def phase_rows(result: RunResult) -> list[tuple[str, ...]]:
    """Rows of the table of phases: a heading, then the statistics of each phase."""
    return [_HEADING, *(_phase_row(*entry) for entry in result.histograms.items())]


def _phase_row(phase: Phase, histogram: Histogram) -> tuple[str, ...]:
    if not histogram.count:
        return (PHASE_NAMES[phase], "0", *[""] * 7)
    values = [histogram.minimum, histogram.mean, *map(histogram.percentile, (50, 90, 99, 99.9)), histogram.maximum]
    return (PHASE_NAMES[phase], str(histogram.count), *map(duration_text, values))


def share(number: int, total: int) -> str:
    """The share of `number` in `total`, in percent."""
    return f"{number / total:.2%}" if total else "0 %"


def _sentences(title: str, sentences: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {sentence}" for sentence in sentences)] if sentences else []


def csv_text(result: RunResult) -> str:
    """CSV with a row a second; latencies, in seconds, are of the queries planned for that second."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    kinds = [str(failure) for failure in Failure]
    writer.writerow(
        ["second", "planned", "started", "answered", "failed", "late", "dropped", "p50", "p90", "p99", "max", *kinds]
    )
    for row in result.rows:
        values = ["" if value is None else f"{value:.6f}" for value in (row.p50, row.p90, row.p99, row.max)]
        counts = [row.second, row.planned, row.started, row.answered, row.failed, row.late, row.dropped]
        writer.writerow([*counts, *values, *(row.failures.get(kind, 0) for kind in kinds)])
    return output.getvalue()
