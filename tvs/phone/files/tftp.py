"""TFTP source of a phone's files, with tftpy.

The library blocks, so each transfer runs in a thread. The threads are daemons: an interrupted command ends at once,
not when the library stops waiting for a packet. This module adds the limits that the library lacks: on size and
duration of a transfer, and on the errors that hostile packets provoke.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING

import tftpy  # type: ignore[import-untyped] # it has no types

from tvs.log.forms import line_text
from tvs.phone.files.source import FetchError, Unreachable, check_name, too_large

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._transfers = asyncio.Semaphore(TRANSFERS)

    async def fetch(self, name: str, most: int) -> bytes | None:
        """See `FileSource.fetch`."""
        check_name(name)
        async with self._transfers:
            return await _in_thread(lambda: self._transfer(name, most))

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
        """See `FileSource.close`; an abandoned transfer ends by its own limits."""


async def _in_thread(transfer: Callable[[], bytes | None]) -> bytes | None:
    """Runs a transfer in a daemon thread; a cancelled caller abandons it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes | None] = loop.create_future()

    def settle(data: bytes | None, error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(data)
        else:
            done.set_exception(error)

    def run() -> None:
        data, error = None, None
        try:
            data = transfer()
        except Exception as failure:  # noqa: BLE001 - the caller raises it
            error = failure
        with contextlib.suppress(RuntimeError):  # the loop is closed, nothing waits
            loop.call_soon_threadsafe(settle, data, error)

    threading.Thread(target=run, name="tftp", daemon=True).start()
    return await done
