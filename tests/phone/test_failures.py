"""What administrators know of phones that do not take a list: each keeps the old one and says so on its screen."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.builder import build_trust_list
from ctlcache.entries import ClusterNode, tokenless_ctl_entries
from ctlcache.signing import Digest
from ctlcache.trustlist import PHONE_LIMIT
from tvs.config.endpoint import Endpoint
from tvs.phone import (
    BootOutcome,
    DirectorySource,
    ListKind,
    ListOutcome,
    Refusal,
    Voucher,
)
from tvs.phone.boot import boot

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running
    from tvs.phone import BootReport, Phone

    MakePhone = Callable[..., Phone]
    Serve = Callable[..., Running]
    PutCtl = Callable[[bytes], DirectorySource]
    Plan = Callable[..., "Said"]
    Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def stranger(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """A signer that no list of the cluster has."""
    return make_signer("CN=stranger;O=Elsewhere", "0BADCAFE", 2048)


@pytest.fixture
def put_ctl(cluster: Cluster) -> PutCtl:
    """Puts a CTL file where phones fetch it, while TVS watches the one that was there: as with two TFTP servers."""

    def put(data: bytes) -> DirectorySource:
        watched = cluster.state.path / "watched.tlv"
        watched.write_bytes(cluster.state.ctl_file.read_bytes())
        (cluster.state.path / "tvs.toml").write_text(f'ctl_file = "{watched}"\n')
        cluster.state.ctl_file.write_bytes(data)
        return DirectorySource(cluster.state.tftp)

    return put


@pytest.fixture
def plan(cluster: Cluster, tmp_path: Path, run: Run) -> Plan:
    """What `tvs ctl plan CHANGE` says to an administrator whose phones hold a phone's lists."""

    def ask(phone: Phone, *change: object, phones: str = "with-tvs") -> Said:
        held: list[object] = []
        for kind in ListKind:
            if (data := phone.flash.installed(kind)) is not None:
                path = tmp_path / f"held-{kind.file_name}"
                path.write_bytes(data)
                held += ["--held", path]
        done = run("ctl", "plan", *change, "--state", cluster.state.path, "--json", "--phones", phones, *held)
        said = json.loads(done.stdout)
        decisions = [outcome["ctl"] for outcome in said["outcomes"] if outcome["kind"] == phones]
        return Said(
            status=done.returncode,
            findings={finding["code"] for finding in said["findings"] if finding["severity"] == "error"},
            ctl=decisions[-1]["decision"],
            refusal=decisions[-1].get("refusal"),
        )

    return ask


@dataclass(frozen=True)
class Said:
    """What a plan says: its exit status, its errors, and what a phone does with the CTL file at last."""

    status: int
    findings: set[str]
    ctl: str
    refusal: str | None

    def loses(self, code: str, refusal: Refusal) -> bool:
        """Whether phones would be lost, for this reason, and that is what the phone refuses for."""
        return self.status == 1 and code in self.findings and self.ctl == "refuses" and self.refusal == refusal


def ctl_of(signer: KeyFileSigner, *, nodes: int = 1, digest: Digest = Digest.SHA1) -> bytes:
    """A CTL of so many nodes, all with the signer's certificate."""
    cluster = [ClusterNode(name=f"node{n}", address="192.0.2.1", call_manager=signer.certificate) for n in range(nodes)]
    entries = tokenless_ctl_entries(cluster, capf=None)
    return build_trust_list(entries, signer, timestamp=int(time.time()), digest=digest)


async def booted(phone: Phone, cluster: Cluster) -> Phone:
    """The phone with the cluster's lists of now, taken on trust."""
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert report.outcome is BootOutcome.RUNNING
    return phone


def assert_kept(phone: Phone, report: BootReport, old: bytes, refusal: Refusal) -> None:
    """The CTL was refused for this reason, the old one is installed, and the screen says so."""
    assert report.outcome is BootOutcome.REFUSED
    assert report.ctl.outcome is ListOutcome.REFUSED
    assert report.ctl.refusal is refusal, report.ctl.sentence
    assert phone.flash.installed(ListKind.CTL) == old
    assert "Trust List update failed" in report.messages
    assert "Trust List updated" not in report.messages
    assert report.messages[-1] in ("CTL and ITL installed", "CTL Installed")


