"""The Debian package: the same bytes twice, its content, and its life: install, upgrade, remove, purge."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

import tvs
from deploy.debian.__main__ import debian_version, main
from deploy.lock import ROOT
from tests.deploy.systems import STATE, answered, install, make_cluster, make_package
from tests.fixtures.machines import booted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.machines import Machine


@pytest.fixture
def machine(rootfs: Path, tmp_path: Path) -> Iterator[Machine]:
    """A new machine."""
    with booted(rootfs, tmp_path) as machine:
        yield machine


def test_the_same_bytes_twice(package: Path, tmp_path: Path) -> None:
    """Another folder, umask, time zone, locale and hash seed make no difference to one byte."""
    scratch = tmp_path / "a folder with a longer name"
    scratch.mkdir()
    again = make_package(
        tmp_path / "again",
        prefix=("sh", "-c", 'umask 0077; exec "$@"', "sh"),
        TMPDIR=str(scratch), TZ="XXX-12:45", LC_ALL="tr_TR.UTF-8", PYTHONHASHSEED="4711",
    )  # fmt: skip
    assert again.name == package.name
    assert again.read_bytes() == package.read_bytes()


def test_what_is_in_it(package: Path, tmp_path: Path) -> None:
    """Sources as they are, compiled; the unit; all of it is root's, and nothing names the place of the build."""
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    entries = [line.split(maxsplit=5) for line in listed.splitlines()]
    assert {owner for _, owner, *_ in entries} == {"root/root"}
    assert {mode for mode, *_ in entries} == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}
    assert {f"{day} {time}" for _, _, _, day, time, _ in entries} == {"2023-11-14 22:13"}
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    (modules,) = tmp_path.glob("opt/tvs/lib/python3*/site-packages")
    for name in ("tvs", "certstore", "ctlcache", "proto"):
        ours = {path.relative_to(ROOT): path.read_bytes() for path in (ROOT / name).rglob("*.py")}
        assert {path.relative_to(modules): path.read_bytes() for path in (modules / name).rglob("*.py")} == ours
        compiled = [path for path in (modules / name).rglob("*.pyc") if b"/opt/tvs/lib/python3" in path.read_bytes()]
        assert len(compiled) == len(ours)
    unit = (ROOT / "deploy/systemd/tvs.service").read_text()
    assert (tmp_path / "usr/lib/systemd/system/tvs.service").read_text() == unit
    assert [path.name for path in tmp_path.glob("opt/tvs/bin/*") if not path.is_symlink()] == ["tvs"]
    texts = [
        path for path in tmp_path.rglob("*") if path.is_file() and str(tmp_path.parent).encode() in path.read_bytes()
    ]
    assert texts == []


def test_life(machine: Machine, package: Path) -> None:
    """Installed, it says what to do and starts nothing; an upgrade restarts the service; a removal and a purge leave
    the keys, and nothing else."""
    said = install(machine, package)
    assert "tvs init --state /var/lib/tvs" in said
    assert machine.run("systemctl", "is-enabled", "tvs").strip() == "enabled"
    assert (machine.property("ActiveState"), machine.run("tvs", "--version")) == (
        "inactive",
        f"tvs {tvs.__version__}\n",
    )
    make_cluster(machine)
    machine.run("systemctl", "start", "tvs")
    assert answered(machine)
    before = machine.property("MainPID")
    install(machine, package)
    assert machine.property("ActiveState") == "active"
    assert machine.property("MainPID") != before
    assert answered(machine)
    changed = machine.run("dpkg", "--verify", "tvs").splitlines()
    assert [line for line in changed if " /usr/share/doc/tvs" not in line] == []  # the machine has no documentation
    machine.run("dpkg", "--remove", "tvs")
    assert machine.property("ActiveState") != "active"
    machine.run("test", "-e", "/opt/tvs", status=1)
    assert "is kept" in machine.run("dpkg", "--purge", "tvs")
    left = machine.run(
        "find", "/etc", "/var/lib/tvs", "/var/log", "/usr", "/run", "-name", "*tvs*", "-not", "-path", "/run/host/*"
    )
    files = ("tvs-nodes.db", "tvs-fleet.db")
    kept = ("tvs.db", *files, *(f"{name}-journal" for name in files))
    assert set(left.split()) == {STATE, *(f"{STATE}/{name}" for name in kept)}
    assert machine.run("sh", "-c", f"ls {STATE}/keys/*.key | wc -l").strip() == "4"
    install(machine, package)
    assert answered(machine)


def test_a_stopped_service_stays_stopped(machine: Machine, package: Path) -> None:
    """An upgrade does not start a service that an administrator has stopped or disabled."""
    install(machine, package)
    make_cluster(machine)
    machine.run("systemctl", "disable", "tvs")
    install(machine, package)
    assert machine.property("ActiveState") == "inactive"
    assert machine.run("systemctl", "is-enabled", "tvs", status=1).strip() == "disabled"


def test_a_manual_and_completion(package: Path, tmp_path: Path) -> None:
    """The manual page is the command's own, and each shell finds its script where Debian has it."""
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    page = subprocess.run(
        ["gzip", "-dc", tmp_path / "usr/share/man/man1/tvs.1.gz"], capture_output=True, text=True, check=True
    ).stdout
    assert page.startswith(".TH ")
    assert "tvs serve" in page.replace("\\", "")
    for path in (
        "bash-completion/completions/tvs",
        "zsh/vendor-completions/_tvs",
        "fish/vendor_completions.d/tvs.fish",
    ):
        assert "serve" in (tmp_path / "usr/share" / path).read_text()


@pytest.mark.parametrize(
    ("ours", "theirs"), [("0.1.0", "0.1.0"), ("1.0rc1", "1.0~rc1"), ("1.0.dev3", "1.0~dev3"), ("2.0b2", "2.0~b2")]
)
def test_versions(ours: str, theirs: str) -> None:
    """What comes before a release is older for dpkg, too."""
    assert debian_version(ours) == theirs
    done = subprocess.run(["dpkg", "--compare-versions", theirs, "lt", re.sub(r"~.*", "", theirs) + "+1"], check=False)
    assert done.returncode == 0


def test_an_unknown_lock_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage has status 2 and names the file."""
    with pytest.raises(SystemExit) as ended:
        main(["--lock", "nothing"])
    assert ended.value.code == 2
    assert "deploy/requirements/nothing.txt does not exist" in capsys.readouterr().err
