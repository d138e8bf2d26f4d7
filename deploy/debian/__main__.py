"""The Debian package: the service with an environment of its own under /opt/tvs (`make deb`, docs/debian.md)."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.debian import environment, tree
from deploy.debian.errors import PackageError, run

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SCRIPTS = ("postinst", "prerm", "postrm")
LOCKS = ("completion", "phone", "pkcs11", "postgresql")
"""Extras of the package, by their lock files; each holds what the service itself needs."""
PYTHON = Path("/usr/bin/python3")
"""The interpreter of the system that the package is for."""


def debian_version(version: str) -> str:
    """A Python version as dpkg sorts it: what comes before a release has a tilde (1.0rc1 is 1.0~rc1)."""
    return re.sub(r"\.?(a|b|rc|dev)(\d)", r"~\1\2", version)


def source_time(root: Path) -> int:
    """The only time in the package, in seconds since 1970: SOURCE_DATE_EPOCH, or that of the last commit."""
    if text := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(text)
    try:
        return int(run("git", "-C", root, "log", "-1", "--format=%ct"))
    except PackageError as error:
        raise PackageError(f"There is no commit to take the time from: set SOURCE_DATE_EPOCH. {error}") from None


def control(root: Path, stage: Path, python: Path) -> str:
    """The control file, with the one minor version of Python that the environment is for."""
    found = re.search(r'^__version__ = "([0-9][\w.+-]*)"$', (root / "tvs/__init__.py").read_text(), re.MULTILINE)
    if found is None:
        raise PackageError('tvs/__init__.py has no line __version__ = "…".')
    minor = int(run(python, "-I", "-c", "import sys; print(sys.version_info.minor)"))
    text = (HERE / "control").read_text()
    for name, value in {
        "VERSION": debian_version(found[1]),
        "ARCHITECTURE": run("dpkg", "--print-architecture").strip(),
        "SIZE": str(tree.installed_size(stage)),
        "PYTHON": f"3.{minor}~",
        "NEXT_PYTHON": f"3.{minor + 1}~",
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


def build(root: Path, folder: Path, locks: Sequence[str], python: Path, scratch: Path) -> Path:
    """Makes the package, and returns its path.

    Args:
        root: the project.
        folder: for the package.
        locks: names of lock files in deploy/requirements.
        python: the interpreter that the installed environment uses.
        scratch: an empty folder.
    """
    time = source_time(root)
    stage = scratch / "stage"
    made = environment.make(root, stage, locks, python, scratch, time)
    tree.fill(root, stage, made)
    text = control(root, stage, python)
    tree.write_control(stage, text, {name: (HERE / name).read_bytes() for name in SCRIPTS})
    fields = dict(line.split(": ", 1) for line in text.splitlines() if re.match(r"[A-Z]\S+: ", line))
    path = folder / f"{fields['Package']}_{fields['Version']}_{fields['Architecture']}.deb"
    folder.mkdir(parents=True, exist_ok=True)
    run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z6", "--threads-max=1", "--build", stage, path,
        SOURCE_DATE_EPOCH=str(time))  # fmt: skip
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 made, 1 not made, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="make deb", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build", metavar="DIR", help="folder of the package (build)")
    parser.add_argument(
        "--lock", action="append", metavar="NAME",
        help=f"lock file of deploy/requirements that goes into it, instead of {', '.join(LOCKS)}; may be repeated",
    )  # fmt: skip
    parser.add_argument("--python", type=Path, default=PYTHON, metavar="FILE", help=f"its interpreter ({PYTHON})")
    options = parser.parse_args(arguments)
    missing = [name for name in options.lock or () if not (ROOT / f"deploy/requirements/{name}.txt").is_file()]
    if missing:
        parser.error(f"deploy/requirements/{missing[0]}.txt does not exist")
    try:
        with tempfile.TemporaryDirectory(prefix="tvs-deb-") as scratch:
            path = build(ROOT, options.out, options.lock or LOCKS, options.python, Path(scratch))
    except (PackageError, subprocess.SubprocessError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, SHA-256 {tree.digest(path)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
