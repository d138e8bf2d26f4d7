"""The file with the last trace order: read, and watched by each worker, in a thread.

The supervisor has no thread, and a file system that hangs would stop it. It reads the file only when a worker, which
has just read it, reports another content.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from tvs.log.tracing import MAX_FILE, number_of
from tvs.system.files import read_regular

if TYPE_CHECKING:
    from pathlib import Path

LOOK: Final = 0.5
"""Seconds between two looks at the file."""
UNREADABLE: Final = "unreadable"
"""Number of an order in a file that cannot be read."""


def read_trace_file(path: Path) -> bytes:
    """The content of the file; empty if there is none. Blocking. Raises `OSError`."""
    try:
        return read_regular(path, MAX_FILE)
    except FileNotFoundError:
        return b""


class TraceFileWatch:
    """A worker's view of the file.

    Args:
        path: the file.

    Attributes:
        number: number of the order in it, see `tvs.log.tracing.number_of`; None before the first look.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.number: str | None = None

    async def run(self) -> None:
        """Looks twice a second until cancelled. Errors do not end it: no thread can be had for a moment, say."""
        while True:
            with contextlib.suppress(Exception):
                self.number = await asyncio.to_thread(self._look)
            await asyncio.sleep(LOOK)

    def _look(self) -> str:
        try:
            return number_of(read_trace_file(self._path))
        except OSError:
            return UNREADABLE
