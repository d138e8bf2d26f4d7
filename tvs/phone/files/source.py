"""Protocol and errors of the sources from which phones fetch their files. One source serves any number of phones."""

from __future__ import annotations

import re
from typing import Protocol

DEFAULT_TIMEOUT = 5.0
"""Seconds for a packet or an HTTP answer."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FetchError(Exception):
    """A file that cannot be fetched; the sentence says why."""


class Unreachable(FetchError):  # noqa: N818 - a state
    """A server that does not answer at all."""


class FileTooLarge(FetchError):  # noqa: N818 - a state
    """A file with more bytes than the caller takes; the rest was not fetched."""


class FileSource(Protocol):
    """A source of files."""

    async def fetch(self, name: str, most: int) -> bytes | None:
        """Fetches the file of that name; returns None if it does not exist.

        Args:
            name: file name without a directory.
            most: maximum size in bytes.

        Raises `FetchError`, `Unreachable`, and `FileTooLarge` for a larger file.
        """

    async def close(self) -> None:
        """Closes connections and threads."""


def check_name(name: str) -> str:
    """Returns the name if it is a plain file name. Raises `FetchError`."""
    if not _FILE_NAME.fullmatch(name):
        raise FetchError(f"{name!r} is not the name of a phone's file")
    return name


def too_large(name: str, most: int) -> FileTooLarge:
    """Makes the error for a file with more than `most` bytes."""
    return FileTooLarge(f"{name} has more than {most} bytes")
