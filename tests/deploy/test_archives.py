"""Source archive and wheel: the same twice, with what belongs in them and nothing else."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from deploy.lock import ROOT
from deploy.release.archives import build, compare
from deploy.release.checkout import Checkout, git
from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("tvs", "certstore", "ctlcache", "proto")
OUTSIDE = (".ci/",)
"""What is in the repository and not in the source archive: it drives a bare machine."""


def tracked() -> set[str]:
    """The files that git knows, as they are in the index."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout of git")
    return set(git(ROOT, "ls-files").splitlines())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Wheel and source archive of the index, built twice and compared."""
    tracked()
    commit, time = git(ROOT, "log", "-1", "--format=%H %ct").split()
    source = Checkout(root=ROOT, version="0", commit=commit, time=int(time))
    sdist, wheel = sorted(build(source, tmp_path_factory.mktemp("builds")), key=lambda path: path.suffix)
    return wheel, sdist


def test_the_wheel_has_the_packages_and_nothing_else(built: tuple[Path, Path]) -> None:
    """Every file of the four packages, metadata and licence; no test, no tool, no stray file."""
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        entry = configparser.ConfigParser()
        entry.read_string(wheel.read(f"{info}/entry_points.txt").decode())
    expected = {name for name in tracked() if name.startswith(tuple(f"{package}/" for package in PACKAGES))}
    metadata = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert names == expected | {f"{info}/{name}" for name in metadata}
    assert dict(entry["console_scripts"]) == {"tvs": "tvs.cli.main:main"}


def test_the_source_archive_has_every_committed_file(built: tuple[Path, Path]) -> None:
    """The repository but for CI's own files, and the metadata, under one folder, owned by root, with plain modes."""
    with tarfile.open(built[1]) as archive:
        members = archive.getmembers()
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    assert names == {name for name in tracked() if not name.startswith(OUTSIDE)} | {"PKG-INFO"}
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert {member.mode for member in members} <= {0o644, 0o755}


def test_the_tests_can_run_from_the_source_archive(built: tuple[Path, Path], tmp_path: Path) -> None:
    """Unpacked, pytest collects the tests without an error, from the unpacked modules."""
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=folder, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "tests/deploy/test_archives.py" in done.stdout


@pytest.mark.parametrize("change", [{"a.whl": b"2"}, {}, {"a.whl": b"1", "b": b""}], ids=["byte", "less", "more"])
def test_a_difference_between_builds_is_an_error(tmp_path: Path, change: dict[str, bytes]) -> None:
    """One byte, a missing file or a further one: each is refused."""
    for folder, files in (("one", {"a.whl": b"1"}), ("two", change)):
        (tmp_path / folder).mkdir()
        for name, content in files.items():
            (tmp_path / folder / name).write_bytes(content)
    with pytest.raises(ReleaseError, match="differ"):
        compare(tmp_path / "one", tmp_path / "two")
