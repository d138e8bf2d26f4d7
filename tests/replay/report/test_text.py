"""The table and the CSV file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tvs.replay.report.text import csv_text, table, verdict

if TYPE_CHECKING:
    from tvs.replay.report.result import RunResult


def test_the_table(result: RunResult) -> None:
    """The table has the counts and the errors by kind, in aligned columns."""
    lines = table(result).splitlines()
    assert "  Queries    500 planned, 500 started, 480 answered as expected, 20 failed (4.00%)" in lines
    assert "  wrong_roles         15  3.00%" in lines
    head = next(line for line in lines if line.split()[:2] == ["count", "min"])
    whole = next(line for line in lines if line.strip().startswith("whole"))
    assert head.index("p99.9") + len("p99.9") == whole.index("3 s", whole.index("20 ms")) + len("3 s")
    assert verdict(result) == []


def test_csv(result: RunResult) -> None:
    """The CSV file has a row a second; missing latencies are empty cells."""
    rows = list(csv.DictReader(io.StringIO(csv_text(result))))
    assert [int(line["answered"]) for line in rows] == [100, 0, 180, 100, 100]
    assert (rows[1]["p99"], rows[2]["p99"], rows[2]["wrong_roles"]) == ("", "3.000000", "15")
