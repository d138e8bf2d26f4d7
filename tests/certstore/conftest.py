"""Stores for the tests of certstore."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore import CertificateStore


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where the store's database is."""
    return tmp_path / "tvs.db"


@pytest.fixture
def store(database: Path) -> Iterator[CertificateStore]:
    """A new, empty store."""
    with closing(open_store(str(database), create=True)) as opened:
        yield opened
