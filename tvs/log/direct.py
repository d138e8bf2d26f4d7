"""The log of a process without threads: each line is written at once or dropped.

A line that would block, because the pipe is full, is dropped: the supervisor must keep watching its workers.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import TYPE_CHECKING

from tvs.log.forms import form_of
from tvs.log.levels import LEVEL_NUMBERS
from tvs.log.target import log_colors, open_log

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.log.forms import Record
    from tvs.log.levels import LogFormat


class DirectLog:
    """A sink of records that writes each line itself, without buffer and thread.

    Args:
        file: the log file; None: standard error.
        log_format: the form of a line.
        level: name of the lowest level that is written.

    Raises `OSError` for a file that cannot be opened.
    """

    def __init__(self, file: Path | None, *, log_format: LogFormat, level: str) -> None:
        self._descriptor = open_log(file)
        self._form = form_of(log_format, colors=log_colors(file))
        self.threshold = LEVEL_NUMBERS[level]
        self._torn = False  # the log ends in the start of a line

    def fileno(self) -> int:
        """The descriptor of the log; -1 after `close`."""
        return self._descriptor

    def emit(self, record: Record) -> None:
        """Writes a line, at most PIPE_BUF bytes of it, or drops it. Never blocks. After `close` it drops every line."""
        if self._descriptor < 0:
            return
        data = self._form(record).encode("utf-8", "backslashreplace")
        if len(data) > select.PIPE_BUF:
            data = data[: select.PIPE_BUF - 1] + b"\n"
        if self._torn:
            data = b"\n" + data
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        with contextlib.suppress(OSError):
            if waiting.poll(0):
                written = os.write(self._descriptor, data)  # less when the file system becomes full
                self._torn = data[written - 1 : written] != b"\n"

    def close(self) -> None:
        """Closes the log, once: the number of its descriptor may be another file's afterwards, the database's too."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
