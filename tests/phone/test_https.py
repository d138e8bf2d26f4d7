"""Secure service URLs: the certificate in a list, in the cache, vouched for by TVS, or 'Host Not Found'."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate

from certstore.purposes import Purpose
from ctlcache.builder import build_trust_list
from ctlcache.entries import ListEntry
from proto.roles import TrustRole
from tests.fixtures.running import wait_until
from tvs.config.endpoint import Endpoint
from tvs.phone import DirectorySource, ListKind, Refusal, Voucher
from tvs.phone.boot import boot
from tvs.phone.https import HOST_NOT_FOUND, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running
    from tvs.phone import Phone

    MakePhone = Callable[..., Phone]
    Serve = Callable[..., Running]
    WebServer = Callable[..., Endpoint]


@pytest.fixture
def web_server(require_program: RequireProgram, free_port: Callable[[int], int], tmp_path: Path) -> Iterator[WebServer]:
    """HTTPS servers that we did not write (openssl s_server), which speak TLS 1.0 too: (certificate, key in PEM)."""
    openssl = require_program("openssl")
    started: list[subprocess.Popen[bytes]] = []

    def start(certificate: bytes, key: bytes) -> Endpoint:
        port = free_port(socket.SOCK_STREAM)
        files = [tmp_path / f"web-{port}.crt", tmp_path / f"web-{port}.key"]
        files[0].write_text(DER_cert_to_PEM_cert(certificate))
        files[1].write_bytes(key)
        command = [openssl, "s_server", "-quiet", "-www", "-accept", f"127.0.0.1:{port}", "-cert", str(files[0])]
        started.append(
            subprocess.Popen(
                [*command, "-key", str(files[1]), "-cipher", "ALL:@SECLEVEL=0"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        wait_until(lambda: listens(port), "openssl s_server")
        return Endpoint("127.0.0.1", port)

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def service(make_signer: Callable[..., KeyFileSigner], web_server: WebServer) -> tuple[bytes, Endpoint]:
    """A secure service of the company: its certificate and its address."""
    signer = make_signer("CN=phonebook;O=Cisco", "5EC0DE", 2048)
    key = signer._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signer.certificate, web_server(signer.certificate, key)


def listens(port: int) -> bool:
    """Whether a connection is accepted."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def list_with(signer: KeyFileSigner, *entries: ListEntry) -> bytes:
    """A trust list with the signer's record and these."""
    own = ListEntry(role=TrustRole.SAST, certificate=signer.certificate)
    return build_trust_list((own, *entries), signer, timestamp=1)


async def booted(phone: Phone, cluster: Cluster) -> Phone:
    """The phone with the cluster's lists."""
    await boot(phone, DirectorySource(cluster.state.tftp))
    return phone


def secd(lines: list[str]) -> list[str]:
    """Level and text of each line of a 7900's console, without the numbers of sockets and bytes."""
    texts = [f"{line.split()[1]} {line.partition('SECD: ')[2]}" for line in lines]
    return [re.sub(r"c:\d+ s:\d+|bytes written : \d+", "…", text) for text in texts]


async def test_tvs_vouches_and_the_console_shows_each_step(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, service: tuple[bytes, Endpoint]
) -> None:
    """A 7975 prints the published lines in their order; the second time the cache answers."""
    certificate, server = service
    cluster.import_trust(Purpose.tomcat_trust, certificate)
    running = serve(cluster)
    lines: list[str] = []
    phone = await booted(make_phone("CP-7975", running.endpoint, lines=lines), cluster)
    lines.clear()
    report = await connect(phone, server)
    assert (report.connected, report.voucher, report.cached) == (True, Voucher.TVS, False)
    assert report.certificate == certificate
    assert report.tls == "TLSv1 AES256-SHA"
    assert secd(lines) == [
        f"ERR -HTTPS cert not in CTL, <{server}>",
        "NOT -TVS service available, can attempt via TVS",
        "NOT -TVS Certificate Authentication request",
        "NOT -No matching entry found at cache",
        f"NOT clpSetupSsl: Trying to connect to IPV4, IP: 127.0.0.1, Port : {running.endpoint.port}",
        "NOT clpSetupSsl: TCP connected, <127.0.0.1> …",
        "NOT clpSetupSsl: start SSL/TLS handshake, <127.0.0.1> …",
        "NOT -Successfully obtained a TLS connection to the TVS server",
        "NOT -Successfully sent the certificate Authentication request to TVS server, …",
        "NOT -Done sending Certificate Validation request",
        "NOT -Authenticate Certificate : request sent to TVS server - waiting for response",
        "NOT -Authentication Response received, status : 0",
        "NOT -Authenticated the HTTPS conn via TVS",
    ]
    running.wait_for_new("CertificateDBCACHE::getCertificateInformation - Certificate found and equal")
    lines.clear()
    again = await connect(phone, server)
    assert (again.connected, again.voucher, again.cached) == (True, Voucher.TVS, True)
    assert secd(lines) == [
        f"ERR -HTTPS cert not in CTL, <{server}>",
        "NOT -TVS service available, can attempt via TVS",
        "NOT -TVS Certificate Authentication request",
        "NOT -Authenticated the HTTPS conn via TVS",
    ]


