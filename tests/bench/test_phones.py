"""The benchmark of records runs real commands on a record beside a bare reading of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.phones import COMMANDS
from tests.bench.site import ROOT


@pytest.mark.usefixtures("able")
def test_commands_are_measured() -> None:
    """Each command has its time over the reference's, in a table and as JSON."""
    command = [sys.executable, "-m", "tests.bench", "phones", "--recorded", "200", "--rounds", "1", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["phones"]
    assert found["recorded"] == 200
    assert [one["command"] for one in found["commands"]] == list(COMMANDS)
    assert all(one["ratio"] > 0 < one["reference"] for one in found["commands"])
    assert "show phones --at-risk" in done.stderr
