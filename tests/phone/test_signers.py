"""Refused signers: each phone keeps the old list and says so on its screen."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.refusals import assert_kept, booted, ctl_of
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
    from tests.fixtures.refusals import Said
    from tests.fixtures.running import Running
    from tvs.phone import Phone

    MakePhone = Callable[..., Phone]
    Serve = Callable[..., Running]
    PutCtl = Callable[[bytes], DirectorySource]
    Plan = Callable[..., Said]
    Run = Callable[..., subprocess.CompletedProcess[str]]


async def test_no_tvs_server_answers(
    cluster: Cluster, make_phone: MakePhone, free_port: Callable[[int], int], plan: Plan
) -> None:
    """Every server is tried, in the order of the configuration; then the old list is kept.

    The plan says that phones will ask TVS; it cannot know beforehand whether the port is open.
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


async def test_a_tvs_certificate_that_is_not_in_the_itl(
    cluster: Cluster, other_cluster: Cluster, make_phone: MakePhone, serve: Serve, plan: Plan
) -> None:
    """A server that is not in the ITL is not asked; the next one of the configuration is."""
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
    texts = [line.partition("SECD: ")[2] for line in lines[:9]]
    assert texts[0] == f"clpSetupSsl: Trying to connect to IPV4, IP: 127.0.0.1, Port : {running.endpoint.port}"
    assert texts[1].startswith("clpSetupSsl: TCP connected, <127.0.0.1> c:")
    assert texts[2].startswith("clpSetupSsl: start SSL/TLS handshake, <127.0.0.1> c:")
    assert texts[3] == "EROR:clpState: SSL3 alert read:fatal:protocol version:<127.0.0.1>"
    assert texts[4] == "EROR:clpState: SSL_connect:failed in SSLv3 read server hello A:<127.0.0.1>"
    assert texts[5].startswith("EROR:clpSetupSsl: ** SSL handshake failed, <127.0.0.1> c:")
    assert texts[6].startswith("EROR:clpSetupSsl: SSL/TLS handshake failed, <127.0.0.1> c:")
    assert texts[7].startswith("EROR:clpSetupSsl: SSL/TLS setup failed, <127.0.0.1> c:")
    assert texts[8] == "EROR:clpSndStatus: SSL CLNT ERR, srvr<127.0.0.1>"
    assert [line.split()[1] for line in lines[:9]] == ["NOT"] * 3 + ["ERR"] * 6


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
    """Without a TVS server in the configuration, an unknown signer is refused at once."""
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
    """Exit 0 for the first boot, 1 for a refused list, 3 if nothing can be fetched; the flash keeps the old list."""
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
