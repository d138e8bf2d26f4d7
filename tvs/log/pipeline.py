"""A log that never delays an answer: a bounded buffer of records and a writer thread.

Records are small tuples, formatted in batches and written by the thread. If the reader of the log's pipe stops, the
buffer fills, and further lines are dropped and counted. So are lines of requests and debug lines beyond the budget of
bytes, unless the settings' level is debug: an administrator has asked for every line then.
"""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

from tvs.log.budget import Budget
from tvs.log.forms import Record, form_of
from tvs.log.levels import LEVEL_NUMBERS, LogFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPACITY = 32_768
"""Maximum lines in the buffer: about 600 traced queries."""
_LOOK = 0.1
"""Seconds after which an idle writer checks for missing flushes."""
_UNATTENDED = 0.5
"""Seconds without a flush after which the writer formats the lines itself; a busy event loop's tick is late by less."""
_RETRY = 0.02
"""Seconds until the writer retries a full pipe."""


class Dropped(Protocol):
    """A counter of dropped lines; prometheus-client's fits."""

    def inc(self, amount: float = 1) -> None:
        """Adds `amount`."""


class LogPipeline:
    """The buffer and its writer thread.

    The owner of the event loop calls `flush` with each tick: it formats the lines there, as a batch, and the thread
    only writes. A thread that formats would take the interpreter's lock from the phones again and again. Without
    flushes, as before and after the event loop, the thread formats the lines itself.

    Args:
        descriptor: file descriptor of the log; it is not closed.
        log_format: the form of a line.
        level: name of the lowest level that is written, as the settings have it.
        colors: whether the console form has colours.
        dropped: counter of lines that found the buffer full, or that could not be written.
        beyond_budget: counter of requests' and debug lines that were not written because the budget was spent.

    Attributes:
        level: name of the lowest level that is written: that of the settings, or one that was ordered in its place.
        threshold: its number.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        log_format: LogFormat = LogFormat.TRACE,
        level: str = "info",
        colors: bool = False,
        dropped: Dropped | None = None,
        beyond_budget: Dropped | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._form = form_of(log_format, colors=colors)
        self._whole_lines = _needs_whole_lines(descriptor)
        self._override: str | None = None
        self._take_level(level)
        self._dropped = dropped
        self._beyond_budget = beyond_budget
        self._budget = Budget()
        self._torn = False  # the file ends in the start of a line
        self._records: deque[Record] = deque()
        self._formatting = threading.Lock()
        self._batches: SimpleQueue[bytes | None] = SimpleQueue()  # None: the end
        self._writing = False  # a batch is being written; later lines wait in the buffer, which is bounded
        self._flushed = 0.0
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def reconfigure(self, descriptor: int, *, log_format: LogFormat, level: str, colors: bool) -> None:
        """Changes file, form and the settings' level. `descriptor` replaces the file in use and is closed.

        Waiting lines are written to the new file. Existing loggers keep their level, and an ordered level stays.
        """
        os.dup2(descriptor, self._descriptor, inheritable=False)
        os.close(descriptor)
        self._torn = False
        self._form = form_of(log_format, colors=colors)
        self._whole_lines = _needs_whole_lines(self._descriptor)
        self._take_level(level)

    def override(self, level: str | None) -> None:
        """Writes from this level on in place of the settings'; None: from the settings' level on again."""
        self._override = level
        self._take_level(self._settings_level)

    def _take_level(self, level: str) -> None:
        self._settings_level = level
        self._unlimited = level == "debug"
        self.level = self._override or level
        self.threshold = LEVEL_NUMBERS[self.level]

    def enabled(self, level: str) -> bool:
        """Whether lines of this level are written."""
        return LEVEL_NUMBERS[level] >= self.threshold

    def emit(self, record: Record) -> None:
        """Puts a record into the buffer, or drops it. Never blocks. The caller checks `enabled` first."""
        if len(self._records) < CAPACITY:
            self._records.append(record)
        else:
            _count(self._dropped, 1)

    def flush(self) -> None:
        """Formats the waiting records as a batch for the writer, unless it is still writing. Never blocks."""
        self._flushed = time.monotonic()
        if self._records and not self._writing:
            batch = self._formatted()
            self._writing = True
            try:
                self._batches.put(batch)
            except MemoryError:
                self._writing = False
                _count(self._dropped, batch.count(b"\n"))

    def close(self, timeout: float = 1.0) -> None:
        """Writes the waiting records, for at most `timeout` seconds, and ends the thread."""
        self._batches.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                batch = self._batches.get(timeout=_LOOK)
            except Empty:
                if time.monotonic() - self._flushed >= _UNATTENDED:
                    self._write_whole(self._formatted())
                continue
            except MemoryError:
                time.sleep(_LOOK)
                continue
            self._write_whole(self._formatted() if batch is None else batch)
            self._writing = False
            if batch is None:
                return

    def _formatted(self) -> bytes:
        """The waiting records as lines. Those for which memory is missing are dropped: the log goes on without them."""
        records: list[Record] = []
        with self._formatting:
            waiting = len(self._records)
            try:
                records = [self._records.popleft() for _ in range(waiting)]
                room = self._budget.room(time.monotonic())
                lines = list(map(self._form, records)) if self._unlimited else self._within(room, records)
                data = "".join(lines).encode("utf-8", "backslashreplace")
                self._budget.spend(len(data))
            except MemoryError:
                _count(self._dropped, len(records) or max(0, waiting - len(self._records)))
                return b""
            return data

    def _within(self, room: float, records: list[Record]) -> list[str]:
        """The lines of the records, without those of requests, and debug lines, for which there is no room."""
        if room <= 0:  # they are not even formatted
            kept = [record for record in records if isinstance(record[4], dict) and record[0] != "debug"]
            _count(self._beyond_budget, len(records) - len(kept))
            records = kept
        lines = list(map(self._form, records))
        return self._cut_to(room, records, lines) if sum(map(len, lines)) > room > 0 else lines

    def _cut_to(self, room: float, records: list[Record], lines: list[str]) -> list[str]:
        """The lines without those that have a budget and come when `room` characters are used up."""
        kept = []
        for record, line in zip(records, lines, strict=True):
            if room > 0 or (isinstance(record[4], dict) and record[0] != "debug"):
                kept.append(line)
                room -= len(line)
        _count(self._beyond_budget, len(lines) - len(kept))
        return kept

    def _write_whole(self, data: bytes) -> None:
        try:
            for piece in whole_lines(data) if self._whole_lines else (data,):
                self._write(piece)
        except MemoryError:  # some of them may have been written
            _count(self._dropped, data.count(b"\n"))

    def _write(self, data: bytes) -> None:
        """Writes lines; the start of a line that was left by an earlier call is closed first."""
        whole = b"\n" + data if self._torn else data
        view = memoryview(whole)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                time.sleep(_RETRY)
            except OSError:  # the reader is gone, the file system full: the lines are lost
                _count(self._dropped, min(bytes(view).count(b"\n"), data.count(b"\n")))
                break
        written = len(whole) - len(view)
        if written:
            self._torn = whole[written - 1 : written] != b"\n"


def _count(counter: Dropped | None, lines: int) -> None:
    if counter is not None and lines:
        counter.inc(lines)


def _needs_whole_lines(descriptor: int) -> bool:
    """Whether large writes of several processes can interleave: in a pipe or a socket, not in a file."""
    return not stat.S_ISREG(os.fstat(descriptor).st_mode)


def whole_lines(data: bytes) -> Iterator[bytes]:
    """Splits lines into pieces that a pipe takes without interleaving: whole lines of at most PIPE_BUF bytes together.

    A longer line is a piece of its own.
    """
    start = 0
    while len(data) - start > select.PIPE_BUF:
        end = data.rfind(b"\n", start, start + select.PIPE_BUF) + 1 or data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]
