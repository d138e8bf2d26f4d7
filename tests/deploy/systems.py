"""The service in a small Debian, from the package of this source."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from deploy.lock import ROOT
from tests.fixtures.machines import MINUTES
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.machines import Machine

STATE = "/var/lib/tvs"
AS_SERVICE = ("runuser", "-u", "tvs", "--")
"""Before a command: as the service's user."""
CLUSTER = ("--name", "pub.example.com", "--address", "192.0.2.10")
"""Arguments of `tvs init`."""


def make_package(folder: Path, *, prefix: tuple[str, ...] = (), **variables: str) -> Path:
    """Makes the package as `make deb` does.

    Args:
        folder: a new folder for it.
        prefix: a program and its options that changes to the command.
        variables: more environment variables.
    """
    folder.mkdir()
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "deploy.debian", "--out", str(folder)],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000", **variables},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=MINUTES,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("tvs_*.deb")
    assert done.stdout.startswith(f"{path}: ")
    return path


def install(machine: Machine, package: Path) -> str:
    """Installs a package as an administrator does; returns what dpkg said."""
    inside = machine.path("/root/tvs.deb")
    inside.write_bytes(package.read_bytes())
    return machine.run("dpkg", "--install", "/root/tvs.deb")


def make_cluster(machine: Machine) -> None:
    """The cluster's keys and lists, made as the package says."""
    machine.run(*AS_SERVICE, "tvs", "init", "--state", STATE, *CLUSTER)


def ask(machine: Machine) -> str:
    """A phone of the host that asks the machine's service for the signer of the CTL file; what it was told."""
    lists = machine.path(f"{STATE}/tftp")
    trust = ("--trust", lists / "ITLFile.tlv", "--ctl", lists / "CTLFile.tlv")
    return machine.from_host(sys.executable, "-m", "tvs", "query", "--server", "127.0.0.1", *trust)


def answered(machine: Machine) -> bool:
    """Whether a phone of the host was told that the signer is trusted, and verified the file with it."""
    told = ask(machine)
    return told.startswith("Trusted\n") and "signed with this certificate's key" in told


def settle(machine: Machine, text: str) -> None:
    """Writes tvs.toml, as root's file."""
    path = machine.path(f"{STATE}/tvs.toml")
    path.write_text(text)
    path.chmod(0o644)


def wait_for_journal(machine: Machine, text: str, count: int = 1) -> None:
    """Waits until the journal has a text of the service at least so many times."""
    wait_until(lambda: machine.journal().count(text) >= count, f"{count} times {text!r} in the journal")
