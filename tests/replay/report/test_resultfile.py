"""Result files: written and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tvs.replay.report.resultfile import read_result, to_json
from tvs.replay.run.counters import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.replay.report.result import RunResult


def test_json_and_back(result: RunResult, tmp_path: Path) -> None:
    """The output of --json is read back whole, histograms included."""
    path = tmp_path / "result.json"
    path.write_text(to_json(result))
    again = read_result(path)
    assert to_json(again) == to_json(result)
    assert again.histograms[Phase.WHOLE].percentile(99.9) == pytest.approx(3.0, rel=0.001)
    earlier = json.loads(to_json(result))
    del earlier["thresholds"]
    path.write_text(json.dumps(earlier))
    assert read_result(path).thresholds == [], "a result of an earlier version"
    for damage in ('{"format": "tvs-replay-result", "version": 1}', "[]", "{}", '"x"', "{"):
        path.write_text(damage)
        with pytest.raises(ValueError, match=r"result\.json: is "):
            read_result(path)
