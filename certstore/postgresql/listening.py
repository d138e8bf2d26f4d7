"""Notifications of changes: a connection that listens, and asks for the change number every second."""

from __future__ import annotations

import select
import time
from secrets import token_hex
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import ExecStatus

from certstore.errors import StoreError
from certstore.postgresql.advice import POOLER, only_row
from certstore.postgresql.schema import Found
from certstore.postgresql.tables import CERTIFICATES, CHANNEL, CLUSTER, WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from psycopg.pq.abc import PGconn

    from certstore.postgresql.connecting import BoundedConnection

HEARTBEAT = 1.0
"""Seconds between two questions for the change number: a notification that is lost costs this time, and a poll's."""
ANSWER = 3.5
"""Seconds that the answer to such a question may take: a server or a link that is dead is noticed in less than 5 s."""
GREETING = 5.0
"""Seconds that a listener waits for the notification to itself."""
_ASK = (
    "SELECT lastchange(), version, usablefrom, current_setting('transaction_read_only') FROM tvsschema "  # noqa: S608
    f"WHERE {WHOLE}"
).encode()


class Listener:
    """A session that listens. A poll of it does no round trip and never waits, unless there is a notification.

    Attributes:
        known_at: when the last question was sent that was answered, monotonic seconds; 0 before the first answer.
        found: the tables' version in the last answer; None before the first one.
        read_only: whether the server took no changes then.
    """

    def __init__(self, raw: BoundedConnection, own_processes: Collection[int]) -> None:
        """Begins to listen. Raises `psycopg.Error`.

        Args:
            raw: a connection for this alone.
            own_processes: the server's processes whose notifications are ignored, those of the store's own changes; the
                store adds to them.
        """
        self._raw = raw
        self._own_processes = own_processes
        self._greeting = ""
        self._certificates = self._cluster = False
        self._asked: float | None = None
        self.known_at = 0.0
        self.found: Found | None = None
        self.read_only = False
        self._next_question = time.monotonic() + HEARTBEAT
        raw.execute(f"LISTEN {CHANNEL}".encode())

    def close(self) -> None:
        """Closes the session."""
        self._raw.close()

    def greet(self, notify: Callable[[str, str], None]) -> None:
        """Waits for a notification to itself, sent by another session.

        Args:
            notify: sends a payload on a channel; the session must not be this one. A pooler that gives a session
                away after each transaction would forward what the same session sends.

        Raises:
            StoreError: it does not arrive.
            psycopg.Error: the connection is broken.
        """
        wanted = token_hex(16)
        notify(CHANNEL, wanted)
        deadline = time.monotonic() + GREETING
        while self._greeting != wanted:
            self._wait(deadline)
            self._take_in()
            if self._greeting != wanted and time.monotonic() > deadline:
                raise StoreError(f"notifications do not arrive: {POOLER}")

    def poll(self) -> tuple[bool, bool, int | None]:
        """Takes in what has arrived.

        Returns:
            Whether certificates of other sessions changed, whether something else of theirs did, and the change number
            if an answer with it has arrived. Each is told once.

        Raises:
            psycopg.Error: the connection is broken, or the server does not answer.
        """
        if self._readable(0):
            self._pgconn.consume_input()
        number = self._answer()
        self._note()  # reading an answer can bring notifications, which nothing announces any more
        changed = self._certificates, self._cluster, number
        self._certificates = self._cluster = False
        return changed

    def ask(self) -> int:
        """The change number, after a round trip of `ANSWER` seconds at most. Raises `psycopg.Error`."""
        number = None
        if self._asked is not None:  # an answer that is on its way may be of before
            while self._answer() is None:
                self._wait_for_answer()
        self._send_question(time.monotonic())
        while (number := self._answer()) is None:
            self._wait_for_answer()
        return number

    def _wait_for_answer(self) -> None:
        if self._readable(0.1):
            self._take_in()

    @property
    def _pgconn(self) -> PGconn:
        return self._raw.pgconn

    def _wait(self, deadline: float) -> None:
        self._readable(max(0.0, deadline - time.monotonic()))

    def _readable(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self._pgconn.socket, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def _take_in(self) -> None:
        self._pgconn.consume_input()
        self._note()

    def _note(self) -> None:
        """Notes the notifications that have been read."""
        while (notification := self._pgconn.notifies()) is not None:
            payload = notification.extra.decode()
            if payload in (CERTIFICATES, CLUSTER):
                others = notification.be_pid not in self._own_processes
                self._certificates |= others and payload == CERTIFICATES
                self._cluster |= others and payload == CLUSTER
            else:
                self._greeting = payload

    def _answer(self) -> int | None:
        """The answer, if it has arrived; asks when it is time. Raises `psycopg.OperationalError` without one."""
        now = time.monotonic()
        if self._asked is None:
            if now >= self._next_question:
                self._send_question(now)
            return None
        if self._pgconn.is_busy():
            if now - self._asked > ANSWER:
                raise psycopg.OperationalError(f"the server has not answered for {ANSWER:g} s")
            return None
        number = None
        while (result := self._pgconn.get_result()) is not None:
            if result.status != ExecStatus.TUPLES_OK:
                raise psycopg.OperationalError(result.get_error_message())
            rows = [[result.get_value(row, column) for column in range(4)] for row in range(result.ntuples)]
            *numbers, read_only = only_row(rows)
            number, version, usable_from = map(int, numbers)
            self.found, self.read_only = Found(version, usable_from), read_only == b"on"
        self.known_at = self._asked
        self._asked, self._next_question = None, now + HEARTBEAT
        return number

    def _send_question(self, now: float) -> None:
        self._pgconn.send_query(_ASK)
        self._pgconn.flush()
        self._asked = now
