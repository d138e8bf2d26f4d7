"""Stores for the tests that are about SQLite alone."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.opening import open_store
from tests.fixtures.stores import SqliteDatabase, old_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the store's database."""
    return tmp_path / "tvs.db"


@pytest.fixture
def store(path: Path) -> Iterator[CertificateStore]:
    """A new, empty store."""
    with closing(open_store(str(path), create=True)) as opened:
        yield opened


@pytest.fixture
def old(path: Path) -> SqliteDatabase:
    """A database that the version with schema 1 made, by its own statements; no store has opened it yet."""
    return old_database(path)


@pytest.fixture
def second(path: Path) -> SqliteDatabase:
    """A database that the version with schema 2 made, likewise."""
    return old_database(path, schema=2)
