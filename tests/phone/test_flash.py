"""The flash: state across restarts, damage, and one command at a time."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING

import pytest

from tvs.config.endpoint import Endpoint
from tvs.phone import (
    DirectorySource,
    FlashDirectory,
    FlashError,
    ListKind,
    Phone,
    find_model,
)
from tvs.phone.boot import boot
from tvs.phone.lock import lock_flash

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.cluster import Cluster

    Run = Callable[..., subprocess.CompletedProcess[str]]

DEVICE = "CP-8861-SEP001122334455"


async def booted_directory(path: Path, cluster: Cluster) -> FlashDirectory:
    """The flash of a phone that has booted."""
    flash = FlashDirectory(path, DEVICE)
    phone = Phone("001122334455", find_model("8861"), flash=flash)
    phone.flash.servers = (Endpoint("192.0.2.1", 2445), Endpoint("2001:db8::1", 2445))
    await boot(phone, DirectorySource(cluster.state.tftp))
    return flash


async def test_everything_outlives_a_restart(cluster: Cluster, tmp_path: Path) -> None:
    """Lists, servers, messages and the device name are restored; only the owner can read the files."""
    path = tmp_path / "deep" / "phone"
    before = await booted_directory(path, cluster)
    after = FlashDirectory(path)
    assert after.device == DEVICE
    assert [after.installed(kind) for kind in ListKind] == [before.installed(kind) for kind in ListKind]
    assert after.servers == before.servers
    assert after.messages == before.messages
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["phone.json", "tvs-cache.json"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"null", b'[{"serial": "zz"}]', b"[" * 100_000, b"\xff"])
async def test_a_damaged_flash_is_reported(cluster: Cluster, tmp_path: Path, name: str, damage: bytes) -> None:
    """The error names the file and what to do, and nothing is changed. Empty values are accepted."""
    path = tmp_path / "phone"
    await booted_directory(path, cluster)
    (path / name).write_bytes(damage)
    if (name, damage) in (("tvs-cache.json", b"[]"), ("phone.json", b"{}")):
        FlashDirectory(path, DEVICE)
        return
    with pytest.raises(FlashError, match=rf"{name}: is damaged .* remove it"):
        FlashDirectory(path, DEVICE)
    assert (path / name).read_bytes() == damage


async def test_a_flash_belongs_to_one_phone(cluster: Cluster, tmp_path: Path) -> None:
    """Another device, a service's state directory and a directory without a phone are refused."""
    await booted_directory(tmp_path / "phone", cluster)
    with pytest.raises(FlashError, match="belongs to CP-8861-SEP001122334455, not to CP-7975"):
        FlashDirectory(tmp_path / "phone", "CP-7975-SEP001122334455")
    with pytest.raises(FlashError, match="is a service's state directory"):
        FlashDirectory(cluster.state.path, DEVICE)
    cluster.state.database.unlink()  # as if its database were elsewhere
    with pytest.raises(FlashError, match="is a service's state directory"):
        FlashDirectory(cluster.state.path, DEVICE)
    with pytest.raises(FlashError, match="is not a phone's directory yet: the first tvs phone boot needs --mac and"):
        FlashDirectory(tmp_path / "empty")


async def test_one_command_at_a_time_runs_a_phone(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    """A second command is refused; afterwards the flash is free again."""
    path = tmp_path / "phone"
    await booted_directory(path, cluster)
    boot = ("phone", "boot", "--state", path, "--from", cluster.state.tftp)
    with lock_flash(path, make=False):
        busy = run(*boot)
        assert (busy.returncode, "is busy: another command is running it" in busy.stderr) == (1, True)
    assert (await asyncio.to_thread(run, *boot)).returncode == 0


async def test_a_full_disk_leaves_the_old_list(cluster: Cluster, tmp_path: Path) -> None:
    """A list that cannot be written is not installed; the flash stays unchanged."""
    flash = await booted_directory(tmp_path / "phone", cluster)
    old = flash.installed(ListKind.CTL)
    (tmp_path / "phone" / "CTLFile.tlv").unlink()
    (tmp_path / "phone" / "CTLFile.tlv").mkdir()  # nothing can take its place
    cluster.update_ctl()
    phone = Phone("001122334455", find_model("8861"), flash=flash)
    with pytest.raises(FlashError, match=r"CTLFile\.tlv: cannot be written"):
        await boot(phone, DirectorySource(cluster.state.tftp))
    assert flash.installed(ListKind.CTL) == old
