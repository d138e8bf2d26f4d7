"""The container image of this source, built with buildah, and containers that podman runs from it.

There is no registry of images: the base is the small Debian of `tests.fixtures.machines`, with pip as Python's official
image has it. Packages come from a folder of wheels, with the hashes of the lock files.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pip

from deploy.lock import FOLDER, ROOT
from tests.fixtures.machines import MINUTES
from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BASE: Final = "localhost/debian"
IMAGE: Final = "localhost/tvs"
USER: Final = 2445
"""The service's user and group in the image."""
_STORAGE: Final = """\
[storage]
driver = "overlay"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
[storage.options.overlay]
skip_mount_home = "true"
"""
_CONTAINERS: Final = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=30000:30000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{folder}/tmp"
"""
"""Limits that a container whose own limits are lower can set, too."""
_LEFT_OUT: Final = ("./var/cache/*", "./var/lib/apt/lists/*", "./dev/*", "./proc/*", "./sys/*", "./run/*")
_PIP: Final = "usr/local/lib/{python}/dist-packages"


class Images:
    """Images and containers, in a folder of their own.

    Args:
        folder: filled by `fill`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.wheels = folder / "wheels"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which buildah and podman use the folder, and nothing else of the machine."""
        return {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(self._folder / "storage.conf"),
            "CONTAINERS_CONF": str(self._folder / "containers.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "DISABLE_HC_SYSTEMD": "true",  # no systemd runs the health check here; the tests do
        }

    def run(self, *command: object, status: int | None = 0, timeout: float = PATIENCE, **settings: Any) -> str:
        """The output, errors included, of a command with the images' environment.

        Args:
            command: program and arguments.
            status: the exit status that it must have, None for any.
            timeout: seconds until it has ended.
            settings: of `subprocess.run`.
        """
        done = subprocess.run(
            [*map(str, command)],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=timeout, **settings,
        )  # fmt: skip
        assert status in {None, done.returncode}, f"{command}: {done.returncode}\n{done.stdout[-4000:]}"
        return str(done.stdout)

    def build(self, tag: str, source: Path = ROOT, prefix: Sequence[str] = ()) -> str:
        """Builds the image with `make image`; returns its number.

        Args:
            tag: its name.
            source: the checkout.
            prefix: a program and its options that changes to the command.
        """
        arguments = {
            "BASE": BASE,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/mnt",
        }  # a new directory would be in the image
        words = [f"--tag={tag}", f"--volume={self.wheels}:/mnt:ro"]
        words += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        self.run(*prefix, "make", "-C", source, "image", f"ARGS={' '.join(words)}", timeout=MINUTES)
        return str(self.inspect(tag)["Id"])

    def inspect(self, name: str) -> dict[str, Any]:
        """Everything that podman knows of an image."""
        (found,) = json.loads(self.run("podman", "image", "inspect", name))
        return dict(found)

    def oci_number(self, name: str, scratch: Path) -> str:
        """The number that an image has in OCI's format, which tells nothing of the container in which it was built.

        Args:
            name: of the image.
            scratch: a folder to save it to.
        """
        folder = scratch / f"oci-{name.replace('/', '-')}"
        self.run("podman", "save", "--quiet", "--format=oci-dir", f"--output={folder}", name, timeout=MINUTES)
        (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
        manifest = json.loads((folder / "blobs" / entry["digest"].replace(":", "/")).read_text())
        return str(manifest["config"]["digest"])

    @contextlib.contextmanager
    def container(self, *arguments: object, options: Sequence[str] = ()) -> Iterator[Container]:
        """A container that runs, without a network, a capability or a root that it could write to.

        Args:
            arguments: of the image's entry point.
            options: of `podman run`.
        """
        bounds = ["--network=none", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges"]
        told = self.run("podman", "run", "--detach", *bounds, *options, IMAGE, *arguments)
        container = Container(self, told.split()[-1])
        try:
            yield container
        finally:
            self.run("podman", "rm", "--force", "--time=0", "--volumes", container.number)


class Container:
    """A container.

    Args:
        images: where it runs.
        number: its number.
    """

    def __init__(self, images: Images, number: str) -> None:
        self._images = images
        self.number = number

    @property
    def state(self) -> dict[str, Any]:
        """Its state, as podman knows it."""
        state: dict[str, Any] = json.loads(
            self._images.run("podman", "container", "inspect", "--format={{json .State}}", self.number)
        )
        return state

    @property
    def main(self) -> int:
        """The process number of its first process, as the host sees it."""
        return int(self.state["Pid"])

    def processes(self) -> list[int]:
        """All its processes, as the host sees them."""
        space = Path(f"/proc/{self.main}/ns/pid").readlink()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (path / "ns" / "pid").readlink() == space:
                    found.append(int(path.name))
        return found

    def log(self) -> str:
        """What it has written so far."""
        return self._images.run("podman", "logs", self.number)

    def wait_for_line(self, text: str, count: int = 1) -> None:
        """Waits until its log has a text at least so many times."""
        wait_until(lambda: self.log().count(text) >= count, f"{count} times {text!r} in the container's log")

    def exec(self, *command: object, status: int | None = 0) -> str:
        """The output of a command in it, as its user."""
        return self._images.run("podman", "exec", self.number, *command, status=status)

    def healthy(self) -> bool:
        """Whether its health check succeeds now."""
        return "unhealthy" not in self._images.run("podman", "healthcheck", "run", self.number, status=None)

    def ready(self) -> bool:
        """Whether it says that phones get complete answers."""
        return '"status": "ready"' in self.exec("tvs-probe", "readyz", status=None)

    def wait_until_ready(self) -> None:
        """Waits until phones get complete answers."""
        wait_until(lambda: self.state["Status"] != "running" or self.ready(), f"it is ready: {self.log()}")
        assert self.state["Status"] == "running", self.log()

    def signal(self, name: str) -> None:
        """Sends a signal to its first process."""
        self._images.run("podman", "kill", f"--signal={name}", self.number)

    def wait(self) -> int:
        """Waits until it has ended; returns its exit status."""
        return int(self._images.run("podman", "wait", self.number).split()[-1])

    def answered(self, lists: Path) -> bool:
        """Whether a phone of the host, in the container's network, is told that the CTL file's signer is trusted."""
        trust = ("--trust", lists / "ITLFile.tlv", "--ctl", lists / "CTLFile.tlv")
        told = self._images.run(
            "nsenter", f"--net=/proc/{self.main}/ns/net", "--",
            sys.executable, "-m", "tvs", "query", "--server", "127.0.0.1", *trust, status=None,
        )  # fmt: skip
        return told.startswith("Trusted\n") and "signed with this certificate's key" in told


def fill(folder: Path, rootfs: Path) -> None:
    """Fills a new folder: the base, the wheels, the image."""
    folder.mkdir()
    (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
    (folder / "containers.conf").write_text(_CONTAINERS.format(folder=folder))
    images = Images(folder)
    _import_base(images, rootfs, folder / "base.tar")
    _fetch_wheels(images)
    images.build(IMAGE)


def _import_base(images: Images, rootfs: Path, archive: Path) -> None:
    """Imports the tree as an image, with pip."""
    (interpreter,) = {path.name for path in (rootfs / "usr/lib").glob("python3.*")}
    left_out = [f"--exclude={name}" for name in _LEFT_OUT]
    images.run("tar", "--create", f"--file={archive}", f"--directory={rootfs}", *left_out, ".", timeout=MINUTES)
    place = f"--transform=s,^pip,{_PIP.format(python=interpreter)}/pip,"
    packages = Path(pip.__file__).parents[1]
    images.run("tar", "--append", f"--file={archive}", place, "--exclude=__pycache__", f"--directory={packages}", "pip")
    images.run("podman", "import", "--quiet", archive, BASE, timeout=MINUTES)
    archive.unlink()


def _fetch_wheels(images: Images) -> None:
    """Fetches what the image installs, for Debian's Python."""
    locks = [f"--requirement={FOLDER / name}.txt" for name in ("runtime", "build")]
    images.run(
        sys.executable, "-m", "pip", "--python", "/usr/bin/python3", "download", "--quiet", "--require-hashes",
        "--only-binary=:all:", f"--dest={images.wheels}", *locks, timeout=MINUTES,
    )  # fmt: skip
