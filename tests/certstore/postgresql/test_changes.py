"""The change log of the PostgreSQL store: numbers in the order of commits, and what is kept."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg

from certstore.purposes import Purpose
from certstore.relational.codes import CHANGES_KEPT
from tests.fixtures.certificates import PUBLISHER_COLUMN, certificate
from tests.fixtures.stores import since

if TYPE_CHECKING:
    from collections.abc import Callable

    from certstore.store import CertificateStore
    from tests.fixtures.stores import PostgresDatabase

LOG = f"insert into certificatechangelog (serialnumber, issuername) values ('01', '{PUBLISHER_COLUMN}')"  # noqa: S608
PATIENCE = 60.0


def connect(database: PostgresDatabase) -> closing[psycopg.Connection[Any]]:
    """A connection of another program, outside a transaction until it begins one."""
    return closing(psycopg.connect(database.url, autocommit=True))


def numbers(connection: psycopg.Connection[Any]) -> list[int]:
    """The numbers in the log, as one statement sees them."""
    return [number for (number,) in connection.execute("select number from certificatechangelog order by number")]


def test_numbers_follow_the_order_of_commits(database: PostgresDatabase, store: CertificateStore) -> None:
    """Writers that commit and roll back at once: whoever has seen a number has seen every lower one, without a gap."""
    done = threading.Event()

    def write(first: int) -> None:
        with connect(database) as connection:
            for turn in range(first, first + 25):
                connection.execute("begin")
                for _ in range(1 + turn % 3):
                    connection.execute(LOG)
                connection.execute("rollback" if turn % 5 == 0 else "commit")

    def watch() -> None:
        with connect(database) as connection:
            while not done.is_set():
                seen.append(numbers(connection))

    seen: list[list[int]] = []
    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 1, 2, 3)]
    watcher = threading.Thread(target=watch)
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watcher.join()
    assert len(seen) > 1
    assert all(found == list(range(1, len(found) + 1)) for found in seen)
    assert store.change_number() == sum(
        1 + turn % 3 for first in range(4) for turn in range(first, first + 25) if turn % 5
    )


def test_a_writer_waits_for_the_number_of_another(database: PostgresDatabase, store: CertificateStore) -> None:
    """A change gets its number when the one before it is committed: no lower number comes later."""
    with connect(database) as first, connect(database) as second:
        first.execute("begin")
        first.execute(LOG)
        thread = threading.Thread(target=second.execute, args=(LOG,))
        thread.start()
        waiting = "select count(*) from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'"
        with connect(database) as watcher:
            watcher.cursor_factory = psycopg.RawCursor
            until(lambda: watcher.execute(waiting, [second.info.backend_pid]).fetchone() == (1,))
        assert store.change_number() == 0
        first.execute("commit")
        thread.join()
    assert store.change_number() == 2


def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.02)):
        if condition():
            return
        waited.wait(0.02)
    raise AssertionError("it did not happen")


def test_a_reader_that_is_too_far_behind(database: PostgresDatabase, store: CertificateStore) -> None:
    """The log keeps a limited number of changes; a reader that is further behind must read everything."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    database.execute(
        f"insert into certificatechangelog select null, '01', '{PUBLISHER_COLUMN}' "  # noqa: S608 - constants
        f"from generate_series(1, {CHANGES_KEPT + 1500})"
    )
    current = store.change_number()
    [(kept,)] = store.select("select count(*) from certificatechangelog")[1]
    assert CHANGES_KEPT <= kept < CHANGES_KEPT + 1000
    assert store.changes_since(0) is None
    assert store.changes_since(current - kept - 1) is None
    assert since(store, current - CHANGES_KEPT) == ({b"\x01"}, {b"\x01": (7,)})


def test_truncated_tables(database: PostgresDatabase, store: CertificateStore) -> None:
    """TRUNCATE, which no trigger of a row sees, is in the log; of the log itself it keeps the number."""
    store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    store.import_certificate(certificate(serial=2), Purpose.TVS)
    number = store.change_number()
    database.execute("truncate certificatetrustrolemap")
    assert since(store, number) == ({b"\x01", b"\x02"}, {b"\x01": (), b"\x02": ()})
    number = store.change_number()
    database.execute("truncate certificate cascade")
    assert since(store, number) == ({b"\x01", b"\x02"}, {})
    number = store.change_number()
    database.execute("truncate certificatechangelog")
    assert store.change_number() == number
    assert store.changes_since(number - 1) is None
    store.import_certificate(certificate(serial=3), Purpose.TVS)
    assert since(store, number) == ({b"\x03"}, {b"\x03": (21,)})


def test_an_upsert(database: PostgresDatabase, store: CertificateStore) -> None:
    """A row that another program writes over is in the log."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    number = store.change_number()
    database.execute(
        "insert into certificate select * from certificate on conflict (pkid) do update set timetolive = 7",
    )
    assert since(store, number) == ({b"\x01"}, {b"\x01": (7,)})
    assert [trusted.time_to_live for trusted in store.trusted()] == [7]


def test_a_program_with_another_search_path(database: PostgresDatabase, store: CertificateStore) -> None:
    """Triggers find their tables whatever schema the program that causes them looks in."""
    store.import_certificate(certificate(), Purpose.TVS)
    number = store.change_number()
    with connect(database) as connection:
        connection.execute("set search_path = pg_catalog")
        connection.execute("update public.certificate set timetolive = 9")
    assert since(store, number) == ({b"\x01"}, {b"\x01": (21,)})
