"""Logs as a source: the guide's traces, other spellings, and our own service's logs."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from proto.messages import MessageType, TrustStatus
from tests.fixtures.replaying import requests_in, trusting
from tvs.client.connection import TVSClient
from tvs.client.trust import ServerTrust
from tvs.replay.questions.model import SourceError
from tvs.replay.questions.sources import read_log
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.replaying import Replayed
    from tests.fixtures.running import Running

PUBLISHER = "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
TOKEN_ISSUER = "cn=Cisco Manufacturing CA;o=Cisco Systems"  # noqa: S105 - a name
GUIDE = Path(__file__).parent / "data" / "guide-traces.txt"
"""The server's traces as the guide prints them: wrapped, one cut short, the phone's console between them."""


def test_the_traces_of_the_guide_are_read() -> None:
    """Both queries are read whole, also the one with names and a look-up line that the document truncates."""
    recording = read_log(GUIDE)
    token, regenerated = (recording.asked[number] for number in (0, 1))
    assert (token.question.serial.hex().upper(), token.question.issuer) == ("83E9080000005545AF31", TOKEN_ISSUER)
    assert token.question.subject == 'cn="SAST-ADN008580ef ";ou=IPCBU;o="Cisco Systems'
    assert token.expected is not None
    assert (token.expected.status, token.expected.roles) == (TrustStatus.TRUSTED, (0,))
    assert regenerated.question.serial.hex().upper() == "6B1D357B6841740B078FEE4A1813D5D6"
    assert (regenerated.question.subject, regenerated.question.issuer) == (PUBLISHER, PUBLISHER)
    assert regenerated.expected is not None
    assert (regenerated.expected.status, regenerated.expected.roles) == (TrustStatus.TRUSTED, (0, 2))
    assert len(recording.asks) == 2


def test_the_traces_of_the_guide_replay(
    cluster: Cluster,
    serve: Callable[..., Running],
    replay: Callable[..., Replayed],
    with_tokens: bytes,
    new_publisher: KeyFileSigner,
) -> None:
    """A service of the guide's cluster gives the answers that the guide shows."""
    write_atomically(cluster.state.ctl_file, with_tokens)
    with closing(cluster.state.store()) as store:
        store.import_certificate(new_publisher.certificate, Purpose.CallManager, replace=True)
    running = serve(cluster)
    done = replay("--server", running.endpoint, *trusting(cluster), "--from", GUIDE, "--speed", "max")
    assert (done.status, done.result["answered"], done.result["failures"]) == (0, 2, {}), done.out
    assert {line[2:] for line in requests_in(running.log, at_least=2)} == {
        ("83E9080000005545AF31", f'"{TOKEN_ISSUER}"', "trusted", "ctl", "0"),
        ("6B1D357B6841740B078FEE4A1813D5D6", f'"{PUBLISHER}"', "trusted", "db", "0,2"),
    }


VARIANTS = """\
10:00:00.000 | debug tvsHandleQueryCertReq
10:00:00.000 | debug tvsHandleQueryCertReq : Subject Name  is: CN=a;O=b
10:00:00.000 | debug tvsHandleQueryCertReq : Issuer Name  is: CN=ca;O=b
10:00:00.001 | debug tvsHandleQueryCertReq : Serial Number  is: 0A0B
10:00:00.001 | debug CertificateDBCache::getCertificateInformation - Looking up the certificate cache using \
Unique MAP ID : 0A0BCN=ca;O=b
10:00:00.001 | debug CertificateDBCache::getCertificateInformation - Found entry {rolecount : 1}
10:00:00.001 | debug CertificateDBCache::getCertificateInformation - {role : 21}
23:59:59.900 | debug tvsHandleQueryCertReq
23:59:59.900 | debug tvsHandleQueryCertReq : Subject Name is: CN=a;O=b
23:59:59.900 | debug tvsHandleQueryCertReq : Issuer Name is: CN=ca;O=b
23:59:59.900 | debug tvsHandleQueryCertReq : Serial Number is: 0C
23:59:59.900 | debug ERROR:CertificateCTLCache::getCertificateInformation - Cannot find the certificate in the cache
23:59:59.900 | debug getCertificateInformation(cert) : certificate not found
00:00:00.400 | debug tvsGetIssuerNameFromX509 - issuerName : CN=ca;O=b and Length: 9
00:00:00.400 | debug tvsGetSerialNumberFromX509 - serialNumber : 0D and Length: 1
00:00:00.400 | debug CertificateDBCACHE::getCertificateInformation - Certificate compare return =0
00:00:00.400 | debug CertificateDBCACHE::getCertificateInformation - Certificate found and equal
"""


