"""Opening of a file source by URL or path."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from tvs.config.endpoint import Endpoint
from tvs.phone.files.directory import DirectorySource
from tvs.phone.files.fallback import FallbackSource
from tvs.phone.files.source import DEFAULT_TIMEOUT, FetchError, FileSource

TFTP_PORT = 69
HTTP_PORT = 6970
"""HTTP port of a cluster's TFTP service."""
REQUIREMENTS = "'tftpy>=0.8.7' 'aiohttp>=3.13'"
"""The extra `phone` of the package, as a shell hands it to pip."""
FORMS = "tftp://HOST[:PORT], http://HOST[:PORT], http+tftp://HOST or a directory"
"""The forms of an address, for people."""


def open_source(text: str, timeout: float = DEFAULT_TIMEOUT) -> FileSource:
    """Opens ``http+tftp://HOST``, ``tftp://HOST[:PORT]``, ``http://HOST[:PORT][/PATH]``, or a directory.

    ``http+tftp`` is a server as phones use it: HTTP on port 6970, and TFTP if that fails. Raises `ValueError` for
    another address, and `FetchError` if the library for it is not installed.
    """
    scheme, separator, _ = text.partition("://")
    if not text:
        raise ValueError(f"the source is empty; write {FORMS}")
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
    alone = parts.path in ("", "/")
    if scheme == "http":
        return _http(Endpoint.parse(parts.netloc, HTTP_PORT), parts.path, timeout)
    if scheme == "tftp" and alone:
        return _tftp(Endpoint.parse(parts.netloc, TFTP_PORT), timeout)
    if scheme == "http+tftp" and alone:
        server = Endpoint.parse(parts.netloc, TFTP_PORT)
        if server.port == TFTP_PORT:
            http = _http(Endpoint(server.host, HTTP_PORT), "", timeout)
            return FallbackSource(http, _tftp(server, timeout))
    raise ValueError(f"{text!r}: write {FORMS}")


def _http(server: Endpoint, path: str, timeout: float) -> FileSource:
    from tvs.phone.files.http import HTTPSource  # noqa: PLC0415 - an optional library

    return HTTPSource(server, path, timeout)


def _tftp(server: Endpoint, timeout: float) -> FileSource:
    from tvs.phone.files.tftp import TFTPSource  # noqa: PLC0415 - an optional library

    return TFTPSource(server, timeout)
