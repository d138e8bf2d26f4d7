"""The connection of a store: shared by threads, closed when it fails, with transactions inside transactions."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from certstore.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from certstore.relational.connection import Connection

C = TypeVar("C", bound="Connection")


class Database(ABC, Generic[C]):
    """One database. A connection that fails is closed; the next access opens a new one.

    Threads share one connection under a lock. Long reads (`reader`) have connections of their own, so that no thread
    waits for them. A child process of the one that made the object cannot use it.
    """

    BEGIN: ClassVar[tuple[str, ...]]
    """Statements that begin a transaction which is the only one that writes."""
    BEGIN_SNAPSHOT: ClassVar[str]
    """The statement that begins a transaction in which all reads are of one moment."""

    def __init__(self, name: str) -> None:
        """Without a connection yet.

        Args:
            name: the database in sentences for people.
        """
        self.name = name
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._depth = 0
        self._closed = False
        self._connection: C | None = None

    # -- a database's own part

    @abstractmethod
    def _open(self) -> C:
        """A new connection, set up and kept in `_connection`."""

    @abstractmethod
    def _give_up(self) -> None:
        """Closes the connection, if there is one."""

    @abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """Turns the driver's errors into `StoreUnavailable`, and closes a connection that is broken."""

    @staticmethod
    @abstractmethod
    def _in_transaction(connection: C) -> bool:
        """Whether the connection has a transaction that can be rolled back."""

    @abstractmethod
    def reader(self) -> AbstractContextManager[C]:
        """A connection for a long read, which cannot write."""

    @abstractmethod
    def changed(self) -> bool:
        """See `certstore.store.CertificateStore.changed`."""

    @abstractmethod
    def known_at(self) -> float:
        """See `certstore.store.CertificateStore.known_at`."""

    @abstractmethod
    def identity(self) -> str | None:
        """See `certstore.store.CertificateStore.identity`."""

    # -- what all have

    def close(self) -> None:
        """Closes the connection; later access raises `StoreUnavailable`."""
        with self._lock:
            self._closed = True
            if os.getpid() == self._pid:  # closing it in a child would end the parent's session, or release its locks
                self._give_up()

    def check_usable(self) -> None:
        """Raises `StoreUnavailable` for a store that was closed, or opened before a fork."""
        if self._closed:
            raise StoreUnavailable(f"{self.name}: the store was closed")
        if os.getpid() != self._pid:
            raise StoreUnavailable(f"{self.name}: opened before a fork; open the store again in the child")

    @contextmanager
    def access(self) -> Iterator[C]:
        """The shared connection, held for one thread."""
        with self._lock:
            self.check_usable()
            with self._errors():
                yield self._connection or self._open()

    @contextmanager
    def transaction(self, begin: tuple[str, ...] | None = None) -> Iterator[C]:
        """The shared connection in a transaction: committed at the end, rolled back after an exception.

        A transaction inside another one is a savepoint: it can fail alone.

        Args:
            begin: statements that begin it; None for `BEGIN`.
        """
        with self.access() as connection:
            first, end, rollback = (
                (("SAVEPOINT part",), _release, ("ROLLBACK TO part", "RELEASE part"))
                if self._depth
                else (begin or self.BEGIN, self._commit, ("ROLLBACK",))
            )
            try:
                for statement in first:
                    connection.execute(statement)
                self._depth += 1
                try:
                    yield connection
                finally:
                    self._depth -= 1
                end(connection)
            except BaseException:
                self._undo(connection, rollback)
                raise
            self._committed()

    def _commit(self, connection: C) -> None:
        """Commits. Raises the driver's error, and `OutcomeUnknown` if the connection is lost before the answer."""
        connection.execute("COMMIT")

    def _committed(self) -> None:
        """Called after each commit and each release of a savepoint."""

    def continue_numbers(self, connection: C) -> None:
        """Called after rows with keys of their own were inserted: the next key that the database gives is another."""

    def _undo(self, connection: C, statements: tuple[str, ...]) -> None:
        """Rolls back, unless the database has done so itself, as after some errors (a full disk)."""
        for statement in statements:
            if self._in_transaction(connection):
                connection.execute(statement)

    @contextmanager
    def snapshot(self) -> Iterator[C]:
        """The shared connection for several reads of one moment."""
        with self.access() as connection:
            if self._depth:
                yield connection
                return
            connection.execute(self.BEGIN_SNAPSHOT)
            try:
                yield connection
            finally:
                self._undo(connection, ("ROLLBACK",))


def _release(connection: Connection) -> None:
    connection.execute("RELEASE part")
