"""Files by HTTP, as newer phones fetch them from the TFTP service, with aiohttp."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import aiohttp

from tvs.phone.files.source import FetchError, Unreachable, check_name, too_large

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint

CONNECTIONS = 100
"""Most connections at once to the server; more requests wait their turn."""
LONGEST = 12
"""Most time of a transfer, in timeouts of one step: a server that sends a byte now and then is left."""


class HTTPSource:
    """Files of an HTTP server.

    Args:
        server: host and port.
        path: where the files are; empty is the root.
        timeout: seconds to wait for the connection and for each piece of an answer.
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
                auto_decompress=False,  # trust lists are small: whatever a server packs is no list
            )
        return self._session

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
