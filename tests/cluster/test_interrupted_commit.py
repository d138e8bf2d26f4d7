"""Ctrl-C at the commit of a change: it may have been made, which the command says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.sqlite.database import SqliteDatabase
from tests.fixtures.administrator import admin, made
from tests.fixtures.generations import check_settled, generation

if TYPE_CHECKING:
    from typing import Any

    from tests.fixtures.administrator import Administrator

__all__ = ["admin", "made"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_at_the_commit(admin: Administrator, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """The sentence says how to find out, whether the database has it or not; the next change goes on from there."""
    real = SqliteDatabase._commit

    def stopped(self: SqliteDatabase, connection: Any) -> None:
        if when == "after":
            real(self, connection)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDatabase, "_commit", stopped)
        done = admin("set", "digest", "sha256")
    assert done.status == 130
    assert "interrupted at the commit: the change may have been made. Look with: tvs show cluster." in done.err
    assert "made if generation 2 is 'set the digest of trust lists to SHA-256' by cucm-1051-a-pub" in done.err
    shown = admin.does("show", "cluster").out
    assert ("Generation 2" in shown) is (when == "after")
    admin.does("set", "phones", "with-tvs")
    assert generation(admin.state).number == (3 if when == "after" else 2)
    check_settled(admin.state)


def test_ctrl_c_before_the_commit(admin: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was changed, and nothing is said."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tvs.cluster.commit.keep_replaced", stopped)
    done = admin("set", "digest", "sha256")
    assert (done.status, done.err) == (130, "")
    assert generation(admin.state).number == 1
