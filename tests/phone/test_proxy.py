"""The TVS proxy: one connection and one cache for a phone's applications, and the order of the servers."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.x509 import load_der_x509_certificate

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from tests.fixtures.running import wait_until
from tvs.config.endpoint import Endpoint
from tvs.phone import DirectorySource, ListKind, TVSUnavailable
from tvs.phone.boot import boot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from certstore.certificate import Certificate
    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running
    from tvs.phone import Phone, TVSProxy
    from tvs.phone.proxy import ProxyAnswer

    MakePhone = Callable[..., Phone]
    Serve = Callable[..., Running]
    FreePort = Callable[[int], int]


async def booted(phone: Phone, cluster: Cluster) -> Phone:
    """The phone with the cluster's lists."""
    await boot(phone, DirectorySource(cluster.state.tftp))
    return phone


async def signer_of_ctl(proxy: TVSProxy, cluster: Cluster) -> ProxyAnswer:
    """Asks for the CTL's signer."""
    header = parse_trust_list(cluster.state.ctl_file.read_bytes()).header
    return await proxy.query(subject=header.signer_name, issuer=header.ca_name, serial=header.serial_number)


def counted(running: Running, requests: int) -> tuple[int, int]:
    """Numbers of connections and requests in the service's log, once it has this many requests."""

    def seen(start: str) -> int:
        return sum(text.startswith(start) for text in running.texts())

    wait_until(lambda: seen("Sending TLS Msg") >= requests, f"{requests} requests in the log")
    return seen("Accepted TCP connection"), seen("Sending TLS Msg")


async def test_applications_share_one_connection(cluster: Cluster, make_phone: MakePhone, serve: Serve) -> None:
    """Concurrent requests of several applications share one connection, in sequence."""
    running = serve(cluster)
    phone = await booted(make_phone("CP-8861", running.endpoint), cluster)
    units = (Purpose.CallManager, Purpose.TVS, Purpose.CAPF, Purpose.ITLRecovery)

    async def application(certificate: Certificate) -> bool:
        async with phone.tvs() as proxy:
            return (await proxy.verify(certificate)).trusted

    asked = [application(cluster.own(unit)) for unit in units]
    assert await asyncio.gather(*asked) == [True] * len(units)
    assert counted(running, len(units)) == (1, len(units))


async def test_one_question_is_asked_once(cluster: Cluster, make_phone: MakePhone, serve: Serve) -> None:
    """Of concurrent applications with one question, one asks the server and the others get the cached answer."""
    running = serve(cluster)
    phone = await booted(make_phone("CP-8861", running.endpoint), cluster)
    async with phone.tvs() as proxy:
        answers = await asyncio.gather(*(signer_of_ctl(proxy, cluster) for _ in range(5)))
    assert [answer.cached for answer in answers] == [False, True, True, True, True]
    assert {(answer.trusted, answer.roles) for answer in answers} == {(True, (0, 2))}
    assert {answer.certificate for answer in answers} == {cluster.own(Purpose.CallManager).der}
    assert counted(running, 1) == (1, 1)


async def test_an_answer_is_kept_for_its_time_to_live(cluster: Cluster, make_phone: MakePhone, serve: Serve) -> None:
    """86,399 s later the cache answers; 86,401 s later the server is asked again."""
    now = 1_000_000.0
    running = serve(cluster)
    phone = await booted(make_phone("CP-8861", running.endpoint, clock=lambda: now), cluster)
    cached = []
    for elapsed in (0, 86_399, 86_401, 86_402):
        now = 1_000_000.0 + elapsed
        async with phone.tvs() as proxy:
            cached.append((await signer_of_ctl(proxy, cluster)).cached)
    assert cached == [False, True, False, True]
    assert counted(running, 2) == (2, 2)


async def test_not_trusted_is_not_cached(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, make_signer: Callable[..., KeyFileSigner]
) -> None:
    """TVS may know a signer a minute after it did not."""
    running = serve(cluster)
    phone = await booted(make_phone("CP-8861", running.endpoint), cluster)
    name, serial = "CN=later;O=Cisco", bytes.fromhex("7A7A")
    async with phone.tvs() as proxy:
        assert not (await proxy.query(subject=name, issuer=name, serial=serial)).trusted
    later = make_signer("CN=later;O=Cisco", "7A7A", 1024)
    cluster.import_trust(Purpose.Phone_SAST_trust, later.certificate)
    answer = None
    for _ in range(200):
        async with phone.tvs() as proxy:
            answer = await proxy.query(subject=name, issuer=name, serial=serial)
        if answer.trusted:
            break
        await asyncio.sleep(0.05)
    assert answer is not None
    assert (answer.trusted, answer.certificate, answer.roles) == (True, later.certificate, (0, 3))


async def test_a_connection_that_the_server_closed_is_opened_again(
    cluster: Cluster, make_phone: MakePhone, serve: Serve
) -> None:
    """The service closes idle connections; the next question reconnects."""
    running = serve(cluster, "--request-timeout", "0.2")
    phone = await booted(make_phone("CP-8861", running.endpoint), cluster)
    async with phone.tvs() as proxy:
        assert (await proxy.verify(cluster.own(Purpose.TVS))).trusted
        await asyncio.sleep(0.6)  # longer than the service waits; what follows does not depend on it
        assert (await proxy.verify(cluster.own(Purpose.CAPF))).trusted
        assert proxy.connections == 2
    assert counted(running, 2) == (2, 2)


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[Endpoint]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Endpoint("127.0.0.1", listener.getsockname()[1])


