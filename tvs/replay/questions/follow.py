"""Log follower: the lines of a growing log, across rotations."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.replay.questions.model import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL = 0.2
"""Seconds between two reads of a log without news."""
_CHUNK = 256 * 1024
_MAX_LINE = 64 * 1024


class LogFollower:
    """Yields the lines of a log as they are written; follows a replaced (rotated) file to the new one.

    Args:
        path: the log; None for standard input, whose end is the log's end.
        from_start: whether to read what the file already holds.
        follow: whether to wait for more lines at the end of the file.

    Raises `SourceError` if the log cannot be opened.
    """

    def __init__(self, path: Path | None, *, from_start: bool, follow: bool) -> None:
        self._path = path
        self._follow = follow and path is not None
        self._rest = b""
        self._file = self._open()
        if not from_start and path is not None and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            self._file.seek(0, io.SEEK_END)

    def _open(self) -> io.FileIO:
        if self._path is None:
            return io.FileIO(sys.stdin.fileno(), closefd=False)
        try:
            return io.FileIO(self._path)
        except OSError as error:
            raise SourceError(f"{self._path}: cannot be read: {error.strerror}") from None

    def batches(self) -> Iterator[list[str]]:
        """Yields batches of whole lines; an empty batch if there are none at the moment."""
        while True:
            if not self._readable():
                yield []
                continue
            data = self._file.read(_CHUNK) or b""
            if data:
                *lines, self._rest = (self._rest + data).split(b"\n")
                self._rest = self._rest[:_MAX_LINE]
                yield [line.decode(errors="replace") for line in lines]
            elif self._follow:
                self._reopen_if_replaced()
                yield []
                time.sleep(INTERVAL)
            else:
                yield [self._rest.decode(errors="replace")] if self._rest else []
                return

    def _readable(self) -> bool:
        """Whether a pipe has data within `INTERVAL`; a regular file is always readable."""
        return bool(select.select([self._file], [], [], INTERVAL)[0])

    def _reopen_if_replaced(self) -> None:
        try:
            now = (self._path or Path()).stat()
        except OSError:
            return  # renamed, and its successor does not exist yet
        ours = os.fstat(self._file.fileno())
        if (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino):
            self._file.close()
            self._file, self._rest = self._open(), b""
        elif now.st_size < self._file.tell():
            self._file.seek(0)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
