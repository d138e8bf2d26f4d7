"""The lock files in deploy/requirements: every package that is installed, with version and hashes (`make lock`).

Each file is made from pyproject.toml for all supported Pythons and platforms at once. Pins that still fit are kept, so
that a new dependency changes nothing else; `--upgrade` takes the newest versions that are at least a week old. All
files have the same version of a package: `dev.txt` is resolved first, the others within it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy" / "requirements"
TOOLS = frozenset({"dev", "fuzz", "lock", "release", "scan", "web"})
"""Extras that are for work on the project; all others are for users, and `full.txt` has them together."""
FIRST = frozenset({"dev", "fuzz", "lock", "scan", "web"})
"""Lock files that are resolved by themselves; the others hold nothing that `dev.txt` does not hold."""
EDITABLE = "editables>=0.5"
"""Needed by hatchling for an editable installation; it asks for it only while it builds."""
QUARANTINE = "7 days"
"""Age under which a release is not taken: most hijacked ones are found and withdrawn earlier."""
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
"""Platforms that must find a wheel of every package."""
FROM_SOURCE = {"hdrhistogram": PLATFORMS[1:], "atheris": PLATFORMS[1:], "sslyze": PLATFORMS}
"""Packages without a wheel for some platforms, where pip builds them (docs/release.md)."""
SCAN_BUILD = "setuptools>=80"
"""Needed to build sslyze, which has no wheel; installed before it, so that pip fetches nothing without a hash."""
HEADER = "# Made by `make lock` from pyproject.toml. Do not edit.\n"


def requirements(project: dict[str, object]) -> dict[str, list[str]]:
    """The direct requirements of each lock file, by its name without `.txt`, `dev` first."""
    table, build = project["project"], project["build-system"]
    if not isinstance(table, dict) or not isinstance(build, dict):
        raise TypeError("pyproject.toml has no tables [project] and [build-system]")
    runtime: list[str] = table["dependencies"]
    extras: dict[str, list[str]] = table["optional-dependencies"]
    own = re.compile(re.escape(table["name"]) + r"\[([\w,-]+)\]")

    def resolved(extra: str) -> list[str]:
        found = []
        for requirement in extras[extra]:
            itself = own.fullmatch(requirement)
            found += [line for name in itself[1].split(",") for line in resolved(name)] if itself else [requirement]
        return found

    users = sorted(extras.keys() - TOOLS)
    backend = [*build["requires"], EDITABLE]
    return {
        "dev": runtime + resolved("dev") + backend,
        "runtime": runtime,
        **{extra: runtime + resolved(extra) for extra in users},
        "full": runtime + [line for extra in users for line in resolved(extra)],
        "build": backend,
        "release": backend + resolved("release"),
        "lock": resolved("lock"),
        "fuzz": resolved("fuzz"),
        "scan": resolved("scan"),
        "scan-build": [SCAN_BUILD],
        "web": resolved("web"),
    }


def pythons(project: dict[str, object]) -> list[str]:
    """The supported Pythons, oldest first, from the classifiers."""
    classifiers = re.findall(r"Python :: (3\.\d+)", str(project["project"]))
    return sorted(classifiers, key=lambda version: int(version.partition(".")[2]))


def uv(*arguments: str | Path) -> None:
    """Runs uv on the public registry alone, whatever this machine is configured for."""
    program = shutil.which("uv", path=Path(sys.executable).parent) or "uv"
    subprocess.run([program, "pip", "compile", "--quiet", "--no-config", *arguments], check=True)


def lock(name: str, direct: list[str], oldest: str, scratch: Path, options: list[str]) -> None:
    """Makes one lock file; all but those in `FIRST` take their versions from `dev.txt`."""
    source, result, kept = scratch / f"{name}.in", scratch / f"{name}.txt", FOLDER / f"{name}.txt"
    source.write_text("".join(f"{line}\n" for line in direct))
    if kept.exists():
        shutil.copy(kept, result)  # uv keeps the pins that it finds there
    within: list[str | Path] = [] if name in FIRST else ["--constraints", FOLDER / "dev.txt"]
    form = ["--universal", "--python-version", oldest, "--generate-hashes", "--no-header", "--no-annotate"]
    uv(source, *within, *form, "--exclude-newer", QUARANTINE, *options, "--output-file", result)
    kept.write_text(HEADER + result.read_text().replace(HEADER, ""))


def check_wheels(name: str, versions: list[str], scratch: Path) -> None:
    """Checks that each Python on each platform finds a wheel of everything that a file locks."""
    pins = re.findall(r"^(([\w.-]+)==[^\\\n]+)", (FOLDER / f"{name}.txt").read_text(), re.MULTILINE)
    for platform in PLATFORMS:
        wanted = scratch / f"{name}.{platform}.in"
        wanted.write_text("".join(f"{pin}\n" for pin, package in pins if platform not in FROM_SOURCE.get(package, ())))
        for version in versions:
            where = ["--python-version", version, "--python-platform", platform, "--only-binary", ":all:"]
            uv(wanted, "--no-deps", *where, "--output-file", scratch / "found.txt")


def main() -> int:
    """Makes all lock files; status 1 when a package cannot be had on a supported Python and platform."""
    parser = argparse.ArgumentParser(prog="make lock ARGS=…", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--upgrade", action="store_true", help=f"take the newest versions older than {QUARANTINE}")
    parser.add_argument(
        "--urgent", metavar="PACKAGE", action="append", default=[], help="take this one's newest version, however young"
    )
    arguments = parser.parse_args()
    options = ["--upgrade"] if arguments.upgrade else []
    for package in arguments.urgent:
        options += ["--upgrade-package", package, "--exclude-newer-package", f"{package}=0 days"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    versions = pythons(project)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for name, direct in requirements(project).items():
                lock(name, direct, versions[0], Path(scratch), options)
                if name in FIRST:
                    check_wheels(name, versions, Path(scratch))
        except subprocess.CalledProcessError:
            print(f"uv could not make or check {name}.txt; its reason stands above.", file=sys.stderr)
            return 1
    print(f"Locked in {FOLDER.relative_to(ROOT)}; `git diff` shows what changed. Run the tests before the commit.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
