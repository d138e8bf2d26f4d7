"""The connections to a PostgreSQL database: one for threads to share, one that listens, others for long reads."""

from __future__ import annotations

import os
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import psycopg

from certstore.errors import StoreError, StoreUnavailable
from certstore.postgresql.advice import only_row, outcome_unknown, unavailable
from certstore.postgresql.connecting import LAZY, USUAL, Patience, connect, set_up
from certstore.postgresql.dialect import PostgresConnection, StreamedConnection
from certstore.postgresql.listening import Listener
from certstore.postgresql.schema import check_usable, find_version, prepare_schema
from certstore.postgresql.standby import Standby
from certstore.postgresql.tables import WHOLE, WRITING
from certstore.relational.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.postgresql.connecting import BoundedConnection
    from certstore.postgresql.schema import Schema
    from certstore.postgresql.target import Target


class PostgresDatabase(Database[PostgresConnection]):
    """One database on a server, see `Database`.

    Writers wait for each other at the start of a transaction, as in SQLite: what a rule has checked stays true until
    the commit. Programs that write with SQL of their own wait when their first change goes into the log.
    """

    BEGIN = ("BEGIN", f"SELECT pg_advisory_xact_lock({WRITING})")
    BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    def __init__(self, target: Target, schema: Schema, *, create: bool, lazy: bool) -> None:
        """Connects, or leaves that to the first access if `lazy`. Raises `StoreUnavailable`."""
        super().__init__(target.name)
        self._target = target
        self._schema = schema
        self._lazy = lazy
        standby = target.standby()
        self._standby = None if standby is None else Standby(standby, self.patience)
        self._listening = threading.Lock()
        self._listener: Listener | None = None
        self._seen: int | None = None
        self._known_at = 0.0
        self._own_commits = False
        self._own_processes: set[int] = set()
        if create or not lazy:
            with self._lock, self._errors():
                connection = self._open(create=create)
                self._seen = self.change_number(connection)

    @property
    def patience(self) -> Patience:
        """The limits of waiting."""
        return LAZY if self._lazy else USUAL

    # -- opening and closing

    def _open(self, *, create: bool = False) -> PostgresConnection:
        raw = connect(self._target, self.patience)
        try:
            prepare_schema(
                raw,
                self.name,
                self._schema,
                create=create,
                lazy=self._lazy,
                renew=lambda: set_up(raw, self.patience),
            )
        except BaseException:
            raw.close()
            raise
        self._connection = PostgresConnection(raw)
        self._own_processes.add(raw.process)
        return self._connection

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.raw.close()
        self._connection = None
        self._rest_standby()

    def close(self) -> None:
        """Closes the connections; later access raises `StoreUnavailable`."""
        super().close()
        if os.getpid() == self._pid:
            with self._listening:
                self._stop_listening()

    def _rest_standby(self) -> None:
        """After a break the primary is read: a search for a standby that is away too would take seconds."""
        if self._standby is not None:
            self._standby.rest()

    # -- access

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            fenced = self._target.writable and isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
            if self._connection is not None and (self._connection.raw.broken or fenced):
                self._give_up()
            raise unavailable(self.name, error) from error

    @staticmethod
    def _in_transaction(connection: PostgresConnection) -> bool:
        status = connection.raw.pgconn.transaction_status
        return status in (psycopg.pq.TransactionStatus.INTRANS, psycopg.pq.TransactionStatus.INERROR)

    def _commit(self, connection: PostgresConnection) -> None:
        try:
            super()._commit(connection)
        except psycopg.Error as error:
            if not connection.raw.broken:
                raise
            self._give_up()
            raise outcome_unknown(self.name, error) from error

    def _committed(self) -> None:
        if not self._depth:
            self._own_commits = True

    @contextmanager
    def reader(self) -> Iterator[PostgresConnection]:
        """A new connection in a transaction of its own that sees one moment and cannot write.

        It is one to a standby with the same last change, if the URL names one. Raises `StoreUnavailable`, also when a
        standby ends the read; the next one is then on the primary.
        """
        standby = self._standby
        if standby is not None:
            with self.access() as connection:
                last = standby.last_change(connection)
            raw = standby.connected(last)
            if raw is not None:
                try:
                    with self._errors(), closing(raw):
                        yield StreamedConnection(raw)
                except StoreUnavailable:
                    standby.rest()
                    raise
                return
        with self.alone() as raw:
            raw.execute(self.BEGIN_SNAPSHOT)
            find_version(raw)
            yield StreamedConnection(raw)

    @contextmanager
    def alone(self) -> Iterator[BoundedConnection]:
        """A new connection, closed at the end."""
        self.check_usable()
        with self._errors(), closing(connect(self._target, self.patience)) as raw:
            if not raw.has_tables:
                raise StoreUnavailable(f"{self.name}: the tables are gone; restore a backup")
            yield raw

    def continue_numbers(self, connection: PostgresConnection) -> None:
        """Sets the sequences of keys behind the highest ones."""
        for table in _NUMBERED:
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'pkid'), max(pkid)) FROM {table}"  # noqa: S608 - constants
            )

    # -- changes

    @staticmethod
    def change_number(connection: PostgresConnection) -> int:
        """The highest number that the change log ever had; 0 in a new database."""
        (number,) = only_row(connection.execute(f"SELECT lastchange() WHERE {WHOLE}").fetchall())
        return int(number)

    def changed(self) -> bool:
        """Whether a program, this one included, committed since the last call.

        Notifications tell of commits, our own are counted, and an answer with the change number every second
        (`listening.HEARTBEAT`) finds a notification that was lost. None of it is waited for. After each connection it
        is True, but for the first one of a store that is not lazy: that compares the change number with the one of when
        it was opened.

        Raises:
            StoreUnavailable: the listening connection is broken, or cannot be made. The next call makes a new one. Also
                if a newer program has changed the tables so that this one cannot use them any more.
        """
        if self._depth:
            return False
        with self._listening:
            self.check_usable()
            try:
                with self._errors():
                    return self._poll()
            except BaseException:
                self._stop_listening()
                self._rest_standby()
                raise

    def _poll(self) -> bool:
        own, self._own_commits = self._own_commits, False
        if self._listener is None:
            self._listener = self._listen()
            seen, self._seen = self._seen, self._listener.ask()
            self._check_usable(self._listener)
            return own or seen != self._seen
        certificates, cluster, number = self._listener.poll()
        if own or certificates or cluster:
            number = self._listener.ask()  # what is read from now on has all changes up to this one
        if number is None:
            return False
        self._check_usable(self._listener)
        seen, self._seen = self._seen, number
        return own or cluster or seen != number

    def _check_usable(self, listener: Listener) -> None:
        """Raises `StoreUnavailable` if the tables are not for this program any more; access is refused from then on.

        And `psycopg.Error` if the server takes no changes any more: the URL may name another one that does.
        """
        try:
            if listener.found is not None:
                check_usable(listener.found, self.name, self._schema)
            if listener.read_only and self._target.writable:
                raise psycopg.errors.ReadOnlySqlTransaction("it was set to read-only")
        except (StoreUnavailable, psycopg.Error):
            with self._lock:
                self._give_up()
            raise

    def known_at(self) -> float:
        """When the last question was sent that the listening session has answered, on this or an earlier connection."""
        listener = self._listener
        if listener is not None:
            self._known_at = max(self._known_at, listener.known_at)
        return self._known_at

    def _listen(self) -> Listener:
        with self.access() as shared:
            raw = connect(self._target, self.patience)
            try:
                self._own_processes.intersection_update({shared.raw.process})
                listener = Listener(raw, self._own_processes)
                listener.greet(lambda *notification: self._notify(shared, *notification))
            except StoreError as error:
                raw.close()
                raise StoreError(f"{self.name}: {error}") from None
            except BaseException:
                raw.close()
                raise
        return listener

    @staticmethod
    def _notify(shared: PostgresConnection, *notification: str) -> None:
        shared.execute("SELECT pg_notify(?, ?)", notification)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._known_at = self.known_at()
            self._listener.close()
        self._listener, self._seen = None, None

    # -- identity

    def identity(self) -> str:
        """The server's system identifier and timeline, the database's number, and a text made with the tables.

        A dump that is restored elsewhere has another number or server. A base backup that is restored to a point in
        time, and a standby that takes over, begin a new timeline: their last changes can be others under the same
        numbers. So each of them is another database. If a server refuses to tell one of these, the others count.
        """
        with self.access() as connection:
            number, made = only_row(connection.execute(_DATABASE).fetchall())
            return "/".join((*(self._told(connection, statement) for statement in _OF_SERVER), str(number), str(made)))

    @staticmethod
    def _told(connection: PostgresConnection, statement: str) -> str:
        """The server's answer to a question that it may refuse to an ordinary user; empty then."""
        try:
            with connection.raw.transaction():  # a savepoint inside a transaction
                [(told,)] = connection.execute(statement).fetchall()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
            return ""
        return str(told)


_NUMBERED = ("processnode", "certificate", "certificateservicecertificatemap")
"""Tables whose keys the database gives."""
_DATABASE = "SELECT d.oid::text, s.id FROM pg_database AS d, tvsschema AS s WHERE d.datname = current_database()"
_OF_SERVER = (
    "SELECT system_identifier::text FROM pg_control_system()",
    "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)",
)
"""The system identifier, made by initdb, and the timeline, as eight hex digits; a standby refuses the second."""
