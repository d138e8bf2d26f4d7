"""Directories in which other users can put files of their own in the place of ours."""

from __future__ import annotations

import pwd
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _directories_of(path: Path) -> Iterator[Path]:
    """A directory and all above it: as the path names them, then as symbolic links lead to them."""
    seen = set()
    for start in (path.absolute(), path.resolve()):
        for directory in (start, *start.parents):
            if directory not in seen:
                seen.add(directory)
                yield directory


def _exposure(directory: Path, owner: int) -> str | None:
    """A sentence about other users who can replace what a directory holds, with the way out; None if nobody can.

    A sticky directory (/tmp) lets users replace only what is theirs. A group that may write to a directory of one of
    the users is theirs to choose. Raises `OSError` if the directory cannot be looked at.
    """
    status = directory.stat()
    if status.st_uid not in (owner, 0):
        return f"{directory}: belongs to {_user_name(status.st_uid)}, who can replace what it holds"
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        return f"{directory}: every user can replace what it holds; run: chmod o-w {directory}"
    return None


def _user_name(user: int) -> str:
    """A user's name, or the number of one that has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def exposures(path: Path, owner: int) -> Iterator[str]:
    """Sentences about other users who can replace what a directory, or one above it, holds, each with the way out.

    Args:
        path: the directory; those that cannot be looked at are left out.
        owner: id of the user to whom they may belong. They may also belong to root.
    """
    for directory in _directories_of(path):
        try:
            sentence = _exposure(directory, owner)
        except OSError:
            continue
        if sentence is not None:
            yield sentence
