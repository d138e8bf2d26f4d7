"""Opening of a file source by URL or path."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from tvs.config.endpoint import Endpoint
from tvs.phone.files.directory import DirectorySource
from tvs.phone.files.source import DEFAULT_TIMEOUT, FetchError, FileSource

TFTP_PORT = 69
HTTP_PORT = 6970
"""HTTP port of a cluster's TFTP service."""
REQUIREMENTS = "'tftpy>=0.8.7' 'aiohttp>=3.13'"
"""The extra `phone` of the package, as a shell hands it to pip."""


def open_source(text: str, timeout: float = DEFAULT_TIMEOUT) -> FileSource:
    """Opens ``tftp://HOST[:PORT]``, ``http://HOST[:PORT][/PATH]``, or a directory.

    Raises `ValueError` for another address, and `FetchError` if the library for it is not installed.
    """
    scheme, separator, _ = text.partition("://")
    if not separator:
        return DirectorySource(Path(text))
    try:
        return _remote(scheme.lower(), text, timeout)
    except ImportError as error:
        raise FetchError(
            f"{scheme}:// needs the library {error.name}: {sys.executable} -m pip install {REQUIREMENTS}"
        ) from None


def _remote(scheme: str, text: str, timeout: float) -> FileSource:
    parts = urlsplit(text)
    if scheme == "tftp" and parts.path in ("", "/"):
        from tvs.phone.files.tftp import TFTPSource  # noqa: PLC0415 - an optional library

        return TFTPSource(Endpoint.parse(parts.netloc, TFTP_PORT), timeout)
    if scheme == "http":
        from tvs.phone.files.http import HTTPSource  # noqa: PLC0415 - an optional library

        return HTTPSource(Endpoint.parse(parts.netloc, HTTP_PORT), parts.path, timeout)
    raise ValueError(f"{text!r}: write tftp://HOST[:PORT], http://HOST[:PORT] or a directory")
