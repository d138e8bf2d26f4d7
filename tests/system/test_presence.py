"""The sign that a process uses a directory."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.fixtures.running import PATIENCE, wait_until
from tvs.system.presence import is_used, present

if TYPE_CHECKING:
    from pathlib import Path

USER = """
import sys
from pathlib import Path
from tvs.system.presence import present
with present(Path(sys.argv[1])):
    print("here", flush=True)
    sys.stdin.read()
"""


def test_several_users(tmp_path: Path) -> None:
    """A directory is used until the last process ends; nothing is left in it."""
    assert is_used(tmp_path) is False
    with present(tmp_path):
        with present(tmp_path):
            assert is_used(tmp_path) is True
        assert is_used(tmp_path) is True
    assert is_used(tmp_path) is False
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    """The sign ends with its process, however that ends."""
    command = [sys.executable, "-c", USER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert is_used(tmp_path) is True
        process.kill()
        process.wait(PATIENCE)
        wait_until(lambda: is_used(tmp_path) is False, "the end of the sign")


def test_a_directory_that_cannot_be_opened(tmp_path: Path) -> None:
    """Nothing is claimed of a directory that is not there, and who uses it is not hindered."""
    assert is_used(tmp_path / "missing") is None
    with present(tmp_path / "missing") as descriptor:
        assert descriptor is None
