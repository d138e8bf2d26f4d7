"""Stores opened by URL or path."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreUnavailable
from certstore.opening import open_store

if TYPE_CHECKING:
    from pathlib import Path


def test_urls(tmp_path: Path) -> None:
    """A URL, also with escapes, and a plain path name the same file."""
    path = tmp_path / "a b.db"
    open_store(f"sqlite://{tmp_path}/a%20b.db", create=True).close()
    assert path.exists()
    with closing(open_store(str(path))) as store:
        assert store.nodes() == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/tvs", "starts with mysql://, which is not known: use sqlite:///"),
        ("sqlite://host/file", "does not name a file: write sqlite:///absolute/path"),
        ("sqlite:///", "does not name a file"),
        ("sqlite:///nix/nix.db", "/nix/nix.db: there is no database; make it with: tvs init"),
        ("/dev/null", "not a regular file, so not a database"),
        ("/etc/hostname/x", "cannot be opened: Not a directory"),
        ("/a\0b", "cannot be opened"),
    ],
)
def test_urls_without_a_store(url: str, message: str) -> None:
    """The error says what is wrong with the URL, or that there is nothing yet and how it is made."""
    with pytest.raises(StoreUnavailable, match=re.escape(message)):
        open_store(url)
