"""Commands whose extra is not installed print the command that installs what it names."""

from __future__ import annotations

import shlex
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tvs.state import StateDirectory

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize(
    ("package", "extra", "command"),
    [
        ("hdrh", "replay", "replay --server 127.0.0.1:9 --insecure --ask CTL --rate 1/s --duration 1s"),
        ("hdrh", "replay", "replay compare a.json b.json"),
        ("tftpy", "phone", "phone boot --mac 001122334455 --model CP-8861 --from tftp://127.0.0.1 --state STATE"),
        ("aiohttp", "phone", "phone boot --mac 001122334455 --model CP-8861 --from http://127.0.0.1 --state STATE"),
        ("shtab", "completion", "completion fish"),
        ("pkcs11", "pkcs11", "utils ctl update CTLFile --yes --token pkcs11:token=x --state DIR"),
    ],
)
def test_missing_extra_is_named(
    tvs: Callable[..., subprocess.CompletedProcess[str]],
    state: StateDirectory,
    tmp_path: Path,
    package: str,
    extra: str,
    command: str,
) -> None:
    """Without its package a command ends with pip's command for the extra's packages, and without a traceback.

    These packages are published; this project need not be, so that the command works from the first day.
    """
    (tmp_path / "path" / package).mkdir(parents=True)
    (tmp_path / "path" / package / "__init__.py").write_text("raise ImportError('hidden for this test')\n")
    paths = {"CTL": state.ctl_file, "STATE": tmp_path / "phone", "DIR": state.path}
    words = [str(paths.get(word, word)) for word in command.split()]
    done = tvs(*words, environment={"PYTHONPATH": str(tmp_path / "path")})
    assert done.returncode != 0
    wanted = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["optional-dependencies"][extra]
    assert f"{sys.executable} -m pip install {shlex.join(wanted)}\n" in done.stderr
    assert "Traceback" not in done.stderr
