"""The lock files fit pyproject.toml, and admit nothing without a hash."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from deploy.lock import FOLDER, HEADER, ROOT, requirements

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DIRECT = requirements(PROJECT)
PIN = re.compile(r"([a-z0-9-]+)==([0-9][\w.]*)(?: ; [\w .'<>=!()]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def pins(path: Path) -> dict[str, str]:
    """Name → version of a lock file."""
    return {found[1]: found[2] for found in map(PIN.fullmatch, path.read_text().splitlines()) if found}


def test_there_is_a_file_for_each_purpose() -> None:
    """Runtime, each extra, build, release, development and the lock itself have a file, and nothing else has."""
    assert {path.stem for path in FOLDER.iterdir()} == set(DIRECT)
    assert set(DIRECT) >= PROJECT["project"]["optional-dependencies"].keys() | {"runtime", "full", "build"}


@pytest.mark.parametrize("name", sorted(DIRECT))
def test_direct_requirements_are_locked_within_their_range(name: str) -> None:
    """Everything that pyproject.toml asks for has a version in its range; if not: `make lock`."""
    locked = pins(FOLDER / f"{name}.txt")
    wanted = [Requirement(line) for line in DIRECT[name]]
    assert wanted
    bad = [str(one) for one in wanted if not one.specifier.contains(locked.get(one.name.lower(), "0"))]
    assert bad == []


def test_make_installs_nothing_without_a_hash() -> None:
    """Each installation of the Makefile names hashes, or takes this project alone."""
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if "pip install" in line]
    assert len(lines) == 2
    assert all("--require-hashes" in line or "--no-deps --no-build-isolation" in line for line in lines)


@pytest.mark.parametrize("name", sorted(DIRECT))
def test_a_lock_file_holds_only_versions_and_hashes(name: str) -> None:
    """Each entry is one exact version with a SHA-256 and more; no address, no option, no comment of a tool."""
    text = (FOLDER / f"{name}.txt").read_text()
    assert text.startswith(HEADER)
    lines = text.removeprefix(HEADER).splitlines()
    continued = False  # an entry goes on as long as lines end in a backslash
    for line in lines:
        assert (HASH if continued else PIN).fullmatch(line), line
        continued = line.endswith("\\")
    assert lines
    assert not continued


@pytest.mark.parametrize("name", sorted(DIRECT.keys() - {"dev", "fuzz", "lock", "scan", "web"}))
def test_all_files_have_the_same_versions(name: str) -> None:
    """What CI tests (`dev.txt`) is what users install."""
    tested = pins(FOLDER / "dev.txt")
    assert {
        package: version for package, version in pins(FOLDER / f"{name}.txt").items() if tested[package] != version
    } == {}
