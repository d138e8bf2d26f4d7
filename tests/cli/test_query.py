"""`tvs query` against a scripted server: output, exit status, sentences."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from proto.codec import encode
from proto.messages import CertVerificationResponse, QueryCertResponse, TrustStatus
from tests.fixtures.peer import OWN, Peer, peer
from tvs.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from proto.messages import Response

SUBJECT = "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
NAMES = ("--subject", "CN=a\x1b[31m", "--issuer", "CN=b", "--serial", "0xABC")


async def run(answer: Response | None, *options: str | Path) -> int:
    """The exit status of the command against a server that gives this answer; None: it closes."""

    async def behave(here: Peer) -> None:
        await here.handshake()
        await here.request()
        if answer is not None:
            await here.send(encode(answer))
            await here.closed()

    async with peer(behave) as endpoint:
        return await asyncio.to_thread(main, ["query", "--server", str(endpoint), *map(str, options)])


def trusted(*certificates: bytes, roles: tuple[int, ...]) -> QueryCertResponse:
    """The answer 'trusted'."""
    return QueryCertResponse(
        session_id=1001, status=TrustStatus.TRUSTED, certificates=certificates, roles=roles, time_to_live=86_400
    )


@pytest.fixture
def ctl(tokenless: bytes, tmp_path: Path) -> Path:
    """The tokenless CTL file of the guide."""
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(tokenless)
    return path


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """The server's certificate."""
    path = tmp_path / "server.pem"
    path.write_bytes(OWN.certificate.public_bytes(Encoding.PEM))
    return path


async def test_signer_that_is_trusted(
    ctl: Path, pem: Path, publisher: KeyFileSigner, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0: names, roles, time to live, certificate, and that the list's signature fits."""
    status = await run(trusted(publisher.certificate, roles=(0, 2)), "--trust", pem, "--ctl", ctl)
    digest = hashlib.sha1(publisher.certificate, usedforsecurity=False).hexdigest()
    assert capsys.readouterr().out == (
        "Trusted\n"
        f"  Subject       {SUBJECT}\n"
        f"  Issuer        {SUBJECT}\n"
        "  Serial        70CAF64E090751B9DF22F49F754FC5BB\n"
        "  Roles         0 SAST, 2 CCM+TFTP\n"
        "  Time to live  86400 s\n"
        f"  Certificate   694 bytes, SHA-1 {digest}\n"
        "  Signature     the file is signed with this certificate's key\n"
    )
    assert status == 0


async def test_signer_with_another_key(ctl: Path, pem: Path, capf: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1: 'trusted' with a certificate that does not verify the list, and without the role that signs lists."""
    assert await run(trusted(capf, roles=(4,)), "--trust", pem, "--ctl", ctl) == 1
    shown = capsys.readouterr().out
    assert "  Signature     the file is NOT signed with this certificate's key\n" in shown
    assert "  Warning       without role 0 (SAST) a phone does not take a file from this signer\n" in shown


async def test_names_that_are_not_trusted(pem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1: a refusal shows what was asked, printable."""
    refusal = QueryCertResponse(session_id=1001, status=TrustStatus.NOT_TRUSTED)
    assert await run(refusal, "--trust", pem, *NAMES) == 1
    assert capsys.readouterr().out == (
        "Not trusted\n  Subject       CN=a\\x1b[31m\n  Issuer        CN=b\n  Serial        0ABC\n"
    )


async def test_verification_as_json(pem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --verify the certificate itself is asked about; --json prints the same facts for programs."""
    answer = CertVerificationResponse(session_id=1001, status=TrustStatus.TRUSTED, roles=(21, 99), time_to_live=60)
    number = OWN.certificate.serial_number
    assert await run(answer, "--insecure", "--certificate", pem, "--verify", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "trusted": True,
        "subject": "CN=tvs",
        "issuer": "CN=tvs",
        "serial": number.to_bytes((number.bit_length() + 7) // 8).hex().upper(),
        "roles": [{"code": 21, "name": "TVS"}, {"code": 99, "name": "99"}],
        "time_to_live": 60,
        "certificates": [],
        "signs_the_list": None,
    }


async def test_no_answer(pem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3: a server that does not answer is named on standard error."""
    assert await run(None, "--trust", pem, *NAMES) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(" does not answer: it closed the connection\n")


WRONG = {
    "nothing to ask for": ([], "say what to ask for: --ctl, --certificate, or --subject with --issuer and --serial"),
    "two questions": (["--ctl", "x", "--certificate", "y"], "say what to ask for"),
    "verify without certificate": (["--ctl", "x", "--verify"], "--verify goes with --certificate"),
    "names that are not whole": (["--subject", "CN=a"], "--subject, --issuer and --serial go together"),
    "serial that is not hex": (
        ["--subject", "CN=a", "--issuer", "CN=b", "--serial", "xyz"],
        "serial number 'xyz' is not hexadecimal",
    ),
    "missing list": (["--ctl", "/nowhere"], "/nowhere: cannot be read: No such file or directory"),
    "missing certificate": (["--certificate", "/nowhere"], "/nowhere: cannot be read: No such file or directory"),
}


@pytest.mark.parametrize(("options", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_wrong_usage(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 and a sentence, before any connection."""
    assert main(["query", "--server", "192.0.2.1", "--insecure", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err


async def test_issuer_that_no_phone_sends(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2: names that the protocol cannot carry are wrong usage, not a server's fault."""

    async def behave(here: Peer) -> None:
        await here.handshake()
        assert await here.closed() == b""

    async with peer(behave) as endpoint:
        words = ["query", "--server", str(endpoint), "--insecure"]
        names = ["--subject", "a", "--issuer", "b", "--serial", "01"]
        assert await asyncio.to_thread(main, [*words, *names]) == 2
    assert "an issuer name holds at least one 'type=value': 'b'" in capsys.readouterr().err
