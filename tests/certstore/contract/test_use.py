"""Several users of one store: transactions, threads, processes, and a process that dies in the middle."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.errors import Conflict, StoreError, StoreUnavailable
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate, twin

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database


def test_a_transaction_is_all_or_nothing(store: CertificateStore, database: Database) -> None:
    """Changes are seen inside at once, by others at the end, and not at all if an exception ends it."""
    other = database.open()
    with store.transaction():
        store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
        assert len(store.entries()) == 1
        assert other.entries() == []
    assert len(other.entries()) == 1
    with pytest.raises(Conflict), store.transaction():  # noqa: PT012 - the block is what is tested
        store.import_certificate(certificate(serial=2), Purpose.Phone_trust)
        store.import_certificate(twin(certificate(serial=1)), Purpose.Phone_trust)
    assert len(other.entries()) == len(store.entries()) == 1
    other.close()


def test_a_part_of_a_transaction_can_fail_alone(store: CertificateStore) -> None:
    """An error that is caught inside takes back its own step and nothing else."""
    store.import_certificate(certificate(serial=9), Purpose.TVS)
    with store.transaction():
        store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
        with pytest.raises(Conflict):
            store.import_certificate(twin(certificate(serial=1)), Purpose.TVS, replace=True)
    names = [f"{entry.unit}/{entry.name}" for entry in store.entries()]
    assert names == ["TVS/TVS.pem", "Phone-trust/cucm-1051-a-pub.pem"]
    assert store.entry(Purpose.TVS, "TVS").certificate.serial_number == b"\x09"


def test_a_closed_store(store: CertificateStore) -> None:
    """Closing twice is allowed; anything else afterwards says that the store was closed."""
    store.close()
    store.close()
    for use in (
        store.entries,
        store.change_number,
        store.changed,
        store.identity,
        store.nodes,
        lambda: list(store.trusted()),
    ):
        with pytest.raises(StoreUnavailable, match="was closed"):
            use()


def test_creating_where_it_is_already(database: Database, store: CertificateStore) -> None:
    """Creating a store that is there opens it."""
    store.import_certificate(certificate(), Purpose.TVS)
    with closing(database.create()) as again:
        assert len(again.entries()) == 1


def test_several_creators(database: Database) -> None:
    """Any number of threads that make the same store at once all get it, with its tables once."""
    database.make_empty()
    errors: list[Exception] = []

    def create() -> None:
        try:
            database.create().close()
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with closing(database.open()) as store:
        assert store.parameter("ClusterSecurityMode") == "0"


def test_threads(store: CertificateStore) -> None:
    """Threads that import, list and stream on one store at once do not disturb each other."""
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for serial in range(first, first + 10):
                store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
                assert store.entries()
                assert list(store.trusted())
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (1, 101, 201, 301)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store.entries()) == 40


def test_a_stream_that_is_not_read_to_its_end(store: CertificateStore) -> None:
    """A stream that is not read to its end does not keep writers waiting."""
    for serial in range(1, 4):
        store.import_certificate(certificate(serial=serial), Purpose.Phone_trust)
    stream = store.trusted()
    next(stream)
    store.delete(Purpose.Phone_trust, "cucm-1051-a-pub")
    assert len(list(stream)) == 2  # of the moment when it began


def test_after_a_fork(store: CertificateStore) -> None:
    """A child that uses its parent's store gets an error, and the parent's store goes on."""
    child = os.fork()
    if child == 0:
        try:
            store.entries()
        except StoreUnavailable as error:
            store.close()
            os._exit(0 if "before a fork" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.import_certificate(certificate(), Purpose.TVS)


_KILLED = """
import os, signal, sys
from certstore.opening import open_store
from certstore.purposes import Purpose
store = open_store(sys.argv[1])
with store.transaction():
    store.import_certificate(bytes.fromhex(sys.argv[2]), Purpose.CallManager, replace=True)
    print("in the middle", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_in_the_middle(database: Database, store: CertificateStore) -> None:
    """A process that dies by SIGKILL inside a transaction leaves the database as it was, and valid."""
    store.import_certificate(certificate(serial=1), Purpose.CallManager)
    new = certificate(serial=2).hex()
    done = database.run_program(_KILLED, new)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "in the middle\n")
    with closing(database.open()) as opened:
        assert [entry.certificate.der for entry in opened.entries()] == [certificate(serial=1)]
        opened.import_certificate(certificate(serial=2), Purpose.CallManager, replace=True)
    assert database.problems() == []
