"""The log's destination: a file or standard error, opened by each process for itself."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pathlib import Path


def open_log_file(path: Path) -> int:
    """A descriptor that appends to `path` (mode 0640). Raises `OSError`."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def is_terminal(stream: TextIO = sys.stderr) -> bool:
    """Whether the stream is a terminal that wants colours and progress (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def open_log(file: Path | None) -> int:
    """A new descriptor of the log: the file, or for None standard error. Raises `OSError`."""
    return os.dup(sys.stderr.fileno()) if file is None else open_log_file(file)


def log_colors(file: Path | None) -> bool:
    """Whether the log has colours: only on a terminal, never in a file."""
    return file is None and is_terminal(sys.stderr)
