"""Recording of a running service: queries of its log, written without private data."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tvs.replay.questions.expect import KnownCertificates
from tvs.replay.questions.model import DEFAULT_DEVICE, Asked, Caller, pseudonym
from tvs.replay.questions.sources import leave_out, phone_key
from tvs.replay.questions.tracelines import MAX_CONNECTIONS
from tvs.replay.questions.tracelog import LogParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tvs.replay.questions.follow import LogFollower
    from tvs.replay.questions.logged import Logged
    from tvs.replay.questions.recording import RecordingWriter
    from tvs.state import StateDirectory

FLUSH_INTERVAL = 1.0
"""Seconds of queries that a crash can lose."""


@dataclass(slots=True)
class Recorder:
    """Writes queries to a recording, with pseudonyms for phones unless their names are wanted.

    Args:
        writer: the recording.
        known: certificates that complete what the log leaves out.
        names: whether phones keep their names and addresses.

    Attributes:
        queries: number of recorded queries.
        left_out: number of queries that could not be recorded, by reason.
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
                leave_out(logged, self.left_out)
                continue
            asked = self.known.complete(Asked(question, logged.expected))
            phone = self._phone(logged)
            self.writer.ask(self._time(logged.at), phone, asked, self._connection(logged, phone))
            self.queries += 1

    def _time(self, at: float) -> float:
        if self._start is None:
            self._start = at
        self._last = max(self._last, at - self._start)  # lines of several workers may be out of order
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
        """Number of phones so far."""
        return len(self._phones)


def record(follower: LogFollower, recorder: Recorder, go_on: Callable[[int], bool]) -> None:
    """Records until the end of the log, or until `go_on`, called with the number of queries, returns False."""
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
    finally:  # also after Ctrl-C
        recorder.take(parser.end())


def known_to(state: StateDirectory) -> KnownCertificates:
    """The certificates that the service of a state directory knows, from its database and its CTL file.

    Raises `StateError`, `StoreError` and `SourceError`.
    """
    known = KnownCertificates()
    with state.opened() as store:
        for trusted in store.trusted():
            known.add_trusted(trusted)
    if state.ctl_file.exists():
        known.add_file(state.ctl_file)
    return known
