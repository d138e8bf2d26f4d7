"""Connection of a phone to a TVS server, reported step by step on its console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proto.messages import MessageType, TrustStatus
from tvs.client.connection import TVSClient
from tvs.client.trust import NoAnswer, ServerTrust
from tvs.tls.failures import TLSError, TLSFailure

if TYPE_CHECKING:
    import socket

    from OpenSSL import SSL

    from proto.messages import CertVerificationResponse, QueryCertResponse, Response
    from tvs.config.endpoint import Endpoint
    from tvs.phone.console import Console


class PhoneConnection(TVSClient):
    """A `TVSClient` that reports each step to a console.

    Args:
        server: host and port.
        trust: the TVS records of the installed ITL.
        context: the model's TLS, with the phone's LSC if it has one.
        timeout: seconds for each step.
        local_address: source IP address; None lets the system choose.
        console: receives the lines.
        attempt: number of this connection among those of the phone.
    """

    def __init__(
        self,
        server: Endpoint,
        trust: ServerTrust,
        *,
        context: SSL.Context,
        timeout: float,
        local_address: str | None,
        console: Console,
        attempt: int,
    ) -> None:
        super().__init__(server, trust, context=context, timeout=timeout, local_address=local_address)
        self._console = console
        self._attempt = attempt
        self._descriptor: int | None = None
        self._asking = MessageType.QUERY_CERT_REQ

    async def connect(self) -> None:
        """Connects: TCP, TLS, check of the server's certificate. Raises `NoAnswer`."""
        self._console.connecting(self.server)
        try:
            await super().connect()
        except NoAnswer:
            self._console.connection_failed(self.server, self._descriptor, self._attempt)
            raise
        self._console.server_accepted()

    async def _connect_tcp(self) -> socket.socket:
        connection = await super()._connect_tcp()
        self._descriptor = connection.fileno()
        self._console.tcp_connected(self.server, self._descriptor, self._attempt)
        return connection

    async def _handshake(self) -> None:
        self._console.handshake_started(self.server, self._descriptor or 0, self._attempt)
        try:
            await super()._handshake()
        except TLSError as error:
            if error.failure is TLSFailure.ALERT:
                alert = error.detail.rpartition("alert ")[2]
                self._console.alert_received(self.server, alert, first=self.tls.peer_certificate is None)
            raise

    async def query(self, *, device: str, subject: str, issuer: str, serial: bytes) -> QueryCertResponse:
        """Asks for a signer. Raises `NoAnswer`, and `LocalProtocolError` for values that no request can carry."""
        self._asking = MessageType.QUERY_CERT_REQ
        self._console.request_started(self._asking)
        return await super().query(device=device, subject=subject, issuer=issuer, serial=serial)

    async def verify(self, *, device: str, certificate: bytes) -> CertVerificationResponse:
        """Asks whether exactly this certificate is trusted. Raises as `query`."""
        self._asking = MessageType.CERT_VERIFICATION_REQ
        self._console.request_started(self._asking)
        return await super().verify(device=device, certificate=certificate)

    async def _exchange(self, data: bytes) -> Response:
        self.tls.write(data)
        await self._send()
        self._console.request_sent(self._asking, len(data))
        response = await super()._exchange(b"")
        status = 0 if response.status is TrustStatus.TRUSTED else 1
        self._console.answer_received(self._asking, len(self._decoder.frame), status)
        return response
