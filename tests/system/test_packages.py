"""The packages beside `tvs`: ours, another project's, or gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tvs
from tests.fixtures.running import PATIENCE
from tvs.system.packages import PACKAGES, foreign_package

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

ROOT = Path(tvs.__file__).parents[1]
FOREIGN = "raise SystemExit('the other project was imported')\n"


def run(folder: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    """Runs `tvs --version` in a folder, with these folders in front of all others on Python's path."""
    return subprocess.run(
        [sys.executable, "-m", "tvs", "--version"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with all packages, as an environment's site-packages."""
    for name in ("tvs", *PACKAGES):
        shutil.copytree(ROOT / name, tmp_path / "site" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def test_own_packages() -> None:
    """The packages as they are installed here are this project's, and so is a copy of them."""
    assert foreign_package() is None


def test_copied_packages(copied: Path, tmp_path: Path) -> None:
    """Packages in another place are as good."""
    assert run(tmp_path, copied).stdout == f"tvs {tvs.__version__}\n"


def test_package_of_another_project_in_front(tmp_path: Path) -> None:
    """Another project's `proto` that Python finds first: one sentence with its place and what to do, status 2.

    It is not imported.
    """
    other = tmp_path / "front" / "proto" / "__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text(FOREIGN)
    done = run(tmp_path, other.parents[1], ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"tvs: the package proto in {other} belongs to another project (proto-plus has a ")
    assert "an environment of its own" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", PACKAGES)
def test_package_that_was_overwritten(copied: Path, tmp_path: Path, name: str) -> None:
    """An `__init__.py` that pip has overwritten in our own package's folder is noticed as well, for each package."""
    (copied / name / "__init__.py").write_text(FOREIGN)
    done = run(tmp_path, copied)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the package {name} in {copied / name}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("leave", ["folder", "nothing"])
def test_package_that_was_removed(copied: Path, leave: str) -> None:
    """A package whose `__init__.py` went with the other project, or that is gone: a sentence as well."""
    if leave == "folder":
        (copied / "proto" / "__init__.py").unlink()
    else:
        shutil.rmtree(copied / "proto")

    def find(name: str) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(copied)])

    problem = foreign_package(find)
    assert problem is not None
    assert problem.startswith("the package proto is missing or incomplete")


def test_source_that_cannot_be_read(copied: Path) -> None:
    """A package with bytes that are not text is another project's."""
    (copied / "certstore" / "__init__.py").write_bytes(b"\xff\xfe")
    problem = foreign_package(lambda name: PathFinder.find_spec(name, [str(copied)]))
    assert problem is not None
    assert "the package certstore in " in problem