@pytest.mark.parametrize("kind", ListKind)
async def test_a_service_in_an_installed_list(
    cluster: Cluster,
    make_phone: MakePhone,
    publisher: KeyFileSigner,
    service: tuple[bytes, Endpoint],
    dead_server: Endpoint,
    kind: ListKind,
) -> None:
    """An APP-SERVER record of the CTL or the ITL vouches; TVS is not asked."""
    phone = await booted(make_phone("CP-8861", dead_server), cluster)
    phone.flash.install(kind, list_with(publisher, ListEntry(role=TrustRole.APP_SERVER, certificate=service[0])))
    report = await connect(phone, service[1])
    assert (report.connected, report.voucher) == (True, Voucher[kind.name]), report.sentence


@pytest.mark.parametrize("role", [TrustRole.CAPF, TrustRole.TVS, TrustRole.CCM_TFTP, TrustRole.SRST])
async def test_another_role_in_an_installed_list_is_not_enough(
    cluster: Cluster,
    make_phone: MakePhone,
    publisher: KeyFileSigner,
    service: tuple[bytes, Endpoint],
    serve: Serve,
    role: TrustRole,
) -> None:
    """The certificate stands in the list, but not as that of a service; TVS, which is asked, does not know it."""
    phone = await booted(make_phone("CP-8861"), cluster)
    phone.flash.install(ListKind.CTL, list_with(publisher, ListEntry(role=role, certificate=service[0])))
    report = await connect(phone, service[1])
    assert (report.connected, report.refusal) == (False, Refusal.NO_TVS_SERVER)
    name = {TrustRole.CCM_TFTP: "CCM+TFTP"}.get(role, role.name)
    assert report.sentence.startswith(f"the installed CTL has its certificate as {name}, not as APP-SERVER, and ")
    phone.flash.servers = (serve(cluster).endpoint,)
    assert (await connect(phone, service[1])).refusal is Refusal.UNKNOWN_SIGNER
    assert phone.flash.messages[-1][1] == HOST_NOT_FOUND


@pytest.mark.parametrize("unit", [Purpose.CallManager, Purpose.TVS, Purpose.CAPF])
async def test_the_answer_of_tvs_needs_the_role_too(
    cluster: Cluster, make_phone: MakePhone, web_server: WebServer, serve: Serve, unit: Purpose
) -> None:
    """TVS trusts the cluster's own certificates, but not as those of services; nor does its answer in the cache.

    As soon as the certificate is a trusted one of a web server as well, TVS adds the role.
    """
    running = serve(cluster)
    own = cluster.own(unit)
    key = cluster.state.key_file(unit, load_der_x509_certificate(own.der).public_key())
    server = web_server(own.der, key.read_bytes())
    lines: list[str] = []
    phone = await booted(make_phone("CP-7975", running.endpoint, lines=lines), cluster)
    for source in (f"TVS server {running.endpoint}", "the cached answer of TVS"):
        report = await connect(phone, server)
        assert (report.connected, report.reached, report.refusal) == (False, True, Refusal.WRONG_ROLE)
        assert report.sentence.startswith(f"{source} trusts its certificate as ")
        assert report.sentence.endswith(", not as APP-SERVER")
        assert phone.flash.messages[-1][1] == HOST_NOT_FOUND
    assert secd(lines)[-1] == "NOT -TVS Certificate Authentication request"
    cluster.import_trust(Purpose.tomcat_trust, own.der)
    for _ in range(200):
        phone.flash.answers = None
        if (report := await connect(phone, server)).connected:
            break
        await asyncio.sleep(0.05)
    assert (report.voucher, report.cached) == (Voucher.TVS, False)
    assert secd(lines)[-1] == "NOT -Authenticated the HTTPS conn via TVS"


