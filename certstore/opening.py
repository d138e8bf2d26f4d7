"""A certificate store opened by its URL or path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from certstore.errors import StoreUnavailable

if TYPE_CHECKING:
    from certstore.store import CertificateStore

_POSTGRESQL = ("postgresql://", "postgres://")


def open_store(url: str, *, create: bool = False, lazy: bool = False) -> CertificateStore:
    """The store at a URL or a plain path, opened.

    Args:
        url: ``sqlite:///absolute/path``, the path of an SQLite file, or
            ``postgresql://USER@HOST:PORT/DATABASE`` with any parameter of libpq behind it, such as ``passfile``.
        create: make it if there is none: the file, with mode 0600, or the tables in an empty database.
        lazy: open it at the first access, which then raises what this function raises otherwise. It waits half a
            second for a program that holds the database, not five, and 2 s for a server that does not answer.

    Raises:
        StoreUnavailable: there is no database, it cannot be opened, or the URL is not of a known kind. No sentence has
            the URL's password.
    """
    if url.startswith(_POSTGRESQL):
        return _postgresql(url, create=create, lazy=lazy)
    from certstore.sqlite.store import SqliteStore  # noqa: PLC0415 - programs without a store do not load it

    return SqliteStore(_sqlite_path(url), create=create, lazy=lazy)


def _postgresql(url: str, *, create: bool, lazy: bool) -> CertificateStore:
    try:
        from certstore.postgresql.store import PostgresStore  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise StoreUnavailable(
            "PostgreSQL needs psycopg and libpq: pip install 'trust-verification-service[postgresql]', and on Debian "
            f"apt install libpq5 ({error})"
        ) from error
    return PostgresStore(url, create=create, lazy=lazy)


def _sqlite_path(url: str) -> Path:
    if "://" not in url:
        return Path(url).absolute()
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        raise StoreUnavailable(
            f"the database URL starts with {parts.scheme}://, which is not known: use sqlite:///absolute/path or "
            "postgresql://USER@HOST/DATABASE"
        )
    if parts.netloc or parts.query or parts.fragment or parts.path in ("", "/"):
        raise StoreUnavailable(f"the database URL {url!r} does not name a file: write sqlite:///absolute/path")
    return Path(unquote(parts.path))
