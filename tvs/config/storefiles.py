"""Files that the URL of the certificate database names and that are not there: what to do about it, for people."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from certstore.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


def missing_file(url: str) -> Path | None:
    """The file that the URL of an SQLite database names, if there is none; None for other databases too."""
    scheme, _, rest = url.partition("://")
    path = Path(unquote(rest))
    return path if scheme == "sqlite" and _is_missing(path) else None


@contextmanager
def passfile_named(url: str) -> Iterator[None]:
    """A with-block in which a `StoreUnavailable` about a password says so if `passfile` of the URL names no file.

    libpq takes no notice of a file that does not exist, which is no fault while the server wants no password.
    """
    try:
        yield
    except StoreUnavailable as error:
        parameters = parse_qsl(url.partition("?")[2]) if url.startswith("postgresql://") else []
        file = dict(parameters).get("passfile")
        if file is None or "password" not in str(error) or not _is_missing(Path(file)):
            raise
        raise StoreUnavailable(f"{error}; the file of passfile={file} in the URL does not exist") from error


def _is_missing(path: Path) -> bool:
    """Whether there is no such file. One that this user may not look at is there."""
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False
