"""Paths and commands as they can be typed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.cluster.layout import Folder

ROOT = Path(__file__).resolve().parents[2]
USUAL = ROOT / ".cluster"
"""The folder of the Makefile's cluster."""


def command(folder: Folder, action: str) -> str:
    """The command line for an action: the Makefile's if the folder is the usual one."""
    if folder.path == USUAL:
        return {"up": "make cluster", "down": "make cluster-down"}.get(
            action, f".venv/bin/python -m deploy.cluster {action}"
        )
    return f"{short(Path(sys.executable))} -m deploy.cluster {action} --dir {short(folder.path)}"


def short(path: Path) -> str:
    """A path as it can be typed here: relative, if it is below the current folder."""
    absolute = path if path.is_absolute() else Path.cwd() / path
    return os.path.relpath(absolute) if absolute.is_relative_to(Path.cwd()) else str(absolute)