async def test_no_tvs_server_answers(
    cluster: Cluster, make_phone: MakePhone, free_port: Callable[[int], int], plan: Plan
) -> None:
    """Every server is tried, in the order of the configuration; then the old list is kept.

    The plan says that phones will ask TVS; whether its port is open, nobody knows beforehand.
    """
    servers = [Endpoint("127.0.0.1", free_port(socket.SOCK_STREAM)) for _ in range(3)]
    lines: list[str] = []
    phone = await booted(make_phone("CP-7975", *servers, lines=lines), cluster)
    old = cluster.state.ctl_file.read_bytes()
    lines.clear()
    said = plan(phone, "regen", "CallManager", phones="with-tvs")
    assert (said.status, said.ctl) == (0, "accepts-after-asking-tvs")
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert_kept(phone, report, old, Refusal.TVS_UNREACHABLE)
    tried = [line for line in lines if "Trying to connect" in line]
    # once for each list
    assert [line.rpartition(" ")[2] for line in tried] == [str(server.port) for server in servers] * 2
    assert sum("EROR:clpSndStatus: SSL CLNT ERR, srvr<127.0.0.1>" in line for line in lines) == 6
    assert all(str(server) in report.ctl.sentence for server in servers)


async def test_tvs_does_not_know_the_signer(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, stranger: KeyFileSigner, put_ctl: PutCtl, plan: Plan
) -> None:
    """The service says 'not trusted', and no other server is asked."""
    old = cluster.state.ctl_file.read_bytes()
    phone = await booted(make_phone("CP-8861"), cluster)
    source = put_ctl(ctl_of(stranger))
    assert plan(phone).loses("signer-unknown-to-tvs", Refusal.UNKNOWN_SIGNER)
    running, never_asked = serve(cluster), serve(cluster)
    phone.flash.servers = (running.endpoint, never_asked.endpoint)
    assert_kept(phone, await boot(phone, source), old, Refusal.UNKNOWN_SIGNER)
    running.wait_for_new("getCertificateInformation(cert) : certificate not found")
    assert not any("Accepted TCP connection" in text for text in never_asked.texts())


async def test_the_answer_lacks_the_sast_role(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, stranger: KeyFileSigner, put_ctl: PutCtl, plan: Plan
) -> None:
    """TVS trusts the signer, but as an application server (role 7) only."""
    old = cluster.state.ctl_file.read_bytes()
    cluster.import_trust(Purpose.Phone_trust, stranger.certificate)
    phone = await booted(make_phone("CP-8861"), cluster)
    source = put_ctl(ctl_of(stranger))
    assert plan(phone).loses("signer-not-sast", Refusal.NOT_SAST)
    running = serve(cluster)
    phone.flash.servers = (running.endpoint,)
    assert_kept(phone, await boot(phone, source), old, Refusal.NOT_SAST)
    running.wait_for_new("CertificateDBCACHE::getCertificateInformation - {role : 7}")


async def test_the_same_list_with_the_role_is_taken(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, stranger: KeyFileSigner, put_ctl: PutCtl, plan: Plan
) -> None:
    """With the signer loaded as Phone-SAST-trust, the refusals above turn into an update."""
    cluster.import_trust(Purpose.Phone_SAST_trust, stranger.certificate)
    phone = await booted(make_phone("CP-8861"), cluster)
    source = put_ctl(fetched := ctl_of(stranger))
    assert (plan(phone).status, plan(phone).ctl) == (0, "accepts-after-asking-tvs")
    phone.flash.servers = (serve(cluster).endpoint,)
    report = await boot(phone, source)
    assert report.outcome is BootOutcome.RUNNING
    assert report.ctl.vouched is not None
    assert report.ctl.vouched.voucher is Voucher.TVS
    assert report.ctl.vouched.roles == (0, 3)
    assert phone.flash.installed(ListKind.CTL) == fetched


