"""Failures of a cluster on one machine, as sentences, and the programs that it runs."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN = ("TVS_", "PG")
"""Beginnings of variables that would send programs to another cluster or another database."""


class ClusterError(Exception):
    """The cluster cannot be started or stopped; the text says why, and what to do."""


def environment() -> dict[str, str]:
    """The variables of a program of the cluster: without settings that belong to another service or database."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def run(*command: str | Path, **settings: Any) -> str:
    """The output of a command; `settings` are those of `subprocess.run`. Raises `ClusterError` with what it said."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment(), **settings)
    except OSError as error:
        raise ClusterError(f"{words[0]} cannot be run: {error.strerror or error}") from None
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}".rstrip())
    return str(done.stdout)