@pytest.mark.parametrize("model", ["CP-8861", "CP-7960"])
async def test_host_not_found(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, service: tuple[bytes, Endpoint], model: str
) -> None:
    """TVS does not know the certificate, or the model does not ask: the screen says 'Host Not Found'."""
    phone = await booted(make_phone(model, serve(cluster).endpoint), cluster)
    report = await connect(phone, service[1])
    assert not report.connected
    assert report.reached
    assert report.refusal is (Refusal.NO_TVS_SUPPORT if model == "CP-7960" else Refusal.UNKNOWN_SIGNER)
    assert phone.flash.messages[-1][1] == HOST_NOT_FOUND == "Host Not Found"


async def test_host_not_found_if_port_2445_is_blocked(
    cluster: Cluster, make_phone: MakePhone, service: tuple[bytes, Endpoint], dead_server: Endpoint
) -> None:
    """The certificate may be good, but no server can vouch for it."""
    phone = await booted(make_phone("CP-8861", dead_server), cluster)
    report = await connect(phone, service[1])
    assert report.refusal is Refusal.TVS_UNREACHABLE
    assert phone.flash.messages[-1][1] == HOST_NOT_FOUND


async def test_the_same_identity_with_another_certificate(
    cluster: Cluster,
    make_phone: MakePhone,
    serve: Serve,
    service: tuple[bytes, Endpoint],
    make_signer: Callable[..., KeyFileSigner],
) -> None:
    """TVS has another certificate with this serial number and issuer: refused."""
    namesake = make_signer("CN=phonebook;O=Cisco", "5EC0DE", 1024)
    cluster.import_trust(Purpose.tomcat_trust, namesake.certificate)
    phone = await booted(make_phone("CP-8861", serve(cluster).endpoint), cluster)
    assert (await connect(phone, service[1])).refusal is Refusal.UNKNOWN_SIGNER


async def test_a_server_that_is_down(make_phone: MakePhone, dead_server: Endpoint) -> None:
    """Without a connection there is no certificate to ask about."""
    report = await connect(make_phone(), dead_server)
    assert (report.connected, report.reached) == (False, False)
    assert "does not accept the connection" in report.sentence


def test_the_command(
    cluster: Cluster,
    serve: Serve,
    service: tuple[bytes, Endpoint],
    dead_server: Endpoint,
    run: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """Exit 0 connected, 1 'Host Not Found', 3 if the server does not answer; TVS's answer outlives the command."""
    certificate, server = service
    cluster.import_trust(Purpose.tomcat_trust, certificate)
    running = serve(cluster)
    state = ("--state", tmp_path / "phone")
    device = ("--mac", "001122334455", "--model", "8861")
    run("phone", "boot", *device, *state, "--from", cluster.state.tftp, "--tvs", running.endpoint)
    connected = run("phone", "https", *state, f"https://{server}/directory")
    assert (connected.returncode, connected.stdout.splitlines()[-1]) == (
        0,
        f"Connected to {server}, TLSv1.2 AES256-GCM-SHA384: TVS vouches for its certificate",
    )
    running.kill()
    cached = run("phone", "https", *state, server)
    assert (cached.returncode, cached.stdout.splitlines()[-1].rpartition(": ")[2]) == (
        0,
        "TVS vouched for its certificate, the answer is in the cache",
    )
    assert run("phone", "https", *state, dead_server).returncode == 3
    (tmp_path / "phone" / "tvs-cache.json").unlink()
    refused = run("phone", "https", *state, server)
    down = f"{running.endpoint} does not accept the connection: Connection refused"
    assert refused.returncode == 1
    assert refused.stdout.splitlines()[-3:] == [
        "Host Not Found",
        f"  {server}: its certificate is in no installed list, and no TVS server vouches for it: {down}",
        "  Way out: look at TCP 2445, the service and its TLS profile (TLS 1.0 phones need 'legacy').",
    ]
    asked = run("phone", "https", *state, server, "--json")
    assert json.loads(asked.stdout)["way_out"] == refused.stdout.splitlines()[-1].strip()[9:-1]
