"""The client's connection: questions, answers, certificates, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from proto.codec import encode
from proto.errors import LocalProtocolError
from proto.messages import (
    CertVerificationRequest,
    CertVerificationResponse,
    QueryCertRequest,
    QueryCertResponse,
    TrustStatus,
)
from tests.fixtures.peer import OWN, Peer, client_of, peer, query
from tests.fixtures.tls import identity
from tvs.client.question import QuestionError, ask, certificate_question, identity_question
from tvs.tls.contexts import client_context
from tvs.units import KeyType

if TYPE_CHECKING:
    from pathlib import Path

    from proto.messages import Request

TRUSTED = TrustStatus.TRUSTED


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
