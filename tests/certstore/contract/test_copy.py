"""A store copied into another one, of each kind into each kind."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.changes import NewCertificate
from certstore.errors import Conflict, StoreError
from certstore.purposes import Purpose
from certstore.store import Node
from tests.fixtures.certificates import certificate
from tests.fixtures.stores import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database, Kind

PUB = Node(name="pub", address="192.0.2.1", publisher=True)
SUB = Node(name="Sub", address="2001:db8::2", publisher=False)


@pytest.fixture(params=list(KINDS.values()), ids=[f"to-{name}" for name in KINDS])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """The database to copy to."""
    kind: Kind = request.param
    folder = tmp_path / "other"
    folder.mkdir()
    with kind(folder) as made:
        yield made


@pytest.fixture
def target(other: Database) -> Iterator[CertificateStore]:
    """The store to copy to, new and empty."""
    with closing(other.create()) as opened:
        yield opened


def fill(store: CertificateStore) -> None:
    """A cluster with something in each table, and gaps in the numbers of rows."""
    store.add_node(PUB)
    store.add_node(Node(name="gone", address="192.0.2.9", publisher=False))
    store.add_node(SUB)
    store.delete_node("gone")
    store.advance(0, who="pub", what="first", lists={"CTLFile.tlv": b"\0ctl", "ITLFile.tlv": b"itl"})
    store.advance(1, who="pub", what="second", lists={"CTLFile.tlv": None}, head=b"\1\2")
    for number, node in enumerate(("pub", "sub"), 1):
        store.import_certificate(certificate(f"CN={node}", number), Purpose.TVS, node=node, description="own")
    store.import_certificates(
        [
            NewCertificate(
                der=certificate(f"CN=Ñandú {serial % 3}\\,;", serial),
                unit=Purpose.Phone_SAST_trust if serial % 2 else Purpose.Phone_trust,
                time_to_live=serial if serial % 4 else None,
                roles=(7, 1) if serial % 5 == 0 else (),
            )
            for serial in range(10, 40)
        ]
    )
    store.import_certificate(certificate("CN=Ñandú 1\\,;", 10), Purpose.Phone_trust)
    store.delete(Purpose.TVS, "TVS")
    store.set_parameter("ClusterSecurityMode", "1")
    store.set_parameter("a", "ü")


def test_everything_is_copied(store: CertificateStore, target: CertificateStore, other: Database) -> None:
    """Entries, roles, nodes, parameters, generations and lists are the same; the copy can be changed as any store."""
    fill(store)
    counts = target.fill_from(store)
    assert target.entries() == store.entries()
    assert sorted(map(repr, target.trusted())) == sorted(map(repr, store.trusted()))
    assert target.nodes() == store.nodes()
    assert (target.generation(), target.lists()) == (store.generation(), store.lists())
    assert [one.data for one in target.former_lists()] == [one.data for one in store.former_lists()] == [b"\0ctl"]
    assert [target.parameter(name) for name in ("ClusterSecurityMode", "a")] == ["1", "ü"]
    assert counts["certificate"] == len(list(store.trusted()))
    assert counts["certificateservicecertificatemap"] == len(store.entries())
    rows = "select subjectname, servername, ipv4address, tkcertificatedistribution from certificate order by pkid"
    assert target.select(rows) == store.select(rows)
    assert other.problems() == []
    for made in (store, target):
        made.import_certificate(certificate("CN=later", 99), Purpose.TVS, node="pub")
        made.add_node(Node(name="third", address="192.0.2.3", publisher=False))
        made.advance(2, who="pub", what="third")
    assert target.entries() == store.entries()


def test_a_cache_follows_the_copy(store: CertificateStore, target: CertificateStore) -> None:
    """A cache of the database sees that everything changed."""
    fill(store)
    cache = CertificateDBCache(target)
    cache.load()
    target.fill_from(store)
    assert cache.refresh()
    assert len(cache) == len(list(store.trusted()))


@pytest.mark.parametrize("what", ["certificate", "node", "generation"])
def test_a_database_that_is_not_empty(store: CertificateStore, target: CertificateStore, what: str) -> None:
    """It is refused, and stays as it was."""
    fill(store)
    if what == "certificate":
        target.import_certificate(certificate("CN=there", 1), Purpose.Phone_trust)
    elif what == "node":
        target.add_node(PUB)
    else:
        target.advance(0, who="pub", what="there")
    before = (target.entries(), target.nodes(), target.generation(), target.change_number())
    with pytest.raises(Conflict, match="has a cluster already; nothing was changed; name an empty one"):
        target.fill_from(store)
    assert (target.entries(), target.nodes(), target.generation(), target.change_number()) == before


def test_a_copy_that_differs(store: CertificateStore, target: CertificateStore, other: Database) -> None:
    """Both are compared at the end: a database that changes what is written to it stays empty."""
    fill(store)
    other.execute(*ALTERING[type(other).__name__])
    try:
        with pytest.raises(StoreError, match="the copy's table processconfig is not that of the database"):
            target.fill_from(store)
        assert (target.entries(), target.nodes(), target.generation().number) == ([], [], 0)
    finally:
        other.execute(*RESTORING[type(other).__name__])


ALTERING = {
    "SqliteDatabase": [
        """
        create trigger alters after insert on processconfig begin
            update processconfig set paramvalue = 'other' where paramname = 'a';
        end
        """,
    ],
    "PostgresDatabase": [
        """
        create function alters() returns trigger language plpgsql as
        $$ begin if new.paramname = 'a' then new.paramvalue := 'other'; end if; return new; end $$
        """,
        "create trigger alters before insert on processconfig for each row execute function alters()",
    ],
}
RESTORING = {
    "SqliteDatabase": ["drop trigger alters"],
    "PostgresDatabase": ["drop trigger alters on processconfig", "drop function alters"],
}
"""A trigger that is not ours, and its end: the next test may get the database."""


def test_a_store_without_its_rows(store: CertificateStore, target: CertificateStore) -> None:
    """A new store has the parameters of a new cluster, and so has its copy."""
    assert sum(target.fill_from(store).values()) == 1
    assert target.parameter("ClusterSecurityMode") == "0"


def test_the_same_store_twice(store: CertificateStore, target: CertificateStore) -> None:
    """The second copy is refused."""
    with ExitStack() as stack:
        stack.enter_context(store.transaction())
        fill(store)
    target.fill_from(store)
    with pytest.raises(Conflict):
        target.fill_from(store)
