"""A signing request whose change fails at its commit: the last request stays, with its key."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NoReturn

from cryptography import x509

from certstore.purposes import Purpose
from certstore.sqlite.database import SqliteDatabase
from tests.fixtures.administrator import admin, made

if TYPE_CHECKING:
    import pytest

    from tests.fixtures.administrator import Administrator

__all__ = ["admin", "made"]

REQUEST = ("set", "csr", "gen", "CAPF", "--key", "p256")


def _full(*_: object) -> NoReturn:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    raise error


def test_the_last_request_stays(admin: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 'nothing was changed' the file is the one that an authority may have, and the next change keeps its key."""
    admin.does(*REQUEST)
    path = admin.state.request_file(Purpose.CAPF)
    sent = path.read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(SqliteDatabase, "_commit", _full)
        assert admin(*REQUEST).status == 1
    assert path.read_bytes() == sent
    assert not list(admin.state.path.glob(".*.new"))
    admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    request = x509.load_pem_x509_csr(sent)
    assert admin.state.keys.joinpath(admin.state.key_file(Purpose.CAPF, request.public_key()).name).exists()
    admin.does(*REQUEST)
    assert path.read_bytes() != sent
    assert path.stat().st_mode & 0o777 == 0o644
