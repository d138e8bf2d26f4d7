"""The log of a process that may have no thread: each line is written at once, or not at all.

A line that would have to wait, because nobody reads the other end of the pipe, is left out: the supervisor must go
on looking after its workers.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import TYPE_CHECKING

from tvs.log import LogFormat, form_of, is_terminal, level_number, open_log_file

if TYPE_CHECKING:
    from tvs.config import Config
    from tvs.log import Record


def open_log(config: Config) -> int:
    """A descriptor of its own for the log that the settings name. Raises `OSError`."""
    return os.dup(sys.stderr.fileno()) if config.log_file is None else open_log_file(config.log_file)


def log_colors(config: Config) -> bool:
    """Whether the log may have colours."""
    return config.log_file is None and is_terminal(sys.stderr)


class DirectLog:
    """Takes records as `tvs.log.LogPipeline` does.

    Args:
        config: says where the log is, its form and its level. Raises `OSError` where it cannot be opened.
    """

    def __init__(self, config: Config) -> None:
        self._descriptor = open_log(config)
        self._form = form_of(LogFormat(config.log_format), colors=log_colors(config))
        self.threshold = level_number(config.log_level)

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
