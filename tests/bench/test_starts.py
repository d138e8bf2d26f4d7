"""The benchmark of starts runs real commands beside a bare Python, and refuses figures of one that fails."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.site import ROOT

pytestmark = pytest.mark.usefixtures("able")


def _bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.bench", "starts", "--pairs", "1", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_starts_are_measured() -> None:
    """Each command has its CPU time over a bare Python's, in a table and as JSON."""
    done = _bench("--command=--version", "--command=show nodes", "--json")
    assert done.returncode == 0, done.stderr
    starts = json.loads(done.stdout)["starts"]["ours"]
    assert [start["command"] for start in starts] == ["--version", "show nodes"]
    assert all(start["pairs"] == 1 and start["over_ms"] > 0 < start["bare_ms"] for start in starts)
    assert "show nodes" in done.stderr


def test_a_command_that_fails_is_not_measured() -> None:
    """A command that ends with another status than 0 ends the benchmark with a sentence."""
    done = _bench("--command=show cert own none")
    assert done.returncode == 1
    assert "ended with status 1" in done.stderr
