"""Phones by the hundred and by the thousand, in one process, against real services."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.cluster import Cluster
from tvs.manage.provision import NewCluster, initialise
from tvs.phone import BootOutcome, DirectorySource, ListKind, Phone, Voucher, find_model
from tvs.phone.boot import boot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.running import Running
    from tvs.config.endpoint import Endpoint
    from tvs.phone import BootReport

    Serve = Callable[..., Running]

PATIENT = (
    *("--handshake-timeout", "120", "--request-timeout", "120", "--connection-timeout", "300"),
    *("--max-half-open", "3000"),
)
"""Options of a service that waits for the phones of a busy machine: 2,000, all from one address, may begin at once."""
MODELS = ("CP-8861", "CP-7975", "CP-8841", "CP-7841")


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Raises the limit of open files to the maximum: each phone that asks needs one."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def phones(number: int, *servers: Endpoint) -> list[Phone]:
    """This number of phones, of several models."""
    made = [Phone(f"{n:012X}", find_model(MODELS[n % len(MODELS)]), timeout=120) for n in range(number)]
    for phone in made:
        phone.flash.servers = servers
    return made


async def boot_all(fleet: list[Phone], source: DirectorySource) -> list[BootReport]:
    """Boots all phones at once."""
    return await asyncio.gather(*(boot(phone, source) for phone in fleet))


async def boot_later(fleet: list[Phone], source: DirectorySource, event: asyncio.Event) -> list[BootReport]:
    """Boots all phones at once, after an event."""
    await event.wait()
    return await boot_all(fleet, source)


@pytest.fixture
def subscriber(cluster: Cluster, tmp_path: Path) -> Cluster:
    """A second node: its TVS certificate is its own, and in the cluster's ITL."""
    node = Cluster(initialise(tmp_path / "subscriber", NewCluster(name="cucm-1051-a-sub1", address="127.0.0.1")))
    path = tmp_path / "subscriber.der"
    path.write_bytes(node.own(Purpose.TVS).der)
    cluster.command("set", "node", "add", "cucm-1051-a-sub1", "--address", "127.0.0.2", "--tvs", path)
    return node


async def test_a_server_killed_in_the_middle_of_a_storm(cluster: Cluster, subscriber: Cluster, serve: Serve) -> None:
    """500 phones ask for a new signer, the first server dies: every phone ends with the new list.

    300 boot at once and 200 when the server has died, so that both servers have phones to answer however fast they are.
    """
    first, second = serve(cluster, *PATIENT), serve(subscriber, *PATIENT)
    fleet = phones(500, first.endpoint, second.endpoint)
    source = DirectorySource(cluster.state.tftp)
    assert {report.outcome for report in await boot_all(fleet, source)} == {BootOutcome.RUNNING}
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    first.wait_for_new("CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified.")
    subscriber.state.ctl_file.write_bytes(cluster.state.ctl_file.read_bytes())  # CTL files go to every node
    second.wait_for_new(f"Unique Key used for Caching :: {cluster.own(Purpose.CallManager).unique_map_id}")

    died = asyncio.Event()
    early = asyncio.create_task(boot_all(fleet[:300], source))
    storm = asyncio.gather(early, boot_later(fleet[300:], source, died))
    new = cluster.state.ctl_file.read_bytes()
    while sum(phone.flash.installed(ListKind.CTL) == new for phone in fleet) < 50:
        await asyncio.sleep(0.001)
        assert not early.done()
    first.kill()
    died.set()
    reports = [report for wave in await storm for report in wave]

    assert {report.outcome for report in reports} == {BootOutcome.RUNNING}
    assert {phone.flash.installed(ListKind.CTL) for phone in fleet} == {new}
    servers = [report.ctl.vouched.server for report in reports if report.ctl.vouched is not None]
    assert set(servers) == {first.endpoint, second.endpoint}
    assert len(servers) == 500


async def test_two_thousand_phones_boot_at_once(cluster: Cluster, serve: Serve) -> None:
    """Each asks TVS for the new signer on a connection of its own, and installs the list."""
    fleet = phones(2000)
    source = DirectorySource(cluster.state.tftp)
    await boot_all(fleet, source)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    running = serve(cluster, *PATIENT, "--log-level", "warning")
    for phone in fleet:
        phone.flash.servers = (running.endpoint,)
    reports = await boot_all(fleet, source)
    assert {report.outcome for report in reports} == {BootOutcome.RUNNING}
    assert {report.ctl.vouched.voucher for report in reports if report.ctl.vouched} == {Voucher.TVS}
    assert {phone.flash.installed(ListKind.CTL) for phone in fleet} == {cluster.state.ctl_file.read_bytes()}
    assert {phone.flash.installed(ListKind.ITL) for phone in fleet} == {cluster.state.itl_file.read_bytes()}
