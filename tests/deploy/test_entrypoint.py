"""The entry point of the container image, run by a shell with the real command: when it makes a state directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.running import PATIENCE
from tvs.state import StateDirectory

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path on which `tvs` is this project's command."""
    command = tmp_path / "bin" / "tvs"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tvs "$@"\n')
    command.chmod(0o755)
    return f"{command.parent}:{os.environ['PATH']}"


def serve(state: Path, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The entry point with the container's default command, which ends after a look at the settings."""
    return subprocess.run(
        ["/bin/sh", ROOT / "deploy/container/entrypoint.sh", "serve", "--check-config"],
        cwd=ROOT,
        env={**os.environ, "PATH": path, "TVS_STATE": str(state), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in-the-volume", "elsewhere"])
def test_the_first_start_makes_the_cluster(tmp_path: Path, path: str, *, elsewhere: bool) -> None:
    """An empty volume is filled once, whichever database the environment names; later starts find it."""
    state = tmp_path / "volume"
    state.mkdir()
    environment = {"INIT_NAME": "pub", "INIT_ADDRESS": "192.0.2.10"}
    if elsewhere:
        environment["TVS_STORE"] = f"sqlite://{tmp_path}/my.db"
    first = serve(state, path, **environment)
    assert first.returncode == 0, first.stderr
    assert "Made " in first.stderr
    assert StateDirectory(state).database.exists() is not elsewhere
    assert (tmp_path / "my.db").exists() is elsewhere
    second = serve(state, path, **environment)
    assert (second.returncode, "Made " in second.stderr) == (0, False)


def test_an_empty_volume_without_a_name(tmp_path: Path, path: str) -> None:
    """Without a name nothing is made, and the sentences say what to do."""
    (tmp_path / "volume").mkdir()
    refused = serve(tmp_path / "volume", path)
    assert refused.returncode == 1
    assert "is empty: set INIT_NAME and INIT_ADDRESS" in refused.stderr
    assert list((tmp_path / "volume").iterdir()) == []
