"""Recording: a running service's log, followed and written down as a recording without private data."""

from __future__ import annotations

import io
import itertools
import os
import select
import stat
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.replay.questions.model import DEFAULT_DEVICE, Asked, Caller, SourceError, pseudonym
from tvs.replay.questions.sources import INCOMPLETE, phone_key
from tvs.replay.questions.tracelines import MAX_CONNECTIONS
from tvs.replay.questions.tracelog import LogParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tvs.replay.questions.expect import KnownCertificates
    from tvs.replay.questions.recording import RecordingWriter
    from tvs.replay.questions.tracelines import Logged

INTERVAL = 0.2
"""Seconds between two looks at a log that has nothing new."""
FLUSH_INTERVAL = 1.0
"""Seconds of queries that an interruption at the worst moment can lose."""
_CHUNK = 256 * 1024
_MAX_LINE = 64 * 1024


class LogFollower:
    """The lines of a log as they are written; a file that is replaced (rotated) is followed to the new one.

    Args:
        path: the log; None is standard input, whose end is the log's end.
        from_start: whether what is in the file already counts.
        follow: whether to wait for more at its end.

    Raises `SourceError` where it cannot be opened.
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
        """The new whole lines, again and again; an empty list where there are none at the moment."""
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
        """Whether a pipe has something, waiting a little for it; a regular file always answers at once."""
        return bool(select.select([self._file], [], [], INTERVAL)[0])

    def _reopen_if_replaced(self) -> None:
        try:
            now = (self._path or Path()).stat()
        except OSError:
            return  # moved away, and the new one is not there yet
        ours = os.fstat(self._file.fileno())
        if (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino):
            self._file.close()
            self._file, self._rest = self._open(), b""
        elif now.st_size < self._file.tell():
            self._file.seek(0)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


@dataclass(slots=True)
class Recorder:
    """Writes queries down, with pseudonyms for phones unless their names are asked for.

    Args:
        writer: the recording.
        known: certificates that complete what the log leaves out.
        names: whether phones keep their names and addresses.
    """

    writer: RecordingWriter
    known: KnownCertificates
    names: bool = False
    queries: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    _phones: dict[object, int] = field(default_factory=dict)
    _connections: dict[object, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _start: float | None = None
    _last: float = 0.0

    def take(self, queries: Iterable[Logged]) -> None:
        """Writes these queries."""
        for logged in queries:
            question = logged.question
            if question is None:
                self.left_out[INCOMPLETE] += 1
                continue
            asked = self.known.complete(Asked(question, logged.expected))
            phone = self._phone(logged)
            self.writer.ask(self._time(logged.at), phone, asked, self._connection(logged, phone))
            self.queries += 1

    def _time(self, at: float) -> float:
        if self._start is None:
            self._start = at
        self._last = max(self._last, at - self._start)  # lines of several workers can stand in a wrong order
        return self._last

    def _phone(self, logged: Logged) -> int:
        key = phone_key(logged)
        number = self._phones.get(key)
        if number is None:
            device = logged.device or DEFAULT_DEVICE
            shown = Caller(device, logged.address) if self.names else Caller(pseudonym(device, len(self._phones) + 1))
            number = self._phones[key] = self.writer.phone(shown)
        return number

    def _connection(self, logged: Logged, phone: int) -> int | None:
        if logged.connection is None:
            return None
        key = (logged.connection, phone)
        if key not in self._connections:
            self._connections[key] = next(self._numbers)
            if len(self._connections) > MAX_CONNECTIONS:
                del self._connections[next(iter(self._connections))]
        return self._connections[key]

    @property
    def phones(self) -> int:
        """Phones so far."""
        return len(self._phones)


def record(follower: LogFollower, recorder: Recorder, go_on: Callable[[int], bool]) -> None:
    """Follows the log until its end, or until `go_on`, asked with the number of queries, says no."""
    parser = LogParser()
    flushed = time.monotonic()
    try:
        for lines in follower.batches():
            for line in lines:
                recorder.take(parser.feed(line))
            if time.monotonic() - flushed >= FLUSH_INTERVAL:
                recorder.writer.flush()
                flushed = time.monotonic()
            if not go_on(recorder.queries):
                break
    finally:  # also where Ctrl-C ends it
        recorder.take(parser.end())
