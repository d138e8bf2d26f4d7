"""Clients of servers with odd certificates, and odd ``--trust`` files: `tvs query`, the emulated phone."""

from __future__ import annotations

import asyncio
import contextlib
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL, crypto

from proto.codec import encode
from proto.messages import QueryCertResponse, TrustStatus
from tests.fixtures.administrator import command
from tests.fixtures.der import authority, common_name
from tests.fixtures.odd import KINDS, documented, key_of
from tests.fixtures.peer import Peer, peer
from tests.fixtures.rawserver import raw_server
from tvs.tls.failures import TLSClosed, TLSError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fixtures.administrator import Done
    from tvs.config.endpoint import Endpoint

ISSUER = common_name("odd CA")
ODD = {kind: make(ISSUER) for kind, make in KINDS.items()}
"""The certificates, X.509 DER."""
QUESTION = ("--subject", "CN=a", "--issuer", "CN=a", "--serial", "01", "--timeout", "60")
ANSWERED, USAGE, NO_ANSWER = 1, 2, 3
"""Exit statuses of `tvs query`: 'not trusted', as the servers here say of everything; a file that cannot be used."""
pytestmark = [
    pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning"),
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL X509 objects is deprecated"),  # cryptography reads fewer
]


@contextlib.asynccontextmanager
async def odd_server(kind: str) -> AsyncIterator[Endpoint]:
    """A server with a certificate of that kind: OpenSSL's, or one that shows the bytes if OpenSSL cannot."""
    context = _context(kind)
    if context is None:
        with raw_server(ODD[kind]) as endpoint:
            yield endpoint
        return
    async with peer(_answer, context) as endpoint:
        yield endpoint


def _context(kind: str) -> SSL.Context | None:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    key = key_of(kind)
    if key is None:
        return None
    try:
        context.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, ODD[kind]))
        context.use_privatekey(key)  # type: ignore[arg-type] # OpenSSL takes Ed25519 too
    except (SSL.Error, crypto.Error, TypeError):
        return None
    return context


async def _answer(here: Peer) -> None:
    with contextlib.suppress(TLSError, TLSClosed, EOFError, ConnectionError):
        await here.handshake()
        request = await here.request()
        await here.send(encode(QueryCertResponse(session_id=request.session_id, status=TrustStatus.NOT_TRUSTED)))
        await here.closed()


async def query(endpoint: Endpoint, *trust: object) -> Done:
    """`tvs query`, which ends with one printable sentence if it is not answered."""
    done = await asyncio.to_thread(command, "query", "--server", endpoint, *trust, *QUESTION)
    assert all(line.isprintable() for line in [*done.lines, *done.err.split("\n")])
    sentences = done.err.splitlines()
    assert len(sentences) == (done.status > ANSWERED)
    assert all(sentence.startswith("tvs: ") for sentence in sentences)
    return done


@pytest.mark.parametrize("kind", KINDS)
async def test_queries_of_odd_servers(kind: str, tmp_path: Path) -> None:
    """A server is taken as the page says if ``--trust`` has its odd certificate, never with another one in it."""
    assert await served(kind, tmp_path) == documented()[kind].served


async def served(kind: str, folder: Path) -> str:
    """Whether `tvs query` takes a server whose certificate is in ``--trust``: ``yes``, ``no``, ``-`` without a key."""
    paths = {name: folder / f"{name}.pem" for name in ("odd", "issuer", "other")}
    for name, each in (("odd", ODD[kind]), ("issuer", authority(ISSUER)), ("other", authority(common_name("other")))):
        paths[name].write_text(DER_cert_to_PEM_cert(each))
    async with odd_server(kind) as endpoint:
        assert (await query(endpoint, "--trust", paths["other"])).status == NO_ANSWER
    async with odd_server(kind) as endpoint:
        assert (await query(endpoint, "--trust", paths["issuer"])).status in (ANSWERED, NO_ANSWER)
    async with odd_server(kind) as endpoint:
        insecure = await query(endpoint, "--insecure")
        assert insecure.status in (ANSWERED, NO_ANSWER)
    async with odd_server(kind) as endpoint:
        done = await query(endpoint, "--trust", paths["odd"])
        if done.status == USAGE:
            await query(endpoint, "--insecure")  # the server waits for somebody
    if key_of(kind) is None:
        assert done.status > ANSWERED
        return "-"
    return "yes" if done.status == ANSWERED else "no"
