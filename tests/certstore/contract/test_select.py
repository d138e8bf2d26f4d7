"""SELECT statements of administrators: what they may do, and when they are stopped."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreError
from certstore.purposes import Purpose
from certstore.rules import queries
from tests.fixtures.certificates import PUBLISHER_COLUMN, certificate

if TYPE_CHECKING:
    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database


def test_columns_and_rows(store: CertificateStore) -> None:
    """Column names as the statement has them, and the rows; a join that operators know works."""
    store.import_certificate(certificate(), Purpose.Phone_SAST_trust)
    assert store.select(
        "SELECT c.subjectname, t.name AS role FROM certificate AS c, certificatetrustrolemap AS r, typetrustrole AS t "
        "WHERE c.pkid=r.fkcertificate AND t.enum=r.tktrustrole ORDER BY t.enum;"
    ) == (["subjectname", "role"], [(PUBLISHER_COLUMN, "SAST"), (PUBLISHER_COLUMN, "TFTP")])
    assert store.select(" with n(x) as (values (1), (2)) select sum(x) as total from n") == (["total"], [(3,)])
    assert store.select("select paramvalue from processconfig where paramname = 'nix'") == (["paramvalue"], [])


@pytest.mark.parametrize(
    "sql",
    [
        "delete from certificate",
        "",
        "pragma user_version = 7",
        "attach 'x.db' as x",
        "explain select 1",
        "with a as (select 1) delete from certificate",
        "with a as (select 1) insert into processconfig select 'a', 'b'",
        "vacuum",
    ],
)
def test_other_statements(store: CertificateStore, sql: str) -> None:
    """Whatever is not a SELECT is refused with that sentence, and changes nothing."""
    number = store.change_number()
    with pytest.raises(StoreError, match="only SELECT statements can be run"):
        store.select(sql)
    assert store.change_number() == number
    assert store.parameter("a") is None


def test_a_statement_without_end(store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that takes too long is stopped; the store goes on."""
    monkeypatch.setattr(queries, "TIME_LIMIT", 0.05)
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
    with pytest.raises(StoreError, match="was stopped after"):
        store.select(endless)
    assert store.select("select 1")[1] == [(1,)]


def test_too_many_rows(store: CertificateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of rows is limited; as many as the limit are given."""
    monkeypatch.setattr(queries, "MAX_ROWS", 3)
    assert len(store.select("values (1), (2), (3)")[1]) == 3
    with pytest.raises(StoreError, match="more than 3 rows"):
        store.select("values (1), (2), (3), (4)")


def test_inside_a_transaction(store: CertificateStore) -> None:
    """A statement sees what was committed, also while this store is changing something."""
    with store.transaction():
        store.set_parameter("a", "b")
        assert store.select("select * from processconfig where paramname = 'a'")[1] == []
    assert store.select("select * from processconfig where paramname = 'a'")[1] == [("a", "b")]


def test_too_many_bytes(database: Database, store: CertificateStore) -> None:
    """The size of a result is limited, and so is the memory that a statement takes until it is stopped."""
    large = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 800) select {} from n"
    tracemalloc.start()
    try:
        for value in database.large_values:
            with pytest.raises(StoreError, match="more than 16 MB"):
                store.select(large.format(value))
        assert tracemalloc.get_traced_memory()[1] < 2 * queries.MAX_BYTES
    finally:
        tracemalloc.stop()
