"""The log of a process that may have no thread: each line is written at once, or not at all.

A line that would have to wait, because nobody reads the other end of the pipe, is left out: the supervisor must go
on looking after its workers.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

from tvs.log.forms import form_of
from tvs.log.logger import level_number
from tvs.log.target import log_colors, open_log

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.log.forms import LogFormat, Record


class DirectLog:
    """Takes records as `tvs.log.pipeline.LogPipeline` does.

    Args:
        file: where the log is; None: standard error.
        log_format: how lines look.
        level: name of the lowest level that is written.

    Raises `OSError` for a file that cannot be opened.
    """

    def __init__(self, file: Path | None, *, log_format: LogFormat, level: str) -> None:
        self._descriptor = open_log(file)
        self._form = form_of(log_format, colors=log_colors(file))
        self.threshold = level_number(level)

    def emit(self, record: Record) -> None:
        """Writes a line."""
        data = self._form(record).encode("utf-8", "backslashreplace")[: select.PIPE_BUF]
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        with contextlib.suppress(OSError):
            if waiting.poll(0):
                os.write(self._descriptor, data)

    def close(self) -> None:
        """Closes the log."""
        os.close(self._descriptor)