def test_other_releases_spellings_and_midnight(tmp_path: Path) -> None:
    """Two spaces, another class name, refusals and verifications are read; a time after midnight is the next day's."""
    log = tmp_path / "tvs.log.pipeline"
    log.write_text(VARIANTS)
    recording = read_log(log)
    questions = [recording.asked[ask.asked] for ask in recording.asks]
    assert [entry.question.serial.hex() for entry in questions] == ["0a0b", "0c", "0d"]
    assert [entry.question.request for entry in questions] == [
        MessageType.QUERY_CERT_REQ,
        MessageType.QUERY_CERT_REQ,
        MessageType.CERT_VERIFICATION_REQ,
    ]
    expected = [entry.expected for entry in questions]
    assert [entry and entry.status for entry in expected] == [
        TrustStatus.TRUSTED,
        TrustStatus.NOT_TRUSTED,
        TrustStatus.TRUSTED,
    ]
    assert [entry and entry.roles for entry in expected] == [(21,), (), None]
    assert [round(ask.at, 3) for ask in recording.asks] == [0.0, 50_399.9, 50_400.4]


def test_a_log_without_queries_is_refused(tmp_path: Path) -> None:
    """The sentence names the file and the accepted forms."""
    log = tmp_path / "other.log"
    log.write_bytes(b'Jan 1 sshd: hello\n\0\xff\xfe{"time": 3}\n{"' + b"x" * 100_000)
    with pytest.raises(SourceError, match=r"other\.log: holds no query"):
        read_log(log)


@pytest.mark.parametrize(
    ("level", "form"), [("debug", "trace"), ("info", "trace"), ("debug", "json"), ("info", "json")]
)
async def test_what_our_own_service_logs(
    cluster: Cluster, serve: Callable[..., Running], level: str, form: str
) -> None:
    """In both forms and at both levels each query is found once, with the phone, the question and the answer."""
    running = serve(cluster, "--log-level", level, "--log-format", form)
    own = cluster.own(Purpose.CallManager)
    devices = ("CP-8861-SEPB000B4BA0AEE", "CP-7975G-SEP001DA23B4C5D")
    trust = ServerTrust.from_file(cluster.state.itl_file)
    for device in devices:
        async with TVSClient(running.endpoint, trust) as phone:
            await phone.query(device=device, subject=own.subject_name, issuer=own.issuer_name, serial=own.serial_number)
            await phone.verify(device=device, certificate=own.der)
            await phone.query(device=device, subject="CN=x", issuer="CN=nobody", serial=b"\x07")
    await asyncio.to_thread(_end, running)
    recording = read_log(running.log)
    assert [phone.device for phone in recording.phones] == list(devices)
    found = [recording.asked[ask.asked] for ask in recording.asks]
    assert [entry.question.request.name for entry in found] == [
        "QUERY_CERT_REQ",
        "CERT_VERIFICATION_REQ",
        "QUERY_CERT_REQ",
    ] * 2
    assert [entry.question.issuer for entry in found] == [own.issuer_name, own.issuer_name, "CN=nobody"] * 2
    assert [entry.expected and entry.expected.roles for entry in found] == [(0, 2), (0, 2), ()] * 2
    if level == "debug":
        assert len({ask.connection for ask in recording.asks}) == 2


def _end(running: Running) -> None:
    running.process.terminate()
    running.process.wait(60)


def test_a_logged_verification_needs_its_certificate(
    cluster: Cluster, serve: Callable[..., Running], replay: Callable[..., Replayed], tmp_path: Path
) -> None:
    """A log only names the certificate: with the file that holds it, the same verification is asked."""
    running = serve(cluster)
    own = cluster.own(Purpose.CallManager)
    log = tmp_path / "old.log"
    log.write_text(
        f"10:00:00.400 | debug tvsGetIssuerNameFromX509 - issuerName : {own.issuer_name} "
        f"and Length: {len(own.issuer_name)}\n"
        f"10:00:00.400 | debug tvsGetSerialNumberFromX509 - serialNumber : {own.serial_number.hex()} and Length: 16\n"
        "10:00:00.400 | debug CertificateDBCACHE::getCertificateInformation - Certificate compare return =0\n"
    )
    to_server = ("--server", running.endpoint, *trusting(cluster), "--from", log)
    without = replay(*to_server)
    assert without.status == 2
    assert "give it with --expect" in without.err
    done = replay(*to_server, "--expect", cluster.state.ctl_file)
    assert (done.status, done.result["answered"]) == (0, 1), done.out
    assert requests_in(running.log, at_least=1)[-1][0] == "CERT_VERIFICATION_REQ"


def test_the_help_names_sources_modes_and_statuses(command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """The help of the command names its sources, modes and exit statuses."""
    done = command("replay", "--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("--from", "--storm", "--fail-if", "exit statuses", "130"))