@pytest.mark.parametrize("model", ["CP-7975", "CP-8861"])
async def test_the_next_server_when_one_does_not_answer_in_time(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, dead_server: Endpoint, model: str
) -> None:
    """The first hangs, the second is down, the third answers: they are tried in this order."""
    running = serve(cluster)
    lines: list[str] = []
    async with silent_server() as hanging:
        phone = make_phone(model, hanging, dead_server, running.endpoint, lines=lines, timeout=0.5)
        await booted(phone, cluster)
        async with phone.tvs() as proxy:
            answer = await signer_of_ctl(proxy, cluster)
        assert answer.server == running.endpoint
        assert proxy.connections == 3
    if model == "CP-7975":
        tried = [int(found[1]) for line in lines if (found := re.search(r"connect to IPV4, .* Port : (\d+)", line))]
        assert tried == [hanging.port, dead_server.port, running.endpoint.port]


@pytest.mark.parametrize("model", ["CP-7975", "CP-8861"])
async def test_five_members_of_the_configuration_are_asked_by_priority(
    cluster: Cluster, other_cluster: Cluster, make_phone: MakePhone, serve: Serve, free_port: FreePort, model: str
) -> None:
    """Priority 0 to 4, whatever the order in the file: three are down, one is an impostor, the last one answers."""
    running, impostor = serve(cluster), serve(other_cluster)
    ports = [free_port(socket.SOCK_STREAM), impostor.endpoint.port, free_port(socket.SOCK_STREAM)]
    ports += [free_port(socket.SOCK_STREAM), running.endpoint.port]
    members = "".join(
        f'<member priority="{priority}"><port>{ports[priority]}</port><address>127.0.0.1</address></member>'
        for priority in (3, 0, 4, 2, 1)
    )
    path = cluster.state.tftp / "SEP001DA23B4C5D.cnf.xml"
    path.write_text(f"<device><devicePool/><TVS><members>{members}</members></TVS></device>")
    lines: list[str] = []
    phone = await booted(make_phone(model, lines=lines), cluster)
    assert [server.port for server in phone.flash.servers] == ports
    async with phone.tvs() as proxy:
        answer = await signer_of_ctl(proxy, cluster)
    assert (answer.trusted, answer.server, proxy.connections) == (True, running.endpoint, 5)
    if model == "CP-7975":
        tried = [int(found[1]) for line in lines if (found := re.search(r"connect to IPV4, .* Port : (\d+)", line))]
        assert tried == ports
    else:
        assert sum("Attempting connect to TVS server addr" in line for line in lines) == 5


async def test_the_failure_of_each_server_is_reported(
    cluster: Cluster, other_cluster: Cluster, make_phone: MakePhone, serve: Serve, dead_server: Endpoint
) -> None:
    """If no server answers, the error names each server and its reason."""
    impostor = serve(other_cluster)
    phone = await booted(make_phone("CP-8861", dead_server, impostor.endpoint, timeout=5), cluster)
    async with phone.tvs() as proxy:
        with pytest.raises(TVSUnavailable) as caught:
            await signer_of_ctl(proxy, cluster)
    first, second = map(str, caught.value.failures)
    assert first.startswith(f"{dead_server} does not accept the connection")
    assert "is not in the installed ITL" in second
    assert caught.value.untrusted


async def test_the_phones_own_certificate_is_presented(
    cluster: Cluster, make_phone: MakePhone, serve: Serve, make_signer: Callable[..., KeyFileSigner], tmp_path: Path
) -> None:
    """A service that requires an LSC answers the phone that has one, and not the phone that has none."""
    lsc = make_signer("CN=SEP001DA23B4C5D;O=Cisco", "15C1", 2048)
    authority = tmp_path / "capf.pem"
    authority.write_text(DER_cert_to_PEM_cert(lsc.certificate))
    running = serve(cluster, "--client-certificates", "require", "--client-ca", str(authority))
    phone = await booted(make_phone("CP-8861", running.endpoint), cluster)
    async with phone.tvs() as proxy:
        with pytest.raises(TVSUnavailable):
            await signer_of_ctl(proxy, cluster)
    phone.flash.lsc = (load_der_x509_certificate(lsc.certificate), lsc._key)
    async with phone.tvs() as proxy:
        assert (await signer_of_ctl(proxy, cluster)).trusted


async def test_a_restart_flushes_the_cache_with_a_new_list(
    cluster: Cluster, make_phone: MakePhone, serve: Serve
) -> None:
    """Answers from before an update are flushed; a restart without a new list keeps them."""
    running = serve(cluster)
    phone = await booted(make_phone("CP-8861", running.endpoint), cluster)
    async with phone.tvs() as proxy:
        await signer_of_ctl(proxy, cluster)
    await booted(phone, cluster)
    assert phone.flash.answers is not None
    assert len(phone.flash.answers) == 1
    cluster.update_ctl()
    await booted(phone, cluster)
    assert phone.flash.installed(ListKind.CTL) == cluster.state.ctl_file.read_bytes()
    assert phone.flash.answers is None
