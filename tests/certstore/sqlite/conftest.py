"""Stores for the tests that are about SQLite alone."""

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
def path(tmp_path: Path) -> Path:
    """Path of the store's database."""
    return tmp_path / "tvs.db"


@pytest.fixture
def store(path: Path) -> Iterator[CertificateStore]:
    """A new, empty store."""
    with closing(open_store(str(path), create=True)) as opened:
        yield opened
