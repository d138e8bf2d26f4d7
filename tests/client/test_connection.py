"""The client's connection, against peers that answer, and peers that do everything else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from proto.codec import NEED_DATA, Decoder, encode
from proto.errors import LocalProtocolError
from proto.messages import (
    REQUESTS,
    CertVerificationRequest,
    CertVerificationResponse,
    QueryCertRequest,
    QueryCertResponse,
    TrustStatus,
)
from tests.fixtures.tls import identity, service_context
from tvs.client.connection import TVSClient
from tvs.client.question import QuestionError, ask, certificate_question, identity_question
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer
from tvs.config.endpoint import Endpoint
from tvs.identity import KeyType
from tvs.tls.connection import TLSClosed, TLSConnection, TLSError
from tvs.tls.contexts import client_context
from tvs.tls.profiles import ClientCertificates, TLSProfile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from proto.messages import Request

    Behaviour = Callable[["Peer"], Awaitable[None]]

OWN = identity("tvs", KeyType.P256)
TRUST = ServerTrust(certificates=frozenset({OWN.certificate.public_bytes(Encoding.DER)}), source="the ITL")
PATIENCE = 30.0
TRUSTED = TrustStatus.TRUSTED


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: SSL.Context) -> None:
        self.reader = reader
        self.writer = writer
        self.tls = TLSConnection(context, server_side=True)
        self._decoder = Decoder(accept=REQUESTS)

    async def handshake(self) -> None:
        """The TLS handshake."""
        while not self.tls.handshake():
            await self.flush()
            await self._receive()
        await self.flush()

    async def request(self) -> Request:
        """The next request."""
        while (message := self._decoder.next_message()) is NEED_DATA:
            if plain := self.tls.read():
                self._decoder.receive_data(plain)
            else:
                await self._receive()
        return cast("Request", message)

    async def send(self, plain: bytes) -> None:
        """Encrypts and sends bytes."""
        self.tls.write(plain)
        await self.flush()

    async def closed(self) -> bytes:
        """Waits for the client's close notification; returns the bytes that came before it."""
        plain = bytearray()
        with contextlib.suppress(TLSClosed):
            while True:
                if piece := self.tls.read():
                    plain += piece
                else:
                    await self._receive()
        return bytes(plain)

    async def flush(self) -> None:
        """Sends what TLS has to send."""
        self.writer.write(self.tls.outgoing())
        await self.writer.drain()

    async def _receive(self) -> None:
        data = await self.reader.read(65_536)
        if not data:
            raise EOFError
        self.tls.receive(data)


@contextlib.asynccontextmanager
async def peer(behaviour: Behaviour, context: SSL.Context | None = None) -> AsyncIterator[Endpoint]:
    """A server on a port of its own; its failures are those of the test."""
    context = context or service_context(own=OWN)
    failures: list[BaseException] = []
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behaviour(Peer(reader, writer, context))
        except BaseException as error:  # noqa: BLE001 - raised below, in the test
            failures.append(error)
        finally:
            writer.close()
            done.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield Endpoint(host, port)
    finally:
        server.close()
    await asyncio.wait_for(done.wait(), PATIENCE)
    assert not failures


def client_of(endpoint: Endpoint, trust: ServerTrust = TRUST, **settings: float | str | SSL.Context) -> TVSClient:
    """A client with patience."""
    return TVSClient(endpoint, trust, **{"timeout": PATIENCE, **settings})  # type: ignore[arg-type] # forwarded


async def query(client: TVSClient) -> QueryCertResponse:
    """A question that any peer can be asked."""
    return await client.query(device="SEP1", subject="CN=a", issuer="CN=b", serial=b"\x01")


# -- answers ---------------------------------------------------------------------------------------------------------


async def test_questions_and_answers_on_one_connection() -> None:
    """Both kinds of question are asked one after the other; session ids count from 1001, as phones count."""
    seen: list[Request] = []

    async def answer(here: Peer) -> None:
        await here.handshake()
        seen.append(await here.request())
        await here.send(
            encode(
                QueryCertResponse(session_id=1001, status=TRUSTED, certificates=(b"DER",), roles=(0,), time_to_live=60)
            )
        )
        seen.append(await here.request())
        await here.send(encode(CertVerificationResponse(session_id=1002, status=TrustStatus.NOT_TRUSTED)))
        await here.closed()

    async with peer(answer) as endpoint, client_of(endpoint) as client:
        found = await client.query(device="SEP1", subject="CN=a", issuer="CN=b", serial=b"\x01")
        refused = await client.verify(device="SEP1", certificate=b"DER")
    assert (found.certificates, found.roles, found.time_to_live) == ((b"DER",), (0,), 60)
    assert refused.status is TrustStatus.NOT_TRUSTED
    assert seen == [
        QueryCertRequest(
            session_id=1001, device_name="SEP1", subject_name="CN=a", issuer_name="CN=b", serial_number=b"\x01"
        ),
        CertVerificationRequest(session_id=1002, device_name="SEP1", certificate=b"DER"),
    ]


