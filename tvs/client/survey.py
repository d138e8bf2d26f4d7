"""A look at TVS servers as phones meet them: what each presents, which versions it takes, what it answers.

Nothing is judged, and no certificate is compared: who asks knows what should be there.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from proto.errors import LocalProtocolError
from proto.messages import TrustStatus
from tvs.client.connection import TVSClient
from tvs.client.defaults import CHECK_DEVICE, CHECK_SERVER_NAME
from tvs.client.trust import NoAnswer, ServerTrust
from tvs.config.endpoint import Endpoint
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tvs.client.question import TVSQuestion

STEP: Final = 2.0
"""Seconds for each step of a connection, and for the names of all servers."""
ALL: Final = 4.0
"""Seconds for all servers, which are asked side by side."""
OLD_SUITE: Final = "AES256-SHA:@SECLEVEL=0"
"""The suite of TLS 1.0 phones, which know RSA key exchange only."""
ANYONE: Final = ServerTrust(anyone=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A server's answer about a signer.

    Attributes:
        trusted: whether it says 'trusted'.
        certificate: the answer's first certificate, X.509 DER; None without one.
        roles: role codes, ascending.
    """

    trusted: bool
    certificate: bytes | None = None
    roles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLook:
    """A server as a phone meets it.

    Attributes:
        server: where it was asked.
        certificate: what it presents to a phone that speaks TLS 1.2, X.509 DER; None if it takes none, or could not be
            reached.
        tls10: whether it takes one that speaks TLS 1.0 with RSA key exchange; None if that was not tried, or cannot be
            said.
        answers: one for each question; None for one that was not answered.
        problem: why it could not be reached, or does not answer: a sentence; empty if it does.
    """

    server: Endpoint
    certificate: bytes | None = None
    tls10: bool | None = None
    answers: tuple[Told | None, ...] = ()
    problem: str = ""


def survey(
    servers: Mapping[str, Sequence[Endpoint]], questions: Sequence[TVSQuestion], *, tls10: bool
) -> dict[str, ServerLook]:
    """What a phone meets at each server, by the name under which it is given. Takes `ALL` and `STEP` seconds at most.

    Args:
        servers: by name, the places where it may be reached, tried one after the other; at least one of each.
        questions: of the kind that asks for an identity.
        tls10: whether it is tried to connect with TLS 1.0. A server that refuses it counts the attempt, and does not
            record it as a phone's.
    """
    known = addresses({server.host for places in servers.values() for server in places})
    with ThreadPoolExecutor(1, "survey") as other:  # this one may have an event loop
        return other.submit(lambda: asyncio.run(_survey(servers, known, questions, tls10=tls10))).result()


async def _survey(
    servers: Mapping[str, Sequence[Endpoint]],
    known: Mapping[str, str],
    questions: Sequence[TVSQuestion],
    *,
    tls10: bool,
) -> dict[str, ServerLook]:
    until = time.monotonic() + ALL
    looks = {
        name: asyncio.create_task(_reached(places, known, questions, tls10=tls10)) for name, places in servers.items()
    }
    if looks:
        await asyncio.wait(looks.values(), timeout=until - time.monotonic())
    late = [task for task in looks.values() if not task.done()]
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return {name: _late(servers[name][0]) if task.cancelled() else task.result() for name, task in looks.items()}


def _late(server: Endpoint) -> ServerLook:
    return ServerLook(server=server, problem=f"{server} has not answered within {ALL:g} s")


async def _reached(
    places: Sequence[Endpoint], known: Mapping[str, str], questions: Sequence[TVSQuestion], *, tls10: bool
) -> ServerLook:
    """The look at the first of these places where a server shows a certificate; else at the first of them."""
    first: ServerLook | None = None
    for server in places:
        address = known.get(server.host)
        if address is None:
            look = ServerLook(server=server, problem=f"{server.host} is not an address, and its name gives none")
        else:
            look = await _look(server, Endpoint(address, server.port), questions, tls10=tls10)
        if look.certificate is not None:
            return look
        first = first or look
    if first is None:
        raise ValueError("a server without a place")
    return first


async def _look(server: Endpoint, at: Endpoint, questions: Sequence[TVSQuestion], *, tls10: bool) -> ServerLook:
    phone = _Phone(at, client_context(maximum=SSL.TLS1_2_VERSION))
    problem, answers = "", list[Told | None]()
    try:
        async with phone:
            for question in questions:
                answers.append(await _told(phone, question))
    except NoAnswer as error:
        problem = str(error)
    old = await _takes_tls10(at) if tls10 and phone.met is not None else None
    return ServerLook(
        server=server,
        certificate=phone.met,
        tls10=old,
        answers=(*answers, *[None] * (len(questions) - len(answers))),
        problem=problem,
    )


async def _told(phone: TVSClient, question: TVSQuestion) -> Told | None:
    """The answer to a question; None to one that the protocol cannot carry. Raises `NoAnswer`."""
    try:
        answer = await phone.query(
            device=CHECK_DEVICE, subject=question.subject, issuer=question.issuer, serial=question.serial
        )
    except LocalProtocolError:
        return None
    return Told(
        trusted=answer.status is TrustStatus.TRUSTED,
        certificate=next(iter(answer.certificates), None),
        roles=tuple(sorted(set(answer.roles))),
    )


async def _takes_tls10(at: Endpoint) -> bool | None:
    """Whether the server takes a TLS 1.0 phone; None if it does not say so."""
    phone = _Phone(at, client_context(maximum=SSL.TLS1_VERSION, ciphers=OLD_SUITE))
    try:
        async with phone:
            return True
    except NoAnswer:
        return True if phone.met is not None else False if phone.refused else None


class _Phone(TVSClient):
    """A client that trusts every server, and knows what it met when the handshake failed, too.

    A server that wants a phone's own certificate shows its own before it refuses.

    Attributes:
        met: the certificate that the server showed, X.509 DER; None if it showed none.
        refused: whether the two have no TLS in common.
    """

    def __init__(self, server: Endpoint, context: SSL.Context) -> None:
        super().__init__(server, ANYONE, context=context, timeout=STEP, server_name=CHECK_SERVER_NAME)
        self.met: bytes | None = None
        self.refused = False

    async def _handshake(self) -> None:
        try:
            await super()._handshake()
        except TLSError:
            self.refused = True
            raise
        finally:
            presented = self.tls.peer_certificate
            self.met = None if presented is None else presented.public_bytes(Encoding.DER)


# -- names -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Lookup:
    """The address of a name, looked up by a thread of its own: a silent name server holds that one only."""

    host: str
    address: str | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._look, daemon=True, name=f"look up {self.host}")
        self.thread.start()

    def _look(self) -> None:
        try:
            self.address = str(socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)[0][4][0])
        except (OSError, UnicodeError):
            return


def addresses(hosts: Iterable[str], seconds: float = STEP) -> dict[str, str]:
    """The IP address of each host whose name has one that is known within so many seconds."""
    found: dict[str, str] = {}
    names: list[_Lookup] = []
    for host in hosts:
        try:
            found[host] = str(ipaddress.ip_address(host))
        except ValueError:
            names.append(_Lookup(host))
    until = time.monotonic() + seconds
    for name in names:
        name.thread.join(max(0.0, until - time.monotonic()))
        if name.address is not None:
            found[name.host] = name.address
    return found
