"""Changes of the store: how they are noticed and named, whichever program makes them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from certstore.changes import Changes, LastChange
from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.certificates import PUBLISHER, PUBLISHER_COLUMN, certificate
from tests.fixtures.stores import since

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database


def test_nothing_changed(store: CertificateStore) -> None:
    """A store that was just opened did not change, and reading it changes nothing."""
    assert store.changed() is False
    store.entries()
    list(store.trusted())
    store.select("select 1")
    assert store.changed() is False
    assert store.changes_since(store.change_number()) == Changes(number=0, removed=(), changed=())


def test_own_changes_are_noticed(store: CertificateStore) -> None:
    """A commit of this store is noticed once."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    assert store.changed() is True
    assert store.changed() is False


def test_changes_of_another_process_are_noticed(database: Database, store: CertificateStore) -> None:
    """A commit by another process is noticed, and named."""
    database.import_elsewhere(certificate(serial=7))
    assert store.changed() is True
    assert store.changed() is False
    assert since(store, 0) == ({b"\x07"}, {b"\x07": (7,)})


def test_changes_by_two_stores(database: Database, store: CertificateStore) -> None:
    """Each store of one database notices what the other one does."""
    with closing(database.open()) as other:
        store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
        assert other.changed() is True
        other.delete(Purpose.Phone_trust, "cucm-1051-a-pub")
        assert store.changed() is True
        assert store.changed() is False
        assert other.changed() is True


def test_only_what_changed_is_read(store: CertificateStore) -> None:
    """Of many certificates, a change names the one that it was about, in its current form."""
    for serial in range(1, 50):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    number = store.change_number()
    store.import_certificate(certificate("CN=c7", 7), Purpose.Phone_SAST_trust)
    store.import_certificate(certificate("CN=c50", 50), Purpose.TVS)
    assert since(store, number) == ({b"\x07", b"\x32"}, {b"\x07": (0, 3, 7), b"\x32": (21,)})
    number = store.change_number()
    store.delete(Purpose.TVS, "TVS")
    store.delete(Purpose.Phone_trust, "c7")
    assert since(store, number) == ({b"\x07", b"\x32"}, {b"\x07": (0, 3)})
    number = store.change_number()
    store.import_certificate(certificate("CN=c51", 51), Purpose.TVS)
    store.delete(Purpose.TVS, "TVS")
    assert since(store, number) == ({b"\x33"}, {})


_FOREIGN_CHANGES: list[tuple[str, set[int], dict[bytes, tuple[int, ...]]]] = [
    ("update certificate set timetolive = 5 where serialnumber = '01'", {1}, {b"\1": (7,)}),
    ("delete from certificate where serialnumber = '02'", {2}, {}),
    ("insert into certificatetrustrolemap values (3, 21)", {3}, {b"\3": (7, 21)}),
    ("delete from certificatetrustrolemap where fkcertificate = 4", {4}, {b"\4": ()}),
    (
        "update certificatetrustrolemap set fkcertificate = 4 where fkcertificate = 5",
        {4, 5},
        {b"\4": (7,), b"\5": ()},
    ),
    ("update certificate set issuername = 'CN=x' where serialnumber = '06'", {6}, {b"\6": (7,)}),
]
"""Statements, and the serial numbers that are to be removed and to be taken in."""


def test_changes_by_any_sql(database: Database, store: CertificateStore) -> None:
    """Each change that a foreign program makes to certificates and roles is in the log."""
    for serial in range(1, 9):
        store.import_certificate(certificate(f"CN=c{serial}", serial), Purpose.Phone_trust)
    for statement, removed, changed in _FOREIGN_CHANGES:
        number = store.change_number()
        database.execute(statement)
        assert since(store, number) == ({bytes([serial]) for serial in removed}, changed)
    database.execute("delete from certificate")
    assert since(store, 0)[1] == {}


def test_numbers_that_cannot_be(database: Database, store: CertificateStore) -> None:
    """A number that the store never gave (a restored backup) or a log that was cleared: read everything."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    assert store.changes_since(store.change_number() + 1) is None
    database.execute("delete from certificatechangelog")
    assert store.changes_since(0) is None
    assert store.change_number() > 0


def test_changes_with_a_damaged_row(database: Database, store: CertificateStore) -> None:
    """A row that was damaged is reported and to be removed: an answer from before would be wrong."""
    store.import_certificate(certificate(), Purpose.Phone_trust)
    number = store.change_number()
    database.execute("update certificate set certificate = 'rubbish'")
    reported: list[str] = []
    changes = store.changes_since(number, lambda row: reported.append(row.identity))
    assert changes is not None
    assert (changes.removed, changes.changed) == (((b"\x01", PUBLISHER),), ())
    assert reported == [f"01 {PUBLISHER_COLUMN}"]


def test_the_token_of_a_change(store: CertificateStore) -> None:
    """Each change has a token of its own; a change of a parameter, a node, a list or a generation has none."""
    assert store.last_change() == LastChange(number=0, token="")
    store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    first = store.last_change()
    assert first.number == store.change_number()
    assert first.token
    store.set_parameter("a", "b")
    store.add_node(Node(name="pub", address="192.0.2.1", publisher=True))
    store.advance(0, who="pub", what="lists", lists={"CTLFile.tlv": b"c"})
    assert store.last_change() == first
    nothing = store.changes_since(first.number, token=first.token)
    assert nothing == Changes(number=first.number, token=first.token, removed=(), changed=())
    store.import_certificate(certificate(serial=2), Purpose.Phone_trust)
    second = store.last_change()
    assert second.token not in ("", first.token)
    changes = store.changes_since(first.number, token=first.token)
    assert changes is not None
    assert (changes.last, [one.certificate.serial_number for one in changes.changed]) == (second, [b"\2"])


def test_changes_of_another_database(store: CertificateStore) -> None:
    """A reader with another token at that number has read another database: it must read everything."""
    store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    first = store.last_change()
    store.import_certificate(certificate(serial=2), Purpose.Phone_trust)
    assert store.changes_since(first.number) is not None
    assert store.changes_since(first.number, token=first.token) is not None
    assert store.changes_since(first.number, token=store.last_change().token) is None


def test_a_log_without_tokens(database: Database, store: CertificateStore) -> None:
    """Changes that a program of before wrote have no token, and are known all the same."""
    store.import_certificate(certificate(serial=1), Purpose.Phone_trust)
    number = store.change_number()
    store.import_certificate(certificate(serial=2), Purpose.Phone_trust)
    database.execute("update certificatechangelog set token = null")
    assert store.last_change().token == ""
    assert since(store, number) == ({b"\2"}, {b"\2": (7,)})
