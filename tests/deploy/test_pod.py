"""The containers of the Kubernetes manifest, run with podman as the manifest says: its commands, variables, volumes and
rights. What Kubernetes itself does (scheduling, Services, policies) is not run.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.images import IMAGE, USER
from tests.deploy.manifests import objects
from tests.fixtures.running import run_tvs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.deploy.images import Images


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    """The specification of the service's pods."""
    found: dict[str, Any] = objects()["deployment/tvs"]["spec"]["template"]["spec"]
    return found


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A state directory as an administrator has it, outside Kubernetes."""
    assert run_tvs("init", "--state", tmp_path / "cluster", "--name", "pub.example.com").returncode == 0
    return tmp_path / "cluster"


@pytest.fixture
def volumes(cluster: Path, tmp_path: Path) -> dict[str, Path]:
    """The pod's volumes by name: the Secret as docs/containers.md has it made and as the kubelet lays it, and an empty
    directory in memory, which everybody may write to."""
    tmp_path.chmod(0o755)
    secret, state = tmp_path / "secret", tmp_path / "empty"
    secret.mkdir()
    keys = list((cluster / "keys").glob("TVS-*.key"))
    assert len(keys) == 1
    for source in (cluster / "tvs.db", *(cluster / "tftp").iterdir(), *keys):
        shutil.copyfile(source, secret / source.name)
    for path in secret.iterdir():
        os.chown(path, 0, USER)
        path.chmod(0o440)
    state.mkdir()
    state.chmod(0o1777)
    return {"secret": secret, "state": state}


def options(container: Mapping[str, Any], volumes: Mapping[str, Path]) -> list[str]:
    """A container's settings as options of `podman run`."""
    mounts = [
        f"--volume={volumes[mount['name']]}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}"
        for mount in container["volumeMounts"]
    ]
    environment = [f"--env={one['name']}={one['value']}" for one in container.get("env", [])]
    return [*mounts, *environment]


def test_pod(images: Images, pod: dict[str, Any], volumes: dict[str, Path], cluster: Path) -> None:
    """From the Secret alone, without a key that signs lists, a replica starts, says that it is ready, answers a phone
    of the cluster, and ends. A start after it finds what the first one left, and is the same."""
    (first,), (service,) = pod["initContainers"], pod["containers"]
    entry, *words = first["command"]
    for again in (False, True):
        with images.container(*words, options=[f"--entrypoint={entry}", *options(first, volumes)]) as container:
            assert container.wait() == 0, container.log()
        with images.container(*service["args"], options=options(service, volumes)) as container:
            container.wait_until_ready()
            container.exec(*service["readinessProbe"]["exec"]["command"])
            assert container.answered(cluster / "tftp")
            assert "key_exposed" not in container.log()
            if again:
                container.exec(*service["lifecycle"]["preStop"]["exec"]["command"])
            container.signal("TERM")
            assert container.wait() == 0
    assert IMAGE.rpartition("/")[2] == service["image"].rpartition("/")[2].partition(":")[0]
