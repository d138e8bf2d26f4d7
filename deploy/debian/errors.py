"""Failures of the package's build, as sentences, and the programs that it runs."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class PackageError(Exception):
    """The package cannot be made; the text says why and what to do."""


def run(*command: str | Path, **variables: str) -> str:
    """The output of a command with more environment variables, or all that it said as an error."""
    settings = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PYTHONHASHSEED": "0"}
    words = " ".join(str(word) for word in command[:8])
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **settings, **variables}
        )
    except FileNotFoundError:
        raise PackageError(f"There is no {command[0]} here: it belongs to Debian and its relatives.") from None
    if done.returncode != 0:
        raise PackageError(f"{words} … failed:\n{done.stdout}{done.stderr}".rstrip())
    return done.stdout
