"""The connection to a secure service URL's server, up to the point where its certificate is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.serialization import Encoding

from tvs.client import NoAnswer, ServerTrust, TVSClient

if TYPE_CHECKING:
    from types import TracebackType

    from OpenSSL import SSL

    from tvs.config import Endpoint

_ANYONE = ServerTrust(anyone=True)
"""The phone judges the certificate itself, once it has it."""


class SecureService:
    """A TLS connection to an HTTPS server; use it in an ``async with``.

    Args:
        server: host and port.
        context: TLS of the model.
        timeout: seconds for each step.
        local_address: source IP address; None for the system's choice.
    """

    __slots__ = ("_client",)

    def __init__(self, server: Endpoint, context: SSL.Context, timeout: float, local_address: str | None) -> None:
        self._client = TVSClient(server, _ANYONE, context=context, timeout=timeout, local_address=local_address)

    async def __aenter__(self) -> Self:
        try:
            await self._client.connect()
        except ValueError as error:  # its certificate cannot be parsed
            raise NoAnswer(f"{self._client.server} showed an unreadable certificate: {error}") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    @property
    def certificate(self) -> bytes:
        """The server's, X.509 DER. Raises `NoAnswer` where it showed none."""
        certificate = self._client.tls.peer_certificate
        if certificate is None:
            raise NoAnswer(f"{self._client.server} showed no certificate")
        return certificate.public_bytes(Encoding.DER)

    @property
    def description(self) -> str:
        """Version and suite, such as ``TLSv1.2 AES256-SHA``."""
        return f"{self._client.tls.version} {self._client.tls.cipher}"