@pytest.mark.parametrize("model", ["CP-7975", "CP-8861"])
async def test_call_manager_and_tvs_regenerated_together(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, plan: Plan, model: str
) -> None:
    """The phone knows neither the new signer nor the TVS that could vouch for it: both lists are refused."""
    phone = await booted(make_phone(model), cluster)
    old = cluster.state.ctl_file.read_bytes()
    cluster.regenerate(Purpose.TVS)
    said = plan(phone, "regen", "CallManager", phones="with-tvs" if model == "CP-8861" else "tls1.0")
    assert said.loses("changed-together", Refusal.TVS_UNTRUSTED)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    phone.flash.servers = (serve(cluster).endpoint,)
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert_kept(phone, report, old, Refusal.TVS_UNTRUSTED)
    assert report.itl.refusal is Refusal.TVS_UNTRUSTED


async def test_one_certificate_at_a_time_loses_no_phone(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, plan: Plan
) -> None:
    """CallManager first, the phone restarted in between, then TVS: both are taken."""
    first = serve(cluster)
    phone = await booted(make_phone("CP-8861", first.endpoint), cluster)
    assert plan(phone, "regen", "CallManager").status == 0
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    first.wait_for_new("CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified.")
    assert (await boot(phone, DirectorySource(cluster.state.tftp))).outcome is BootOutcome.RUNNING
    assert plan(phone, "regen", "TVS").status == 0
    cluster.regenerate(Purpose.TVS)
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert report.outcome is BootOutcome.RUNNING
    assert phone.flash.installed(ListKind.ITL) == cluster.state.itl_file.read_bytes()


async def test_a_phone_without_tvs_support(cluster: Cluster, make_phone: MakePhone, serve: Serve, plan: Plan) -> None:
    """A 7960 takes its first CTL on trust, loads no ITL, and never takes a list of another signer."""
    running = serve(cluster)
    phone = make_phone("CP-7960", running.endpoint)
    first = await boot(phone, DirectorySource(cluster.state.tftp))
    assert (first.ctl.outcome, first.itl.outcome) == (ListOutcome.UPDATED, ListOutcome.NOT_USED)
    assert first.messages[-1] == "CTL Installed"
    old = cluster.state.ctl_file.read_bytes()
    said = plan(phone, "regen", "CallManager", phones="without-tvs")
    assert said.loses("phones-without-tvs", Refusal.NO_TVS_SUPPORT)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert_kept(phone, report, old, Refusal.NO_TVS_SUPPORT)
    assert not any("Accepted TCP connection" in text for text in running.texts())


