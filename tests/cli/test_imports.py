"""Modules that commands import: a command starts quickly if it imports only what it uses."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tvs.state import StateDirectory

_HEAVY = {"asyncio", "structlog", "rich", "prometheus_client", "aiohttp", "hdrh"}
"""Packages that cost much of a command's start, and that are for running services and clients."""
_PROGRAM = """\
import sys
from tvs.cli.main import main
status = main(sys.argv[2:])
sys.stdout.flush()
sys.stderr.write(" ".join(sorted(set(sys.argv[1].split()) & set(sys.modules))))
sys.exit(status)
"""


@pytest.mark.parametrize(
    "command",
    [
        "show nodes",
        "show phones",
        "show ctl",
        "show cert list own --long",
        "show cert own TVS",
        "show cluster",
        "ctl plan",
        "set phones with-tvs",
        "run sql 'select 1'",
    ],
)
def test_commands_import_nothing_heavy(state: StateDirectory, command: str) -> None:
    """Commands on a state directory import neither an event loop nor the libraries of the service and the clients."""
    words = shlex.split(command)
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, " ".join(_HEAVY), *words, "--state", str(state.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
