"""A certificate store opened by its URL or path."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from certstore.store import CertificateStore, StoreUnavailable


def open_store(url: str, *, create: bool = False) -> CertificateStore:
    """Opens the store at a URL (``sqlite:///absolute/path``) or a plain path.

    Args:
        url: where the database is.
        create: make it, with mode 0600, where there is none.

    Raises:
        StoreUnavailable: there is none, it cannot be opened, or nobody knows how.
    """
    from certstore.sqlite.store import SqliteStore  # noqa: PLC0415 - it stands on this module

    return SqliteStore(_sqlite_path(url), create=create)


def _sqlite_path(url: str) -> Path:
    if "://" not in url:
        return Path(url).absolute()
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise StoreUnavailable(
            f"the database URL starts with {parts.scheme}://, which is not known: use sqlite:///absolute/path"
        )
    if parts.netloc or parts.query or parts.fragment or parts.path in ("", "/"):
        raise StoreUnavailable(f"the database URL {url!r} names no file: write sqlite:///absolute/path")
    return Path(unquote(parts.path))
