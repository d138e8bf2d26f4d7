"""SELECT statements: the sentences of SQLite, and values that only it can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreError

if TYPE_CHECKING:
    from certstore.store import CertificateStore


def test_columns_without_a_name(store: CertificateStore) -> None:
    """A column without a name of its own has that of its expression."""
    assert store.select(" with n(x) as (values (1), (2)) select sum(x) from n") == (["sum(x)"], [(3,)])


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select 1; select 2", "one statement at a time"),
        ("select 1; delete from certificate", "one statement at a time"),
        ("select * from nix", "no such table: nix"),
        ("select", "incomplete input|syntax error"),
        ("select * from pragma_user_version", "not authorized|prohibited"),
        ("select load_extension('x')", "cannot be run"),
        ("select hex(randomblob(1000000000))", "more than 1000000 bytes"),
        ("select 'a\0b'", "null character"),
        ("select '\udcff'", "cannot be run"),
    ],
)
def test_errors(store: CertificateStore, sql: str, message: str) -> None:
    """An error in a statement is a sentence."""
    with pytest.raises(StoreError, match=message):
        store.select(sql)


def test_a_text_that_is_not_utf8(store: CertificateStore) -> None:
    """Bytes that are not text are shown escaped."""
    assert store.select("select cast(x'41ff' as text)")[1] == [("A\\xff",)]
