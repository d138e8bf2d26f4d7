"""Comparison of two results."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.replay.report.results import histogram
from tvs.cli.main import main
from tvs.replay.report.resultfile import to_json
from tvs.replay.run.counters import Phase

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tvs.replay.report.result import RunResult


def test_compare(result: RunResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both values and the change of each number; notes name the differences of the runs."""
    (tmp_path / "a.json").write_text(to_json(result))
    slower = {phase: histogram(*[2.0] * 90, *[40.0] * 9, 6000.0) for phase in Phase}
    other = replace(result, histograms=slower, answered=240, failures={}, mode="another", interrupted=True)
    (tmp_path / "b.json").write_text(to_json(other))
    both = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert main(["replay", "compare", *both]) == 0
    said = capsys.readouterr().out
    lines = [line.split() for line in said.splitlines()]
    assert ["whole", "p50", "1", "ms", "2", "ms", "+100.0%"] in lines
    assert ["answered", "480", "240", "-50.0%"] in lines
    assert ["wrong_roles", "15", "0", "-100.0%"] in lines
    assert "note: the second run was interrupted" in said
    assert "note: they differ in mode" in said
    assert main(["replay", "compare", *both, "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["differences"]}
    assert entries["failed"] == {"name": "failed", "before": 20, "after": 0, "change": -1.0}
