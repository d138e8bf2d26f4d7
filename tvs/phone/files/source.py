"""Where a phone fetches its files: a directory, a TFTP server, or an HTTP server on port 6970.

`open_source` understands what ``--from`` says. One source serves any number of phones.
"""

from __future__ import annotations

import re
from typing import Protocol

DEFAULT_TIMEOUT = 5.0
"""Seconds to wait for a packet or an HTTP answer."""
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class FetchError(Exception):
    """A file cannot be fetched: a sentence that says why."""


class Unreachable(FetchError):  # noqa: N818 - a state
    """The server does not answer at all."""


class FileTooLarge(FetchError):  # noqa: N818 - a state
    """The file has more bytes than were asked for; the rest was not fetched."""


class FileSource(Protocol):
    """Where files come from."""

    async def fetch(self, name: str, most: int) -> bytes | None:
        """The file of that name; None where there is none.

        Args:
            name: without a directory.
            most: bytes; `FileTooLarge` where it has more.

        Raises `FetchError`.
        """

    async def close(self) -> None:
        """Ends what is open."""


def check_name(name: str) -> str:
    """The name, which must be a plain file name. Raises `FetchError`."""
    if not _FILE_NAME.fullmatch(name):
        raise FetchError(f"{name!r} is no name of a phone's file")
    return name


def too_large(name: str, most: int) -> FileTooLarge:
    """The error for a file with more than `most` bytes."""
    return FileTooLarge(f"{name} has more than {most} bytes")
