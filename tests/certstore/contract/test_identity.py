"""Databases told apart: the text that a store has for its own."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database, Kind

_PROGRAM = "import sys; from certstore.opening import open_store; print(open_store(sys.argv[1]).identity())"


def test_stores_of_one_database(database: Database, store: CertificateStore) -> None:
    """Each store of a database, in this process and in others, gives the same text."""
    identity = store.identity()
    assert identity
    with closing(database.open()) as other:
        assert other.identity() == identity
    assert database.run_program(_PROGRAM).stdout == f"{identity}\n"


def test_a_database_that_changes(store: CertificateStore) -> None:
    """A database stays the same one after any change of its content."""
    identity = store.identity()
    store.import_certificate(certificate(), Purpose.TVS)
    with store.transaction():
        store.set_parameter("a", "b")
        assert store.identity() == identity
    store.delete(Purpose.TVS, "TVS")
    assert store.identity() == identity


def test_a_database_that_is_opened_again(database: Database, store: CertificateStore) -> None:
    """A store that is opened after another one was closed knows the database again."""
    identity = store.identity()
    store.close()
    with closing(database.open()) as later:
        assert later.identity() == identity


def test_another_database(kind: Kind, store: CertificateStore, tmp_path: Path) -> None:
    """Another database of the same kind and with the same content has another text."""
    place = tmp_path / "other"
    place.mkdir()
    with kind(place) as other, closing(other.create()) as opened:
        assert opened.identity() not in (None, store.identity())
