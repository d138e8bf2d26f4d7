"""The container image in podman: its first start, health, a phone, reload, stop."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deploy.images import IMAGE, USER
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deploy.images import Container, Images

NAMED = ("--env=INIT_NAME=pub.example.com", "--env=INIT_ADDRESS=192.0.2.10")

MADE = "Made /var/lib/tvs for pub.example.com"
"""Said by `tvs init`."""


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An empty directory for the state, as a volume is at first."""
    tmp_path.chmod(0o755)
    path = tmp_path / "state"
    path.mkdir()
    os.chown(path, USER, USER)
    return path


@contextlib.contextmanager
def running(images: Images, volume: Path, *options: str) -> Iterator[Container]:
    """A container of the service on a volume that is ready."""
    with images.container(options=[*NAMED, f"--volume={volume}:/var/lib/tvs", *options]) as container:
        container.wait_until_ready()
        yield container


def test_life(images: Images, volume: Path) -> None:
    """The first start makes keys and lists, phones are answered, a reload takes new settings in the same process, a
    stop is clean, and another container goes on with the same keys."""
    with running(images, volume) as container:
        assert container.healthy()
        assert MADE in container.log()
        assert container.answered(volume / "tftp")
        main = container.main
        (volume / "tvs.toml").write_text('log_level = "debug"\n')
        container.signal("HUP")
        container.wait_for_line("info reloaded")
        assert container.answered(volume / "tftp")
        container.wait_for_line("tvsHandleQueryCertReq")
        assert (container.main, container.healthy()) == (main, True)
        container.signal("TERM")
        assert container.wait() == 0
        container.wait_for_line("stopped")
    lists = (volume / "tftp" / "ITLFile.tlv").read_bytes()
    with running(images, volume) as container:
        assert container.answered(volume / "tftp")
        assert MADE not in container.log()
    assert (volume / "tftp" / "ITLFile.tlv").read_bytes() == lists
    owners = {path.stat().st_uid for path in volume.rglob("*")} - {0}  # root's tvs.toml
    assert owners == {USER}


def test_rights(images: Images, volume: Path) -> None:
    """Every process is the image's user, without a capability, and can write to the volume alone."""
    with running(images, volume) as container:
        processes = container.processes()
        assert len(processes) >= 4  # supervisor, a worker or more, admin process, observer
        for process in processes:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
            fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            assert set(fields["Uid"].split() + fields["Gid"].split()) == {str(USER)}
            assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
            assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
        for place in ("/opt/tvs/x", "/x", "/etc/x"):
            assert "cannot touch" in container.exec("touch", place, status=1)
        container.exec("touch", "/var/lib/tvs/x")


def test_a_volume_of_podman(images: Images) -> None:
    """A new volume belongs to the service's user; the check of monitoring systems succeeds in the container."""
    with images.container(options=NAMED) as container:
        container.wait_until_ready()
        assert container.exec("tvs", "check").startswith("TVS OK")


def test_a_file_system_of_its_own(images: Images, volume: Path) -> None:
    """A volume as Kubernetes has it, of root and the service's group, with what `mkfs` made: the state goes into a
    directory of it; straight into it is refused, and nothing of it is changed."""
    os.chown(volume, 0, USER)
    volume.chmod(0o2775)
    (volume / "lost+found").mkdir(0o700)
    with images.container(options=[*NAMED, f"--volume={volume}:/var/lib/tvs"]) as container:
        assert container.wait() == 1
        assert "exists and is not empty" in container.log()
    assert [path.name for path in volume.iterdir()] == ["lost+found"]
    with running(images, volume, "--env=TVS_STATE=/var/lib/tvs/state") as container:
        assert container.answered(volume / "state" / "tftp")
        assert "key_exposed" not in container.log()


def test_health_can_fail(images: Images, volume: Path) -> None:
    """A service that hangs is unhealthy, and healthy again when it goes on."""
    with running(images, volume) as container:
        main = container.main
        os.kill(main, signal.SIGSTOP)
        try:
            wait_until(lambda: not container.healthy(), "it is unhealthy")
        finally:
            os.kill(main, signal.SIGCONT)
        wait_until(container.healthy, "it is healthy again")
        assert container.main == main


def test_without_a_name(images: Images) -> None:
    """An empty volume without a name for the cluster ends the start, which says what to set."""
    with images.container() as container:
        assert container.wait() == 1
        assert "set INIT_NAME and INIT_ADDRESS" in container.log()


def test_a_wrong_name(images: Images) -> None:
    """A name that cannot be one ends the start, and leaves the volume empty for the next one."""
    with images.container(options=["--env=INIT_NAME=a b"]) as container:
        assert container.wait() == 2
        assert "'a b'" in container.log()


def test_other_commands(images: Images) -> None:
    """The container's arguments are a command of tvs, which makes no state directory."""
    told = images.run("podman", "run", "--rm", "--network=none", *NAMED, IMAGE, "--version")
    assert told.startswith("tvs ")
    told = images.run("podman", "run", "--rm", "--network=none", *NAMED, IMAGE, "show", "ctl", status=1)
    assert "tvs init" in told