async def test_answer_in_single_bytes() -> None:
    """An answer is one, however it is cut into records and receives."""
    wire = encode(QueryCertResponse(session_id=1001, status=TRUSTED, certificates=(b"D" * 300,), roles=(0,)))

    async def answer(here: Peer) -> None:
        await here.handshake()
        await here.request()
        for byte in wire:
            await here.send(bytes([byte]))
        await here.closed()

    async with peer(answer) as endpoint, client_of(endpoint) as client:
        assert (await query(client)).certificates == (b"D" * 300,)


@pytest.mark.parametrize("verify", [False, True])
async def test_question_of_a_file_is_asked(verify: bool, tmp_path: Path) -> None:
    """A certificate's identity becomes a query, the certificate itself a verification; the answer is judged."""
    path = tmp_path / "certificate.der"
    path.write_bytes(OWN.certificate.public_bytes(Encoding.DER))
    kinds: list[type] = []

    async def answer(here: Peer) -> None:
        await here.handshake()
        request = await here.request()
        kinds.append(type(request))
        if isinstance(request, CertVerificationRequest):
            assert request.certificate == path.read_bytes()
            await here.send(encode(CertVerificationResponse(session_id=1001, status=TRUSTED, roles=(21,))))
        else:
            assert request.subject_name == request.issuer_name == "CN=tvs"
            await here.send(encode(QueryCertResponse(session_id=1001, status=TrustStatus.NOT_TRUSTED)))
        await here.closed()

    async with peer(answer) as endpoint, client_of(endpoint) as client:
        found = await ask(client, certificate_question(path, verify=verify), device="SEP1")
    assert kinds == [CertVerificationRequest if verify else QueryCertRequest]
    assert (found.trusted, found.confirmed) == (verify, verify)


async def test_question_that_the_protocol_cannot_carry() -> None:
    """A serial number of 30 bytes, an issuer without '=' and a device name with a line break are not sent."""

    async def answer(here: Peer) -> None:
        await here.handshake()
        await here.closed()

    async with peer(answer) as endpoint, client_of(endpoint) as client:
        for question, device in (
            (identity_question("CN=a", "CN=b", "01" * 30), "SEP1"),
            (identity_question("CN=a", "b", "01"), "SEP1"),
            (identity_question("CN=a", "CN=b", "01"), "SEP\n1"),
        ):
            with pytest.raises(QuestionError):
                await ask(client, question, device=device)
        with pytest.raises(LocalProtocolError, match="a certificate without bytes"):
            await client.verify(device="SEP1", certificate=b"")


async def test_client_shows_the_certificate_of_its_context() -> None:
    """With a context of its own the client has a version, suites and a certificate like a phone."""
    shown: list[object] = []

    async def answer(here: Peer) -> None:
        await here.handshake()
        shown.append(here.tls.peer_certificate)
        await here.closed()

    phone = identity("SEP1", KeyType.P256)
    context = client_context(maximum=SSL.TLS1_2_VERSION, certificate=phone.certificate, key=phone.key)
    async with peer(answer) as endpoint, client_of(endpoint, context=context) as client:
        assert (client.tls.version, client.tls.cipher) == ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert shown == [phone.certificate]


async def test_client_comes_from_its_local_address() -> None:
    """A load test can have several source addresses."""
    seen: list[str] = []

    async def answer(here: Peer) -> None:
        seen.append(here.writer.get_extra_info("peername")[0])
        await here.handshake()
        await here.closed()

    async with peer(answer) as endpoint, client_of(endpoint, local_address="127.0.0.77"):
        pass
    assert seen == ["127.0.0.77"]


# -- no answer -------------------------------------------------------------------------------------------------------


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


async def test_close_is_safe_at_any_time() -> None:
    """`close` does nothing before a connection and after its end, and sends one close notification between."""

    async def answer(here: Peer) -> None:
        await here.handshake()
        assert await here.closed() == b""
        assert await here.reader.read() == b""

    async with peer(answer) as endpoint:
        client = client_of(endpoint)
        await client.close()
        with pytest.raises(RuntimeError, match="not connected"):
            _ = client.tls
        await client.connect()
        await client.close()
        await client.close()
