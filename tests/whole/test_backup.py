"""A backup as docs/administration.md says: what it restores signs lists that phones know."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from tvs.cli.main import main
from tvs.state import StateDirectory

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).parents[2] / "docs" / "administration.md"


def _commands(state: Path, backup: Path) -> list[list[str]]:
    """The page's commands, for these directories and this interpreter."""
    section = PAGE.read_text("utf-8").partition("\n## Backup\n")[2].partition("\n## ")[0]
    found = [
        line.replace("/opt/tvs/bin/python", sys.executable)
        .replace("/var/lib/tvs", str(state))
        .replace("/root/tvs-backup", str(backup))
        for line in re.findall(r"^    # (.*)$", section, re.MULTILINE)
    ]
    assert len(found) == 3
    return [shlex.split(line) for line in found]


def test_what_was_backed_up_goes_on(state: StateDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The restored directory has database, keys and lists; its next list has the signer that phones know."""
    with closing(state.store()) as store:
        store.set_parameter("PhoneKinds", "with-tvs")  # a change that may still be beside the database's file
        backup = tmp_path / "backup"
        for command in _commands(state.path, backup):
            subprocess.run(command, check=True)
    signer = parse_trust_list(state.ctl_file.read_bytes()).header.serial_number
    shutil.rmtree(state.path)
    shutil.copytree(backup, tmp_path / "restored")
    restored = StateDirectory(tmp_path / "restored")
    with closing(restored.store()) as store:
        assert store.parameter("PhoneKinds") == "with-tvs"
    assert main(["ctl", "plan", "--state", str(restored.path)]) == 0
    assert main(["utils", "ctl", "update", "CTLFile", "-y", "--state", str(restored.path)]) == 0
    capsys.readouterr()
    renewed = restored.ctl_file.read_bytes()
    assert verify(renewed).ok
    assert parse_trust_list(renewed).header.serial_number == signer
    assert {path.stat().st_mode & 0o777 for path in restored.keys.iterdir()} == {0o600}
