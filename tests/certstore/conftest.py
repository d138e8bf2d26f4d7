"""Databases and stores for the tests of certstore: tests that take them run once for each kind of database."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.stores import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.stores import Database, Kind


@pytest.fixture(scope="session", params=list(KINDS.values()), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of database."""
    made: Kind = request.param
    return made


@pytest.fixture
def database(kind: Kind, tmp_path: Path) -> Iterator[Database]:
    """A database of this test."""
    with kind(tmp_path) as made:
        yield made


@pytest.fixture
def store(database: Database) -> Iterator[CertificateStore]:
    """A new, empty store in the database."""
    with closing(database.create()) as opened:
        yield opened
