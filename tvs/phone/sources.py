"""Where a phone fetches its files: a directory, a TFTP server, or an HTTP server on port 6970.

`open_source` understands what ``--from`` says. One source serves any number of phones.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tvs.config import Endpoint

TFTP_PORT = 69
HTTP_PORT = 6970
"""The port on which a cluster's TFTP service speaks HTTP."""
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


class DirectorySource:
    """Files of a directory on this machine, such as ``tftp/`` of a state directory.

    Args:
        path: the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def fetch(self, name: str, most: int) -> bytes | None:
        """See `FileSource.fetch`."""
        return await asyncio.to_thread(self._read, check_name(name), most)

    def _read(self, name: str, most: int) -> bytes | None:
        if not self.path.is_dir():
            raise Unreachable(f"{self.path} is no directory")
        try:
            with (self.path / name).open("rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FetchError(f"{self.path / name}: cannot be read: {error.strerror}") from None
        if len(data) > most:
            raise too_large(name, most)
        return data

    async def close(self) -> None:
        """Nothing is open."""


def open_source(text: str, timeout: float = DEFAULT_TIMEOUT) -> FileSource:
    """The source of ``tftp://HOST[:PORT]``, ``http://HOST[:PORT][/PATH]``, or a directory.

    Raises `ValueError` for an address that is none, and `FetchError` where the library for it is not installed.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        return DirectorySource(Path(text))
    try:
        return _remote(scheme.lower(), text, timeout)
    except ImportError as error:
        raise FetchError(
            f"{scheme}:// needs the library {error.name}: pip install 'trust-verification-service[phone]'"
        ) from None


def _remote(scheme: str, text: str, timeout: float) -> FileSource:
    parts = urlsplit(text)
    if scheme == "tftp" and parts.path in ("", "/"):
        from tvs.phone.tftp import TFTPSource  # noqa: PLC0415 - an optional library

        return TFTPSource(Endpoint.parse(parts.netloc, TFTP_PORT), timeout)
    if scheme == "http":
        from tvs.phone.http import HTTPSource  # noqa: PLC0415 - an optional library

        return HTTPSource(Endpoint.parse(parts.netloc, HTTP_PORT), parts.path, timeout)
    raise ValueError(f"{text!r}: write tftp://HOST[:PORT], http://HOST[:PORT] or a directory")
