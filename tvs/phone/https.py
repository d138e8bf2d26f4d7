"""Secure service URLs: the HTTPS connection and the trust decision about the server's certificate."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.serialization import Encoding

from certstore.certificate import Certificate, CertificateError
from proto.errors import LocalProtocolError
from tvs.client.connection import TVSClient
from tvs.client.trust import NoAnswer, ServerTrust
from tvs.phone.proxy import TVSUnavailable
from tvs.phone.reports import HTTPSReport
from tvs.phone.trust import SERVICE_ROLES, ListKind, Refusal, Refused, Voucher, listed_roles, role_names

if TYPE_CHECKING:
    from types import TracebackType

    from OpenSSL import SSL

    from tvs.config.endpoint import Endpoint
    from tvs.phone.phone import Phone
    from tvs.phone.proxy import ProxyAnswer

_ANYONE = ServerTrust(anyone=True)
"""TLS takes any certificate: the phone decides about it after the handshake."""
HOST_NOT_FOUND = "Host Not Found"
"""The screen's text for a service whose certificate has no voucher."""
_NEEDED = role_names(SERVICE_ROLES)


class SecureService:
    """A TLS connection to an HTTPS server, used in an ``async with``.

    Args:
        server: host and port.
        context: TLS context of the model.
        timeout: seconds for each step.
        local_address: source IP address; None lets the system choose.
    """

    __slots__ = ("_client",)

    def __init__(self, server: Endpoint, context: SSL.Context, timeout: float, local_address: str | None) -> None:
        self._client = TVSClient(server, _ANYONE, context=context, timeout=timeout, local_address=local_address)

    async def __aenter__(self) -> Self:
        await self._client.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    @property
    def certificate(self) -> bytes:
        """The server's certificate, X.509 DER. Raises `NoAnswer` if it showed none."""
        certificate = self._client.tls.peer_certificate
        if certificate is None:
            raise NoAnswer(f"{self._client.server} showed no certificate")
        return certificate.public_bytes(Encoding.DER)

    @property
    def description(self) -> str:
        """TLS version and suite, such as ``TLSv1.2 AES256-SHA``."""
        return f"{self._client.tls.version} {self._client.tls.cipher}"


async def connect(phone: Phone, server: Endpoint) -> HTTPSReport:
    """Connects a phone to the server of a secure service URL, and shows `HOST_NOT_FOUND` if it cannot.

    The certificate's voucher is an installed list, the cache of TVS answers, or TVS; each must give it one of
    `SERVICE_ROLES`. Raises `FlashError`.
    """
    report = await _connected(phone, server)
    if not report.connected:
        phone.show(HOST_NOT_FOUND)
    phone.save()
    return report


async def _connected(phone: Phone, server: Endpoint) -> HTTPSReport:
    service = SecureService(server, phone.tls_context(), phone.timeout, phone.local_address)
    try:
        async with service:
            return await _authenticated(phone, server, service)
    except NoAnswer as error:
        return HTTPSReport(server=server, reached=False, sentence=str(error))


async def _authenticated(phone: Phone, server: Endpoint, service: SecureService) -> HTTPSReport:
    certificate = service.certificate
    report = functools.partial(HTTPSReport, server=server, certificate=certificate, tls=service.description)
    listed = {kind: listed_roles(phone.flash.installed(kind), certificate) for kind in ListKind}
    for kind, roles in listed.items():
        if roles & SERVICE_ROLES:
            return report(voucher=Voucher[kind.name])
    try:
        cached = await _authenticated_by_tvs(phone, server, certificate, _unknown(listed))
    except Refused as refused:
        return report(refusal=refused.refusal, sentence=refused.sentence)
    return report(voucher=Voucher.TVS, cached=cached)


def _unknown(listed: dict[ListKind, frozenset[int]]) -> str:
    """The reason why the installed lists do not vouch for a certificate."""
    for kind, roles in listed.items():
        if roles:
            return f"the installed {kind} has its certificate as {role_names(roles)}, not as {_NEEDED}"
    return "its certificate is in no installed list"


async def _authenticated_by_tvs(phone: Phone, server: Endpoint, certificate: bytes, unknown: str) -> bool:
    """Asks TVS about a certificate; returns whether the answer came from the cache. Raises `Refused`."""
    phone.require_tvs(unknown)
    phone.console.https_unknown(server)
    try:
        async with phone.tvs() as proxy:
            answer = await proxy.verify(Certificate.from_der(certificate))
    except TVSUnavailable as error:
        refusal = Refusal.TVS_UNTRUSTED if error.untrusted else Refusal.TVS_UNREACHABLE
        raise Refused(refusal, f"{unknown}, and no TVS server vouches for it: {error}") from None
    except (CertificateError, LocalProtocolError) as error:
        raise Refused(Refusal.DAMAGED, f"its certificate cannot be asked for: {error}") from None
    _check_answer(answer)
    phone.console.https_authenticated()
    return answer.cached


def _check_answer(answer: ProxyAnswer) -> None:
    """Raises `Refused` unless TVS trusts the certificate as that of a service."""
    source = f"TVS server {answer.server}" if answer.server else "the cached answer of TVS"
    if not answer.trusted:
        raise Refused(Refusal.UNKNOWN_SIGNER, f"{source} does not trust its certificate")
    if not SERVICE_ROLES.intersection(answer.roles):
        raise Refused(
            Refusal.WRONG_ROLE, f"{source} trusts its certificate as {role_names(answer.roles)}, not as {_NEEDED}"
        )
