"""HTTP source of a phone's files, as newer phones use it with the TFTP service; with aiohttp."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import aiohttp

from tvs.phone.files.source import FetchError, Unreachable, check_name, too_large

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint

CONNECTIONS = 100
"""Maximum concurrent connections to the server; further requests wait."""
LONGEST = 12
"""Maximum duration of a transfer, in timeouts of one step, against a server that sends a byte now and then."""


class HTTPSource:
    """Files of an HTTP server.

    Args:
        server: host and port.
        path: directory of the files; empty is the root.
        timeout: seconds for the connection and for each piece of an answer.
    """

    def __init__(self, server: Endpoint, path: str, timeout: float) -> None:
        self.server = server
        self._base = f"http://{server}{path.rstrip('/')}/"
        self._timeout = aiohttp.ClientTimeout(total=LONGEST * timeout, sock_connect=timeout, sock_read=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, name: str, most: int) -> bytes | None:
        """See `FileSource.fetch`."""
        url = self._base + check_name(name)
        try:
            return await self._get(url, name, most)
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"{url}: {os.strerror(error.errno) if error.errno else error}") from None
        except aiohttp.ClientConnectionError as error:
            raise Unreachable(f"{url}: {str(error) or 'the connection ended'}") from None
        except TimeoutError:
            raise Unreachable(f"{url}: no answer in time") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise FetchError(f"{url}: {error}") from None

    async def _get(self, url: str, name: str, most: int) -> bytes | None:
        async with self._opened().get(url, allow_redirects=False) as response:
            if response.status == 404:
                return None
            if response.status != 200:
                raise FetchError(f"{url}: the server answers {response.status} {response.reason}")
            data = bytearray()
            async for piece in response.content.iter_any():
                data += piece
                if len(data) > most:
                    raise too_large(name, most)
            return bytes(data)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,  # a compressed answer is not decoded: trust lists are small and never compressed
            )
        return self._session

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
