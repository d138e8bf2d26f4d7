"""A running service whose CTL file is deleted by an administrator, or vanishes."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from proto.messages import TrustStatus
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Workers = Callable[[Running], list[int]]
    Command = Callable[..., subprocess.CompletedProcess[str]]

ASKED = 8
"""Connections of one question: enough that both workers get some."""


async def trusted(service: Running, certificate: bytes) -> set[TrustStatus]:
    """The answers of all workers about a certificate."""

    async def ask() -> TrustStatus:
        async with service.client() as phone:
            return (await phone.verify(device="CP-8861-SEPB000B4BA0AEE", certificate=certificate)).status

    return set(await asyncio.gather(*(ask() for _ in range(ASKED))))


def kill_and_wait(service: Running, workers: Workers) -> None:
    """Kills the workers, and waits for others in their places."""
    before = workers(service)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not {0, *before} & set(workers(service)), "new workers")


@pytest.fixture
def delete_ctl(tvs: Command, state: StateDirectory) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Deletes the CTL file with the command; phones would be lost, which is not the matter here."""
    return lambda: tvs("file", "delete", "tftp", "CTLFile.tlv", "-y", "--force", "--state", state.path)


async def test_a_deleted_list_is_out_of_use(
    serve: Serve,
    state: StateDirectory,
    probe: Probe,
    scrape: Scrape,
    workers: Workers,
    tvs: Command,
    delete_ctl: Callable[[], subprocess.CompletedProcess[str]],
    with_tokens: bytes,
    publisher: KeyFileSigner,
) -> None:
    """After the command no worker vouches for the list, nor one that replaces it, nor the service after a restart.

    The service stays ready; a new CTL file ends the deletion, so that a loss afterwards is an accident.
    """
    state.ctl_file.write_bytes(with_tokens)
    service = serve("--workers", "2")
    assert await trusted(service, publisher.certificate) == {TrustStatus.TRUSTED}
    assert delete_ctl().returncode == 0
    wait_until(lambda: sum("ctl_deleted" in line for line in service.lines()) == 2, "both caches are empty")
    wait_until(lambda: probe(service, "/readyz")[1]["ctl"]["certificates"] == 0, "the status says so")
    assert await trusted(service, publisher.certificate) == {TrustStatus.NOT_TRUSTED}
    deleted = [line for line in service.lines() if "ctl_deleted" in line]
    assert len(deleted) == 2, "a line of each worker"
    assert all("| info" in line for line in deleted)
    assert scrape(service)['tvs_ctl_reloads_total{result="deleted"}'] == 2
    assert scrape(service)["tvs_ctl_signature_valid"] == 1, "rightly absent is not a failure"
    kill_and_wait(service, workers)
    assert await trusted(service, publisher.certificate) == {TrustStatus.NOT_TRUSTED}
    status, document = probe(service, "/readyz")
    assert (status, document["ctl"]["state"], document["ctl"]["certificates"]) == (200, "deleted", 0)
    assert service.stop() == 0
    again = serve("--workers", "2")
    status, document = probe(again, "/readyz")
    assert (status, document["ctl"]["state"]) == (200, "deleted")
    assert tvs("utils", "ctl", "update", "CTLFile", "-y", "--force", "--state", state.path).returncode == 0
    wait_until(lambda: probe(again, "/readyz")[1]["ctl"]["state"] == "ok", "the new list is in use")
    state.ctl_file.unlink()
    wait_until(lambda: probe(again, "/readyz")[1]["ctl"]["state"] == "missing", "the loss is noticed")
    assert probe(again, "/readyz")[1]["ctl"]["certificates"] > 0


async def test_a_list_that_vanished_is_still_in_use(
    serve: Serve,
    state: StateDirectory,
    probe: Probe,
    workers: Workers,
    delete_ctl: Callable[[], subprocess.CompletedProcess[str]],
    with_tokens: bytes,
    publisher: KeyFileSigner,
) -> None:
    """After an accident workers vouch for the last good list, also new ones, until the command says it is deleted."""
    state.ctl_file.write_bytes(with_tokens)
    service = serve("--workers", "2")
    state.ctl_file.unlink()
    wait_until(lambda: probe(service, "/readyz")[1]["ctl"]["state"] == "missing", "the loss is noticed")
    kill_and_wait(service, workers)
    assert await trusted(service, publisher.certificate) == {TrustStatus.TRUSTED}
    done = delete_ctl()
    assert (done.returncode, "found = 0, deleted = 0" in done.stdout) == (1, True)
    wait_until(lambda: sum("ctl_deleted" in line for line in service.lines()) == 2, "both caches are empty")
    wait_until(lambda: probe(service, "/readyz")[1]["ctl"]["certificates"] == 0, "the status says so")
    assert await trusted(service, publisher.certificate) == {TrustStatus.NOT_TRUSTED}


async def test_a_list_that_is_watched_elsewhere(
    serve: Serve,
    state: StateDirectory,
    probe: Probe,
    workers: Workers,
    delete_ctl: Callable[[], subprocess.CompletedProcess[str]],
    with_tokens: bytes,
    regenerated: bytes,
    publisher: KeyFileSigner,
    tmp_path: Path,
) -> None:
    """A watched copy elsewhere goes out of use with the deleted list; of another list there the command warns."""
    copy = tmp_path / "CTLFile.tlv"
    (state.path / "tvs.toml").write_text(f'ctl_file = "{copy}"\n')
    for path in (state.ctl_file, copy):
        path.write_bytes(with_tokens)
    service = serve("--workers", "2")
    assert await trusted(service, publisher.certificate) == {TrustStatus.TRUSTED}
    assert str(copy) not in delete_ctl().stderr
    wait_until(lambda: probe(service, "/readyz")[1]["ctl"]["certificates"] == 0, "both caches are empty")
    kill_and_wait(service, workers)
    assert await trusted(service, publisher.certificate) == {TrustStatus.NOT_TRUSTED}
    copy.write_bytes(regenerated)
    wait_until(lambda: probe(service, "/readyz")[1]["ctl"]["certificates"] > 0, "the other list is in use")
    assert f"TVS watches {copy}, another list" in delete_ctl().stderr
    assert probe(service, "/readyz")[1]["ctl"]["certificates"] > 0
