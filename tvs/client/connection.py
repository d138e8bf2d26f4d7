"""An asyncio client of a TVS server: one connection, one question at a time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from proto.codec import NEED_DATA, Decoder, encode
from proto.errors import RemoteProtocolError
from proto.messages import (
    RESPONSES,
    CertVerificationRequest,
    CertVerificationResponse,
    QueryCertRequest,
    QueryCertResponse,
)
from tvs.client.defaults import DEFAULT_TIMEOUT
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer
from tvs.tls.connection import READ_SIZE, TLSConnection
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSClosed, TLSError

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from OpenSSL import SSL

    from proto.messages import Request, Response
    from tvs.config.endpoint import Endpoint

FIRST_SESSION_ID = 1001
"""Phones count their session ids from here, as published traces show."""
_Answer = TypeVar("_Answer", CertVerificationResponse, QueryCertResponse)
_Result = TypeVar("_Result")


@dataclass(slots=True)
class TVSClient:
    """One connection to a Trust Verification Service.

    Args:
        server: host and port.
        trust: the server certificates that the client accepts.
        context: TLS context; None: one that connects to every server, without a certificate of its own.
        timeout: maximum seconds of each step.
        local_address: source IP address, for load tests with several.
        server_name: the server's name in the handshake; empty: none, as phones do it.

    Use as an asynchronous context manager. Every failure of a connection or an answer is a `NoAnswer`.
    """

    server: Endpoint
    trust: ServerTrust
    context: SSL.Context | None = None
    timeout: float = DEFAULT_TIMEOUT
    local_address: str | None = None
    server_name: str = ""
    _socket: socket.socket | None = field(default=None, init=False, repr=False)
    _tls: TLSConnection | None = field(default=None, init=False, repr=False)
    _decoder: Decoder = field(init=False, repr=False)
    _ids: itertools.count[int] = field(init=False, repr=False)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def tls(self) -> TLSConnection:
        """The TLS connection; its suite and version are known once connected."""
        if self._tls is None:
            raise RuntimeError("not connected")
        return self._tls

    async def connect(self) -> None:
        """Connects TCP and TLS, then checks the server's certificate. Raises `NoAnswer`, also `UntrustedServer`."""
        self._decoder = Decoder(accept=RESPONSES)
        self._ids = itertools.count(FIRST_SESSION_ID)
        try:
            self._socket = await self._step(self._connect_tcp(), "does not accept the connection")
            self._tls = TLSConnection(self.context or client_context(), server_side=False, server_name=self.server_name)
            await self._step(self._handshake(), "does not finish the TLS handshake")
            self.trust.check(self._tls.peer_chain)
        except ValueError as error:  # of a certificate that cannot be parsed; in no list, and compared with none
            await self.close()
            raise UntrustedServer(f"{self.server} showed an unreadable certificate: {error}") from None
        except BaseException:
            await self.close()
            raise

    async def query(self, *, device: str, subject: str, issuer: str, serial: bytes) -> QueryCertResponse:
        """Asks who the signer with these names and this serial number is.

        Raises `NoAnswer`, and `LocalProtocolError` for a value that the protocol cannot carry.
        """
        request = QueryCertRequest(
            session_id=next(self._ids),
            device_name=device,
            subject_name=subject,
            issuer_name=issuer,
            serial_number=serial,
        )
        return await self._ask(request, QueryCertResponse)

    async def verify(self, *, device: str, certificate: bytes) -> CertVerificationResponse:
        """Asks whether exactly this certificate (X.509 DER) is trusted. Raises as `query` does."""
        request = CertVerificationRequest(session_id=next(self._ids), device_name=device, certificate=certificate)
        return await self._ask(request, CertVerificationResponse)

    async def _ask(self, request: Request, kind: type[_Answer]) -> _Answer:
        answer = await self._step(self._exchange(encode(request)), "does not answer")
        if not isinstance(answer, kind) or answer.session_id != request.session_id:
            raise NoAnswer(f"{self.server} answered another question")
        return answer

    async def close(self) -> None:
        """Closes the connection, with a close notification; never raises."""
        if self._socket is None:
            return
        connection, self._socket = self._socket, None
        if self._tls is not None:
            self._tls.shutdown()
            with contextlib.suppress(OSError):
                connection.send(self._tls.outgoing())
        connection.close()

    async def _step(self, work: Awaitable[_Result], failure: str) -> _Result:
        """Waits for one step; turns its failure into a `NoAnswer`."""
        try:
            return await asyncio.wait_for(work, self.timeout)
        except TimeoutError:
            raise NoAnswer(f"{self.server} {failure} within {self.timeout:g} s") from None
        except OSError as error:
            raise NoAnswer(f"{self.server} {failure}: {_reason(error)}") from None
        except TLSError as error:
            raise NoAnswer(f"{self.server} {failure}: {error}") from None
        except TLSClosed:
            raise NoAnswer(f"{self.server} {failure}: it closed the connection") from None
        except RemoteProtocolError as error:
            raise NoAnswer(f"{self.server} answered with bytes that are not a TVS message: {error}") from None

    async def _connect_tcp(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(self.server.host, self.server.port, type=socket.SOCK_STREAM)
        family, kind, number, _, address = addresses[0]
        connection = socket.socket(family, kind, number)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.local_address is not None:
                connection.bind((self.local_address, 0))
            await loop.sock_connect(connection, address)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _handshake(self) -> None:
        while not self.tls.handshake():
            await self._send()
            await self._receive()
        await self._send()

    async def _exchange(self, data: bytes) -> Response:
        self.tls.write(data)
        await self._send()
        while True:
            message = self._decoder.next_message()
            if message is not NEED_DATA:
                return message  # type: ignore[return-value] # only answers are accepted
            plain = self.tls.read()
            if plain:
                self._decoder.receive_data(plain)
            else:
                await self._send()  # TLS may have records of its own to send
                await self._receive()

    async def _send(self) -> None:
        if data := self.tls.outgoing():
            await asyncio.get_running_loop().sock_sendall(self._connected(), data)

    async def _receive(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self._connected(), READ_SIZE)
        if not data:
            raise ConnectionResetError(0, "it closed the connection")
        self.tls.receive(data)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise RuntimeError("not connected")
        return self._socket


def _reason(error: OSError) -> str:
    """The system's error text, which the event loop replaces by its own ('Connect call failed …')."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
