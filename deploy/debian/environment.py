"""The package's Python environment: made elsewhere, with the paths that it has when it is installed."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.debian.errors import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PREFIX = "opt/tvs"
"""Its place in the file system, as in the unit and in README."""
KEPT = re.compile(r"python[\d.]*|tvs")
"""Programs in `bin`; those of libraries are not ours to hand out."""
COMMAND = f"""\
#!/{PREFIX}/bin/python
import sys

from tvs.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
"""
"""`bin/tvs`; pip's own has the path of the build, and another form if that is long or has spaces."""
ABOUT_PIP = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Notes for pip, with paths of the build; dpkg knows the files better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the command itself prints for the system: the manual page, and shells' completion scripts by shell."""

    manual: bytes
    completions: dict[str, bytes]


def make(root: Path, stage: Path, locks: Sequence[str], python: Path, scratch: Path, time: int) -> Made:
    """Makes the environment below a stage: locked libraries and this project's wheel, compiled."""
    folder = stage / PREFIX
    run(python, "-I", "-m", "venv", "--without-pip", "--symlinks", folder)
    interpreter = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", "--no-compile")
    requirements = [word for lock in locks for word in ("--requirement", root / f"deploy/requirements/{lock}.txt")]
    run(*pip, "--require-hashes", "--only-binary", ":all:", *requirements)
    run(*pip, "--no-deps", "--no-index", wheel(root, scratch, time))
    command = (interpreter, "-I", "-B", "-m", "tvs")
    made = Made(
        manual=run(*command, "man").encode(),
        completions={shell: run(*command, "completion", shell).encode() for shell in _shells(locks)},
    )
    _settle(folder, python)
    _compile(interpreter, folder, stage)
    return made


def wheel(root: Path, scratch: Path, time: int) -> Path:
    """This project's wheel, made without a look at the network."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        "--wheel-dir", scratch / "wheel", root, SOURCE_DATE_EPOCH=str(time))  # fmt: skip
    (path,) = (scratch / "wheel").iterdir()
    return path


def _shells(locks: Sequence[str]) -> tuple[str, ...]:
    """The shells for which scripts can be made: all, if the library that makes them is among the locked ones."""
    return ("bash", "zsh", "fish") if {"completion", "full"} & set(locks) else ()


def _settle(folder: Path, python: Path) -> None:
    """Replaces or removes what names the place of the build."""
    for path in (folder / "bin").iterdir():
        if not KEPT.fullmatch(path.name):
            path.unlink()
    (folder / "bin" / "tvs").write_text(COMMAND)
    settings = folder / "pyvenv.cfg"
    settings.write_text(re.sub(r"^command = .*\n", "", settings.read_text(), flags=re.MULTILINE))
    for info in folder.glob("lib/python*/site-packages/*.dist-info"):
        for name in ABOUT_PIP:
            (info / name).unlink(missing_ok=True)
    for name in ("include", "share", "etc"):  # empty, or data files of libraries
        shutil.rmtree(folder / name, ignore_errors=True)
    for link in (folder / "bin").glob("python*"):  # whatever the build used: the system's own
        if str(link.readlink()).startswith("/"):
            link.unlink()
            link.symlink_to(python)


def _compile(interpreter: Path, folder: Path, stage: Path) -> None:
    """Compiles all modules, for their installed paths, and valid by their sources' hashes rather than times."""
    paths = ("-s", stage, "-p", "/", folder / "lib")
    run(interpreter, "-I", "-m", "compileall", "-q", "-f", "--invalidation-mode", "checked-hash", *paths)
