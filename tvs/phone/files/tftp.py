"""TFTP source of a phone's files, with tftpy.

The library blocks, so each transfer runs in a thread of a small pool. This module adds the limits that the library
lacks: on size and duration of a transfer, and on the errors that hostile packets provoke.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import tftpy  # type: ignore[import-untyped] # it has no types

from tvs.log.forms import line_text
from tvs.phone.files.source import FetchError, Unreachable, check_name, too_large

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint

TRANSFERS = 64
"""Maximum concurrent transfers; further ones wait."""
ATTEMPTS = 3
"""Number of times a packet is sent before the server counts as unreachable."""
LONGEST = 12
"""Maximum duration of a transfer, in timeouts of one packet, against a server that sends nonsense for ever."""

logging.getLogger("tftpy").addHandler(logging.NullHandler())  # errors come as exceptions; its warnings have no reader


class _Buffer:
    """File object for tftpy with a size limit."""

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        """Appends a block. Raises `FileTooLarge`."""
        if len(self.data) + len(data) > self._most:
            raise too_large(self._name, self._most)
        self.data += data
        return len(data)


class TFTPSource:
    """Files of a TFTP server, in octet mode (RFC 1350).

    Args:
        server: host and UDP port; the library knows IPv4 only.
        timeout: seconds for a packet.
    """

    def __init__(self, server: Endpoint, timeout: float) -> None:
        self.server = server
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(TRANSFERS, thread_name_prefix="tftp")

    async def fetch(self, name: str, most: int) -> bytes | None:
        """See `FileSource.fetch`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._transfer, check_name(name), most)

    def _transfer(self, name: str, most: int) -> bytes | None:
        buffer = _Buffer(name, most)
        ends = time.monotonic() + LONGEST * self._timeout
        place = f"{name} from TFTP server {self.server}"

        def watch(_packet: object) -> None:
            if time.monotonic() > ends:
                raise Unreachable(f"{place}: not fetched within {LONGEST * self._timeout:g} s")

        try:
            client = tftpy.TftpClient(self._address(), self.server.port, {})
            client.download(name, buffer, watch, timeout=self._timeout, retries=ATTEMPTS)
        except FetchError:
            raise
        except tftpy.TftpFileNotFoundError:
            return None
        except tftpy.TftpTimeout:
            raise Unreachable(f"{place}: no answer, asked {ATTEMPTS} times") from None
        except Exception as error:  # noqa: BLE001 - the library meets hostile packets with errors of many kinds
            raise FetchError(f"{place}: {line_text(str(error) or type(error).__name__)}") from None
        return bytes(buffer.data)

    def _address(self) -> str:
        try:
            return str(socket.getaddrinfo(self.server.host, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0])
        except OSError as error:
            raise Unreachable(f"TFTP server {self.server.host}: {error.strerror}") from None

    async def close(self) -> None:
        """Waits for running transfers."""
        await asyncio.to_thread(self._threads.shutdown)
