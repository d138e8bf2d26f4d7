"""TVS proxy of a phone: one connection and one cache for all its applications.

Servers are tried in the order of the configuration: the next one if a server does not answer in time or shows a
certificate that is not in the installed ITL. Requests on the connection are sequential.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from proto.defaults import DEFAULT_TIME_TO_LIVE
from proto.messages import (
    CertVerificationResponse,
    MessageType,
    QueryCertResponse,
    TrustStatus,
)
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer
from tvs.phone.cache import AnswerCache, CachedAnswer
from tvs.phone.connection import PhoneConnection
from tvs.phone.trust import signer_among

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType

    from OpenSSL import SSL

    from certstore.certificate import Certificate
    from tvs.config.endpoint import Endpoint
    from tvs.phone.console import Console

    _Answer = TypeVar("_Answer", CertVerificationResponse, QueryCertResponse)


class TVSUnavailable(NoAnswer):
    """No server answered.

    Attributes:
        failures: failure of each server, in the order in which they were tried.
    """

    def __init__(self, failures: Sequence[NoAnswer]) -> None:
        super().__init__("; ".join(map(str, failures)) or "no TVS server is configured")
        self.failures = tuple(failures)

    @property
    def untrusted(self) -> bool:
        """Whether the phone refused a server for its certificate."""
        return any(isinstance(failure, UntrustedServer) for failure in self.failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAnswer:
    """Answer of TVS, or of the cache, about a certificate.

    Attributes:
        trusted: the status.
        certificate: X.509 DER; None if it is not trusted or TVS sent none that fits.
        roles: role codes.
        cached: whether the answer comes from the cache.
        server: the server that answered; None for the cache.
    """

    trusted: bool
    certificate: bytes | None = None
    roles: tuple[int, ...] = ()
    cached: bool = False
    server: Endpoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Settings of a proxy, from its phone.

    Attributes:
        device: device name in requests, such as ``CP-8861-SEPB000B4BA0AEE``.
        servers: TVS servers in the order in which they are tried.
        trusted_servers: X.509 DER of the installed ITL's TVS records.
        context: lazily makes the TLS context of the model.
        timeout: seconds for each step with a server.
        local_address: source IP address; None lets the system choose.
    """

    device: str
    servers: tuple[Endpoint, ...]
    trusted_servers: frozenset[bytes]
    context: Callable[[], SSL.Context]
    timeout: float
    local_address: str | None = None


class TVSProxy:
    """One connection and one cache for all applications of a phone.

    Each application uses it in an ``async with``; the last one closes the connection.

    Args:
        settings: settings of the phone.
        cache: known answers.
        console: receives the lines.
        clock: returns seconds since 1970, for the time to live.

    Attributes:
        connections: number of connections opened or tried.
    """

    __slots__ = ("_cache", "_clock", "_connection", "_console", "_lock", "_settings", "_users", "connections")

    def __init__(
        self,
        settings: ProxySettings,
        *,
        cache: AnswerCache,
        console: Console,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._console = console
        self._clock = clock
        self._lock = asyncio.Lock()
        self._connection: PhoneConnection | None = None
        self._users = 0
        self.connections = 0

    @property
    def users(self) -> int:
        """Number of applications that use it."""
        return self._users

    async def __aenter__(self) -> Self:
        self._users += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users -= 1
        if self._users == 0:
            await self._hang_up()

    async def query(self, *, subject: str, issuer: str, serial: bytes) -> ProxyAnswer:
        """Asks for the signer with these names and this serial number.

        Raises `TVSUnavailable`, and `LocalProtocolError` for names or a serial number that no request can carry.
        """
        async with self._lock:
            known = self._cache.find(serial, issuer, self._clock())
            if known is not None:
                return _from_cache(known)
            self._console.cache_missed(MessageType.QUERY_CERT_REQ)
            response = await self._ask(
                lambda connection: connection.query(
                    device=self._settings.device, subject=subject, issuer=issuer, serial=serial
                )
            )
            certificate = signer_among(response.certificates, serial)
            return self._answer(response, serial, issuer, certificate)

    async def verify(self, certificate: Certificate) -> ProxyAnswer:
        """Asks whether exactly this certificate is trusted. Raises as `query`."""
        async with self._lock:
            known = self._cache.find_certificate(certificate.der, self._clock())
            if known is not None:
                return _from_cache(known)
            self._console.cache_missed(MessageType.CERT_VERIFICATION_REQ)
            response = await self._ask(
                lambda connection: connection.verify(device=self._settings.device, certificate=certificate.der)
            )
            return self._answer(response, certificate.serial_number, certificate.issuer_name, certificate.der)

    def _answer(
        self,
        response: QueryCertResponse | CertVerificationResponse,
        serial: bytes,
        issuer: str,
        certificate: bytes | None,
    ) -> ProxyAnswer:
        """Turns a response into an answer; caches it for its time to live if it is positive."""
        server = None if self._connection is None else self._connection.server
        if response.status is not TrustStatus.TRUSTED:
            return ProxyAnswer(trusted=False, server=server)
        seconds = DEFAULT_TIME_TO_LIVE if response.time_to_live is None else response.time_to_live
        if certificate is not None:
            self._cache.put(
                CachedAnswer(
                    serial_number=serial,
                    issuer_name=issuer,
                    certificate=certificate,
                    roles=response.roles,
                    expires=self._clock() + seconds,
                )
            )
            self._console.answer_cached(seconds)
        return ProxyAnswer(trusted=True, certificate=certificate, roles=response.roles, server=server)

    # -- connection

    async def _ask(self, question: Callable[[PhoneConnection], Awaitable[_Answer]]) -> _Answer:
        """Asks the connected server; otherwise connects to the first server that answers. Raises `TVSUnavailable`."""
        if self._connection is not None:
            try:
                return await self._asked(self._connection, question)
            except NoAnswer:  # the server may have closed an idle connection: start again
                pass
        failures: list[NoAnswer] = []
        for server in self._settings.servers:
            try:
                return await self._asked(await self._connect(server), question)
            except NoAnswer as error:
                failures.append(error)
        raise TVSUnavailable(failures)

    async def _asked(
        self, connection: PhoneConnection, question: Callable[[PhoneConnection], Awaitable[_Answer]]
    ) -> _Answer:
        try:
            return await question(connection)
        except BaseException:  # also after a cancellation: an answer may be on its way
            await self._hang_up()
            raise

    async def _connect(self, server: Endpoint) -> PhoneConnection:
        self.connections += 1
        settings = self._settings
        connection = PhoneConnection(
            server,
            ServerTrust(certificates=settings.trusted_servers, source="the installed ITL"),
            context=settings.context(),
            timeout=settings.timeout,
            local_address=settings.local_address,
            console=self._console,
            attempt=self.connections,
        )
        await connection.connect()
        self._connection = connection
        return connection

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _from_cache(known: CachedAnswer) -> ProxyAnswer:
    return ProxyAnswer(trusted=True, certificate=known.certificate, roles=known.roles, cached=True)