@pytest.mark.parametrize(
    ("damage", "refusal"),
    [
        (lambda data: data[: len(data) // 2], Refusal.DAMAGED),
        (lambda _: b"", Refusal.DAMAGED),
        (lambda _: b"<html>404</html>", Refusal.DAMAGED),
        (lambda data: data[:-1] + b"\x02", Refusal.BAD_SIGNATURE),
    ],
    ids=["cut", "empty", "something else", "one byte"],
)
async def test_a_damaged_file(
    cluster: Cluster,
    make_phone: MakePhone,
    put_ctl: PutCtl,
    plan: Plan,
    damage: Callable[[bytes], bytes],
    refusal: Refusal,
) -> None:
    """A file that is cut, empty, something else, or has one byte changed is refused before anybody is asked."""
    phone = await booted(make_phone(), cluster)
    old = cluster.state.ctl_file.read_bytes()
    source = put_ctl(damage(old))
    assert plan(phone).loses("list-damaged", refusal)
    assert_kept(phone, await boot(phone, source), old, refusal)


async def test_a_damaged_file_is_not_taken_as_the_first(
    cluster: Cluster, make_phone: MakePhone, put_ctl: PutCtl
) -> None:
    """'On trust' means whoever signed it, not whatever it is."""
    data = bytearray(cluster.state.ctl_file.read_bytes())
    data[-100] ^= 1
    phone = make_phone()
    report = await boot(phone, put_ctl(bytes(data)))
    assert report.ctl.refusal is Refusal.BAD_SIGNATURE
    assert phone.flash.installed(ListKind.CTL) is None


async def test_a_list_over_64_kb(
    cluster: Cluster, make_phone: MakePhone, stranger: KeyFileSigner, put_ctl: PutCtl, plan: Plan
) -> None:
    """A list of 70 nodes is a good list, and too large for every phone, also as its first."""
    phone = await booted(make_phone(), cluster)
    large = ctl_of(stranger, nodes=70)
    assert len(large) > PHONE_LIMIT
    old = cluster.state.ctl_file.read_bytes()
    source = put_ctl(large)
    assert plan(phone).loses("list-too-large", Refusal.TOO_LARGE)
    assert_kept(phone, await boot(phone, source), old, Refusal.TOO_LARGE)
    assert (await boot(make_phone(), source)).ctl.refusal is Refusal.TOO_LARGE


async def test_a_list_of_64_kb_is_loaded(
    make_phone: MakePhone, make_signer: Callable[..., KeyFileSigner], put_ctl: PutCtl
) -> None:
    """39 nodes fit, up to 65,536 bytes."""
    size = 1000
    left = PHONE_LIMIT - len(ctl_of(make_signer("CN=s", "01", 2048, size=size), nodes=39))
    data = ctl_of(make_signer("CN=s", "01", 2048, size=size + left // 40), nodes=39)
    assert PHONE_LIMIT - 40 < len(data) <= PHONE_LIMIT
    report = await boot(make_phone(), put_ctl(data))
    assert report.ctl.outcome is ListOutcome.UPDATED


async def test_a_tvs_certificate_that_is_not_in_the_itl(
    cluster: Cluster, other_cluster: Cluster, make_phone: MakePhone, serve: Serve, plan: Plan
) -> None:
    """A server that the ITL does not have is asked nothing; the next one of the configuration is."""
    strange = await booted(make_phone(), other_cluster)
    assert plan(strange, "regen", "CallManager").loses("tvs-not-in-itl", Refusal.TVS_UNTRUSTED)
    impostor, running = serve(other_cluster), serve(cluster)
    old = cluster.state.ctl_file.read_bytes()
    lost = await booted(make_phone("CP-8861", impostor.endpoint), cluster)
    saved = await booted(make_phone("CP-8861", impostor.endpoint, running.endpoint), cluster)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    running.wait_for_new("CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified.")
    report = await boot(lost, DirectorySource(cluster.state.tftp))
    assert_kept(lost, report, old, Refusal.TVS_UNTRUSTED)
    assert "is not in the installed ITL" in report.ctl.sentence
    report = await boot(saved, DirectorySource(cluster.state.tftp))
    assert report.outcome is BootOutcome.RUNNING
    assert report.ctl.vouched is not None
    assert report.ctl.vouched.server == running.endpoint
    assert not any("tvsHandleQueryCertReq" in text for text in impostor.texts())


async def test_a_7900_and_a_service_without_tls_1_0(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, plan: Plan
) -> None:
    """The service's profile refuses it: the phone shows the alert and keeps its list."""
    running = serve(cluster, "--tls-profile", "compatible")
    lines: list[str] = []
    phone = await booted(make_phone("CP-7975", running.endpoint, lines=lines), cluster)
    old = cluster.state.ctl_file.read_bytes()
    lines.clear()
    said = plan(phone, "regen", "CallManager", "--tls-profile", "compatible", phones="tls1.0")
    assert said.loses("tvs-tls-refused", Refusal.TVS_UNREACHABLE)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert_kept(phone, report, old, Refusal.TVS_UNREACHABLE)
    texts = [line.partition("SECD: ")[2] for line in lines[:6]]
    assert texts[0] == f"clpSetupSsl: Trying to connect to IPV4, IP: 127.0.0.1, Port : {running.endpoint.port}"
    assert texts[1].startswith("clpSetupSsl: TCP connected, <127.0.0.1> c:")
    assert texts[2].startswith("clpSetupSsl: start SSL/TLS handshake, <127.0.0.1> c:")
    assert texts[3] == "EROR:clpState: SSL3 alert read:fatal:protocol version:<127.0.0.1>"
    assert texts[4].startswith("EROR:clpSetupSsl: ** SSL handshake failed, <127.0.0.1> c:")
    assert texts[5] == "EROR:clpSndStatus: SSL CLNT ERR, srvr<127.0.0.1>"
    assert [line.split()[1] for line in lines[:6]] == ["NOT", "NOT", "NOT", "ERR", "ERR", "ERR"]


async def test_a_digest_that_a_7900_does_not_know(cluster: Cluster, make_phone: MakePhone, plan: Plan) -> None:
    """SHA-512 is good for an 8861 and nothing that a 7975 can verify."""
    phone = await booted(make_phone("CP-7975"), cluster)
    old = cluster.state.ctl_file.read_bytes()
    said = plan(phone, "update", "--digest", "sha512", phones="tls1.0")
    assert said.loses("digest-unknown", Refusal.DIGEST)
    cluster.update_ctl("sha512")
    source = DirectorySource(cluster.state.tftp)
    assert_kept(phone, await boot(phone, source), old, Refusal.DIGEST)
    assert (await boot(make_phone("CP-8861"), source)).ctl.outcome is ListOutcome.UPDATED


async def test_an_installed_signer_with_another_key(
    cluster: Cluster,
    make_phone: MakePhone,
    make_signer: Callable[..., KeyFileSigner],
    serve: Serve,
    put_ctl: PutCtl,
    plan: Plan,
) -> None:
    """A forger can copy a name and a serial number, but neither the installed list nor TVS has the key."""
    old, own = cluster.state.ctl_file.read_bytes(), cluster.own(Purpose.CallManager)
    phone = await booted(make_phone("CP-8861"), cluster)
    source = put_ctl(ctl_of(make_signer(own.subject_name, own.serial_number.hex(), 2048)))
    assert plan(phone).loses("signer-different", Refusal.WRONG_CERTIFICATE)
    phone.flash.servers = (serve(cluster).endpoint,)
    assert_kept(phone, await boot(phone, source), old, Refusal.WRONG_CERTIFICATE)


async def test_a_phone_without_servers(cluster: Cluster, make_phone: MakePhone) -> None:
    """Where the configuration names no TVS server, an unknown signer is refused at once."""
    phone = await booted(make_phone(), cluster)
    old = cluster.state.ctl_file.read_bytes()
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert_kept(phone, report, old, Refusal.NO_TVS_SERVER)


async def test_a_list_without_tvs_records(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, stranger: KeyFileSigner, put_ctl: PutCtl, tmp_path: Path
) -> None:
    """Without an ITL, the phone cannot tell a TVS server from an impostor, and asks none."""
    running = serve(cluster)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "CTLFile.tlv").write_bytes(cluster.state.ctl_file.read_bytes())
    phone = make_phone("CP-8861", running.endpoint)
    assert (await boot(phone, DirectorySource(alone))).messages[-1] == "CTL Installed"
    (alone / "CTLFile.tlv").write_bytes(ctl_of(stranger))
    report = await boot(phone, DirectorySource(alone))
    assert_kept(phone, report, cluster.state.ctl_file.read_bytes(), Refusal.NO_TVS_RECORD)
    assert not any("Accepted TCP connection" in text for text in running.texts())


def test_the_command_says_so(
    cluster: Cluster,
    dead_server: Endpoint,
    run: Run,
    tmp_path: Path,
) -> None:
    """Exit 0 for the first boot, 1 for a refused list, 3 where nothing can be fetched; the flash keeps the old list."""
    flash, source = tmp_path / "phone", cluster.state.tftp
    device = ("--mac", "001122334455", "--model", "8861", "--state", flash)
    assert run("phone", "boot", *device, "--from", source, "--tvs", dead_server).returncode == 0
    old = (flash / "CTLFile.tlv").read_bytes()
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    refused = run("phone", "boot", "--state", flash, "--from", source)
    assert refused.returncode == 1
    assert "Trust List update failed" in refused.stdout
    assert str(dead_server) in refused.stdout
    assert (flash / "CTLFile.tlv").read_bytes() == old == cluster.state.ctl_file.with_name("CTLFile.tlv.1").read_bytes()
    nothing = run("phone", "boot", "--state", flash, "--from", tmp_path / "nowhere")
    assert nothing.returncode == 3
    assert "is not a directory" in nothing.stdout
    assert "CTL and ITL installed" in nothing.stdout
