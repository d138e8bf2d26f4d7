"""Resident memory of a process."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_memory(process: int) -> int | None:
    """Bytes of a process in memory, shared ones included; None if it does not exist (proc(5), statm)."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return None
