"""A certificate store opened by its URL or path."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from certstore.store import CertificateStore, StoreUnavailable


def open_store(url: str, *, create: bool = False, lazy: bool = False) -> CertificateStore:
    """The store at a URL (``sqlite:///absolute/path``) or a plain path, opened.

    Args:
        url: the database's URL or path.
        create: make it, with mode 0600, if there is none.
        lazy: open it at the first access, which then raises what this function raises otherwise. It waits half a
            second for a program that holds the database, not five.

    Raises:
        StoreUnavailable: there is no database, it cannot be opened, or the URL is not of a known kind.
    """
    from certstore.sqlite.store import SqliteStore  # noqa: PLC0415 - programs without a store do not load it

    return SqliteStore(_sqlite_path(url), create=create, lazy=lazy)


def _sqlite_path(url: str) -> Path:
    if "://" not in url:
        return Path(url).absolute()
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise StoreUnavailable(
            f"the database URL starts with {parts.scheme}://, which is not known: use sqlite:///absolute/path"
        )
    if parts.netloc or parts.query or parts.fragment or parts.path in ("", "/"):
        raise StoreUnavailable(f"the database URL {url!r} does not name a file: write sqlite:///absolute/path")
    return Path(unquote(parts.path))
