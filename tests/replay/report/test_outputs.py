"""Files with the result of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tvs.replay.report.outputs import Outputs

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.replay.report.result import RunResult


def test_wanted_files_are_written(result: RunResult, tmp_path: Path) -> None:
    """JSON, CSV and page, each as its own format; an output without a path is left out."""
    outputs = Outputs(json=tmp_path / "run.json", html=tmp_path / "run.html")
    outputs.check()
    assert list(outputs.write(result)) == [(tmp_path / "run.json", None), (tmp_path / "run.html", None)]
    assert json.loads((tmp_path / "run.json").read_text())["answered"] == result.answered
    assert (tmp_path / "run.html").read_text().startswith("<!doctype html>")
    assert list(Outputs(csv=tmp_path / "run.csv").write(result)) == [(tmp_path / "run.csv", None)]
    assert (tmp_path / "run.csv").read_text().startswith("second,planned")


def test_a_missing_directory_is_found_before_the_run(tmp_path: Path) -> None:
    """The sentence names the file and the directory."""
    missing = tmp_path / "none"
    with pytest.raises(ValueError, match=f"{missing / 'x.csv'}: the directory {missing} does not exist"):
        Outputs(csv=missing / "x.csv").check()


def test_one_file_that_cannot_be_written_does_not_stop_the_others(result: RunResult, tmp_path: Path) -> None:
    """Its sentence is given in place of None."""
    (tmp_path / "full").mkdir()
    (path, problem), (other, fine) = Outputs(json=tmp_path / "full", csv=tmp_path / "run.csv").write(result)
    assert (path, other, fine) == (tmp_path / "full", tmp_path / "run.csv", None)
    assert problem is not None
    assert problem.startswith(f"{tmp_path / 'full'}: cannot be written: ")
