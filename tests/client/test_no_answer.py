"""Connections and questions that end without an answer: each a sentence that names the server."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from proto.codec import encode
from proto.messages import CertVerificationResponse, QueryCertResponse, TrustStatus
from tests.fixtures.peer import OWN, Peer, client_of, peer, query
from tests.fixtures.tls import identity, service_context
from tvs.client.trust import NoAnswer, UntrustedServer
from tvs.config.endpoint import Endpoint
from tvs.tls.contexts import client_context
from tvs.tls.failures import TLSError
from tvs.tls.profiles import ClientCertificates, TLSProfile
from tvs.units import KeyType

if TYPE_CHECKING:
    from tests.fixtures.peer import Behaviour


async def closes_at_once(_here: Peer) -> None:
    """Accepts and closes."""


async def speaks_http(here: Peer) -> None:
    """Answers the handshake with a web server's error."""
    await here.reader.read(1)
    here.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await here.writer.drain()
    await here.reader.read()


async def refuses_the_handshake(here: Peer) -> None:
    """Takes another suite than the client has."""
    with contextlib.suppress(TLSError):
        await here.handshake()
    await here.flush()


CONNECTING = {
    "closed at once": (closes_at_once, "does not finish the TLS handshake: "),
    "HTTP": (speaks_http, "does not finish the TLS handshake: not tls: wrong version number"),
    "no suite": (refuses_the_handshake, "does not finish the TLS handshake: alert: .*handshake failure"),
}


@pytest.mark.parametrize(("behaviour", "reason"), CONNECTING.values(), ids=CONNECTING.keys())
async def test_connection_fails_with_a_sentence(behaviour: Behaviour, reason: str) -> None:
    """A peer that does not finish the handshake is named, with the reason; the socket is closed."""
    async with peer(behaviour, service_context(TLSProfile.MODERN, OWN)) as endpoint:
        context = client_context(maximum=SSL.TLS1_2_VERSION, ciphers="AES256-SHA:@SECLEVEL=0")
        client = client_of(endpoint, context=context)
        with pytest.raises(NoAnswer, match=f"^{endpoint} {reason}"):
            await client.connect()
        assert client._socket is None


async def test_refused_connection_is_named() -> None:
    """A port without a listener is refused, in the system's words."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = Endpoint(*unused.getsockname())
        with pytest.raises(NoAnswer) as caught:
            await client_of(endpoint).connect()
    assert str(caught.value) == f"{endpoint} does not accept the connection: Connection refused"


async def test_server_that_is_not_vouched_for_is_asked_nothing() -> None:
    """A server with another certificate gets no question, only a close notification."""

    async def answer(here: Peer) -> None:
        await here.handshake()
        assert await here.closed() == b""

    async with peer(answer, service_context(own=identity("other", KeyType.P256))) as endpoint:
        with pytest.raises(UntrustedServer, match=r"\(CN=other\) is not in the ITL"):
            await client_of(endpoint).connect()


async def silent(here: Peer) -> None:
    """Finishes the handshake, reads and says nothing."""
    await here.handshake()
    await here.request()
    await here.closed()


async def ends_with_notification(here: Peer) -> None:
    """Closes TLS properly instead of answering."""
    await here.handshake()
    await here.request()
    here.tls.shutdown()
    await here.flush()
    await here.reader.read()


async def ends_without_notification(here: Peer) -> None:
    """Closes the socket instead of answering."""
    await here.handshake()
    await here.request()


async def says_junk(here: Peer) -> None:
    """Answers with other bytes."""
    await here.handshake()
    await here.request()
    await here.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await here.reader.read()


async def says_half(here: Peer) -> None:
    """Answers with half a message and closes."""
    await here.handshake()
    await here.request()
    await here.send(encode(QueryCertResponse(session_id=1001, status=TrustStatus.NOT_TRUSTED))[:-1])


async def answers_another(here: Peer) -> None:
    """Answers with another session id."""
    await here.handshake()
    await here.request()
    await here.send(encode(QueryCertResponse(session_id=1002, status=TrustStatus.NOT_TRUSTED)))
    await here.closed()


async def answers_the_other_kind(here: Peer) -> None:
    """Answers a query as if it were a verification."""
    await here.handshake()
    await here.request()
    await here.send(encode(CertVerificationResponse(session_id=1001, status=TrustStatus.NOT_TRUSTED)))
    await here.closed()


async def asks_back(here: Peer) -> None:
    """Sends a request, as only clients do."""
    await here.handshake()
    await here.send(encode(await here.request()))
    await here.reader.read()


async def alters_a_record(here: Peer) -> None:
    """Sends an answer with one altered bit."""
    await here.handshake()
    await here.request()
    here.tls.write(encode(QueryCertResponse(session_id=1001, status=TrustStatus.NOT_TRUSTED)))
    data = bytearray(here.tls.outgoing())
    data[-1] ^= 1
    here.writer.write(bytes(data))
    await here.writer.drain()
    await here.reader.read()


ASKING = {
    "closed with notification": (ends_with_notification, "does not answer: it closed the connection"),
    "closed without": (ends_without_notification, "does not answer: it closed the connection"),
    "junk": (says_junk, "answered with bytes that are not a TVS message: a message starts with 0x57, not 0x48"),
    "half a message": (says_half, "does not answer: it closed the connection"),
    "another session id": (answers_another, "answered another question"),
    "another kind": (answers_the_other_kind, "answered another question"),
    "a request": (asks_back, "answered with bytes that are not a TVS message: message type 3"),
    "altered record": (alters_a_record, "does not answer: bad record: "),
}


@pytest.mark.parametrize(("behaviour", "reason"), ASKING.values(), ids=ASKING.keys())
async def test_question_without_an_answer(behaviour: Behaviour, reason: str) -> None:
    """Each way in which an answer fails is a sentence that names the server."""
    async with peer(behaviour) as endpoint, client_of(endpoint) as client:
        with pytest.raises(NoAnswer, match=f"^{endpoint} {reason}"):
            await query(client)


async def test_silence_ends_after_the_timeout() -> None:
    """A server that says nothing is given up after the step's seconds."""
    async with peer(silent) as endpoint, client_of(endpoint) as client:
        client.timeout = 0.1
        with pytest.raises(NoAnswer) as caught:
            await query(client)
    assert str(caught.value) == f"{endpoint} does not answer within 0.1 s"


async def test_client_certificate_that_is_required() -> None:
    """A server that requires a certificate and gets none refuses the client, at the latest at its first question."""

    async def answer(here: Peer) -> None:
        with pytest.raises(TLSError):
            await here.handshake()
        await here.flush()
        await here.reader.read()

    context = service_context(own=OWN, client_certificates=ClientCertificates.REQUIRE)
    async with peer(answer, context) as endpoint:
        client = client_of(endpoint)
        with pytest.raises(NoAnswer, match="certificate required"):  # TLS 1.3: after the client's own handshake
            async with client:
                await query(client)
