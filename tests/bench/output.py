"""Tables for people and JSON for machines."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from tests.bench.measure import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.measure import Series


def tell(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def number(value: float, digits: int = 0) -> str:
    """A number with separated thousands; a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns that line up: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


_HEAD = ("server", "a second", "CPU µs", "user", "system", "p50 ms", "p99 ms", "core", "clients", "rounds")


def series_table(series: Sequence[Series]) -> str:
    """Medians of each server. `core`: share of the core that it had; `clients`: how busy their cores were."""
    rows = []
    for one in series:
        counted = sum(not sample.note for sample in one.samples)
        rows.append(
            (
                one.name,
                number(one.median("rate")),
                *(number(one.median(value), 1) for value in ("cpu_us", "user_us", "system_us", "p50_ms", "p99_ms")),
                *(_share(one, value) for value in ("share", "clients_busy")),
                f"{counted}/{len(one.samples)}",
            )
        )
    return table(_HEAD, rows) + "\n" + _regimes(series)


def _regimes(series: Sequence[Series]) -> str:
    """What was full in the rounds: the reader must not take a rate of the clients for one of the server."""
    lines = []
    for one in series:
        counted = Counter(sample.regime for sample in one.samples)
        lines.append(f"  full with {one.name}: " + ", ".join(f"{what} ({count})" for what, count in counted.items()))
    return "\n".join(lines)


def _share(one: Series, value: str) -> str:
    return number(median(getattr(sample, value) for sample in one.samples) * 100) + "%"


def ratio_line(one: Series, reference: Series) -> str:
    """Rate and CPU time against a reference, each the median over the rounds, with the lowest and the highest."""
    rates, cpus = one.ratios(reference), [1 / ratio for ratio in one.ratios(reference, "cpu_us")]
    return f"  {one.name} / {reference.name}: rate {_spread(rates)}, by CPU time {_spread(cpus)}"


def _spread(ratios: list[float]) -> str:
    if not ratios:
        return "- (no round counts)"
    return f"{median(ratios):.3f} ({min(ratios):.3f} … {max(ratios):.3f}, {len(ratios)} pairs)"


def as_json(series: Sequence[Series], pairs: Sequence[tuple[Series, Series]]) -> dict[str, object]:
    """All samples, medians and ratios."""
    return {
        "servers": {
            one.name: {
                "median": {value: one.median(value) for value in ("rate", "cpu_us", "p50_ms", "p99_ms")},
                "samples": [{**asdict(sample), "note": sample.note} for sample in one.samples],
            }
            for one in series
        },
        "ratios": [
            {
                "server": one.name,
                "reference": reference.name,
                "rate": {"median": median(one.ratios(reference)), "pairs": one.ratios(reference)},
                "cpu_us": {"median": median(one.ratios(reference, "cpu_us")), "pairs": one.ratios(reference, "cpu_us")},
            }
            for one, reference in pairs
        ],
    }


def say_json(value: object) -> None:
    """JSON on standard output; what is not a number there is null."""
    sys.stdout.write(json.dumps(_plain(value), indent=2) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


_for_people = sys.stdout


def to_standard_error(yes: bool) -> None:
    """Whether what `say` prints goes to standard error, because standard output is for JSON."""
    global _for_people  # noqa: PLW0603 - set once, at the start
    _for_people = sys.stderr if yes else sys.stdout


def say(text: str = "") -> None:
    """A line for people."""
    _for_people.write(text + "\n")
    _for_people.flush()
