"""Source archive and wheel, built twice under different circumstances and compared byte by byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.release.checkout import export
from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.release.checkout import Checkout

LONG_AGO = 1_000_000_000
"""The time of change that the second export's files get, in 2001: no archive may have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What must not be seen in an archive.

    folder: of the sources, below the scratch folder
    what: arguments of `build`: by itself it makes the wheel from the source archive
    user: a number that the process believes to be its user's, or None for the real one
    """

    folder: str
    umask: int
    variables: dict[str, str]
    what: tuple[str, ...] = ()
    user: int | None = None


FIRST = Circumstances(
    folder="first",
    umask=0o022,
    variables={"TZ": "UTC0", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "USER": "root", "LOGNAME": "root"},
)
SECOND = Circumstances(
    folder="second/a folder with a longer name",
    umask=0o077,
    variables={"TZ": "XXX-12:45", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "4711", "USER": "z", "LOGNAME": "z"},
    what=("--sdist", "--wheel"),
    user=12345,
)


def build(checkout: Checkout, scratch: Path) -> list[Path]:
    """Source archive and wheel; a `ReleaseError` if two builds of them differ in one byte."""
    export(checkout, scratch / FIRST.folder, FIRST.umask)
    export(checkout, scratch / SECOND.folder, SECOND.umask)
    for path in (scratch / SECOND.folder).rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO))
    results = [_build_once(checkout, circumstances, scratch) for circumstances in (FIRST, SECOND)]
    compare(*results)
    return sorted(results[0].iterdir())


def compare(first: Path, second: Path) -> None:
    """Raises a `ReleaseError` if two folders do not hold the same files with the same bytes."""
    contents = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (first, second)]
    names = sorted(contents[0].keys() | contents[1].keys())
    differing = [name for name in names if contents[0].get(name) != contents[1].get(name)]
    if differing:
        raise ReleaseError(f"Two builds of the same commit differ: {', '.join(differing)}.")


def _build_once(checkout: Checkout, circumstances: Circumstances, scratch: Path) -> Path:
    """The folder with the archives that one build made."""
    made = scratch / f"{circumstances.folder} made"
    home = scratch / f"{circumstances.folder} home"
    for folder in (made, home):
        folder.mkdir()
    environment = {
        **circumstances.variables,
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "SOURCE_DATE_EPOCH": str(checkout.time),
    }
    done = subprocess.run(
        [*_as_user(circumstances.user), sys.executable, "-m", "build", "--no-isolation", *circumstances.what,
         "--outdir", made, scratch / circumstances.folder],
        cwd=home, env=environment, umask=circumstances.umask, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ReleaseError(f"The build failed:\n{done.stdout}{done.stderr}".rstrip())
    return made


def _as_user(number: int | None) -> list[str]:
    """A command's beginning that gives it another user's number, empty if the system does not let users do that."""
    unshare = shutil.which("unshare")
    if number is None or unshare is None:
        return []
    command = [unshare, "--user", f"--map-user={number}", f"--map-group={number}"]
    return command if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0 else []
