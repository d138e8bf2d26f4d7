"""Clients of servers with odd certificates, and odd ``--trust`` files: `tvs query`, the emulated phone."""

from __future__ import annotations

import asyncio
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import command
from tests.fixtures.der import authority, common_name
from tests.fixtures.odd import KINDS, documented, key_of
from tests.fixtures.oddserver import ISSUER, ODD, odd_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Done
    from tvs.config.endpoint import Endpoint

QUESTION = ("--subject", "CN=a", "--issuer", "CN=a", "--serial", "01", "--timeout", "60")
ANSWERED, USAGE, NO_ANSWER = 1, 2, 3
"""Exit statuses of `tvs query`: 'not trusted', as the servers here say of everything; a file that cannot be used."""
pytestmark = [
    pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning"),
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL X509 objects is deprecated"),  # cryptography reads fewer
]


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
