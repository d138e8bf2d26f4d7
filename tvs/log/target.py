"""The log's destination: a file or standard error, opened by each process for itself."""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from pathlib import Path


def open_log_file(path: Path) -> int:
    """A descriptor that appends to `path` (mode 0640). Never waits, as opening a FIFO would.

    A symbolic link is refused: in a directory of the service's user it could lead a command that root runs to any file.
    Raises `OSError`, also for what is not a regular file; without a log file the log goes to standard error.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags, 0o640)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link; name the file itself", str(path)) from None
        if error.errno == errno.ENXIO:  # a FIFO without a reader, or a socket
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", str(path))


def is_terminal(stream: TextIO = sys.stderr) -> bool:
    """Whether the stream is a terminal that wants colours and progress (https://no-color.org)."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def open_log(file: Path | None) -> int:
    """A new descriptor of the log: the file, or for None standard error. Raises `OSError`."""
    return os.dup(sys.stderr.fileno()) if file is None else open_log_file(file)


def log_colors(file: Path | None) -> bool:
    """Whether the log has colours: only on a terminal, never in a file."""
    return file is None and is_terminal(sys.stderr)
