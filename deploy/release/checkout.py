"""The checkout as it is released: its version, its commit, and whether it may be released at all."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.release.errors import ReleaseError

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = re.compile(r'^__version__ = "([0-9][\w.+-]*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A clean working tree of git.

    version: of the package, from `tvs/__init__.py`
    commit: full hash of HEAD
    time: of that commit, seconds since 1970; the only time that a release knows
    """

    root: Path
    version: str
    commit: str
    time: int


def git(root: Path, *arguments: str | Path, umask: int = -1) -> str:
    """The output of a git command, or git's own words as an error."""
    command = ["git", "-c", "core.autocrlf=false", "-C", root, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, umask=umask)
    except FileNotFoundError:
        raise ReleaseError("There is no git here: install it, a release is made from a checkout.") from None
    if done.returncode != 0:
        raise ReleaseError(f"git {arguments[0]} failed in {root}: {done.stderr.strip()}")
    return done.stdout


def inspect(root: Path, *, trial: bool = False) -> Checkout:
    """The checkout at HEAD; a `ReleaseError` lists every reason why it cannot be released.

    A trial needs neither a changelog entry nor a tag.
    """
    found = _VERSION.search((root / "tvs" / "__init__.py").read_text())
    if found is None:
        raise ReleaseError('tvs/__init__.py has no line __version__ = "…".')
    version = found[1]
    problems = list(_dirt(root))
    if not trial:
        problems += [*_changelog(root, version), *_tags(root, version)]
    if problems:
        raise ReleaseError("\n".join(problems))
    commit, time = git(root, "log", "-1", "--format=%H %ct").split()
    return Checkout(root=root, version=version, commit=commit, time=int(time))


def export(checkout: Checkout, folder: Path, umask: int) -> None:
    """Writes the committed files, and nothing else, into a new folder."""
    git(checkout.root, "checkout-index", "--all", f"--prefix={folder}/", umask=umask)


def _dirt(root: Path) -> list[str]:
    """A sentence about files that are not committed, or that git was told not to look at."""
    lines = git(root, "status", "--porcelain").splitlines()
    hidden = [line for line in git(root, "ls-files", "-v").splitlines() if line[0].islower() or line[0] == "S"]
    problems = []
    if lines:
        problems.append(f"{len(lines)} files are not committed: commit or remove them.\n  " + "\n  ".join(lines[:10]))
    if hidden:
        names = "\n  ".join(line[2:] for line in hidden[:10])
        problems.append(f"git ignores changes of these files (git update-index --no-assume-unchanged):\n  {names}")
    return problems


def _changelog(root: Path, version: str) -> list[str]:
    """A sentence if CHANGELOG.md has no dated entry of the version."""
    entry = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    if re.search(entry, (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE):
        return []
    return [f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD': write the entry, or set another __version__."]


def _tags(root: Path, version: str) -> list[str]:
    """Sentences about tags of versions (`v…`) that do not match: another one here, or this one elsewhere."""
    wanted = f"v{version}"
    here = [tag for tag in git(root, "tag", "--points-at", "HEAD").split() if re.match(r"v\d", tag)]
    problems = [f"HEAD has the tag {tag}, but __version__ is {version}." for tag in here if tag != wanted]
    if wanted not in here and git(root, "tag", "--list", wanted).strip():
        problems.append(f"The tag {wanted} belongs to another commit: that version was released; set the next one.")
    return problems
