"""Directories in which other users can put files of their own in the place of ours."""

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


def directories_of(path: Path) -> Iterator[Path]:
    """A directory and all above it: as the path names them, then as symbolic links lead to them."""
    seen = set()
    for start in (path.absolute(), path.resolve()):
        for directory in (start, *start.parents):
            if directory not in seen:
                seen.add(directory)
                yield directory


def directory_exposure(directory: Path, users: Collection[int]) -> str | None:
    """A sentence about other users who can replace what a directory holds, with the way out; None if nobody can.

    A sticky directory (/tmp) lets users replace only what is theirs. A group that may write to a directory of one of
    the users is theirs to choose.

    Args:
        directory: the directory.
        users: user ids to whom it may belong. Root is always one of them.

    Raises `OSError` if the directory cannot be looked at.
    """
    status = directory.stat()
    if status.st_uid not in users and status.st_uid != 0:
        return f"{directory}: belongs to {user_name(status.st_uid)}, who can replace what it holds"
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        return f"{directory}: every user can replace what it holds; run: chmod o-w {directory}"
    return None


def user_name(user: int) -> str:
    """A user's name, or the number of one that has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def exposures(path: Path, users: Collection[int]) -> Iterator[str]:
    """The sentences of `directory_exposure` for a directory and all above it that can be looked at."""
    for directory in directories_of(path):
        try:
            sentence = directory_exposure(directory, users)
        except OSError:
            continue
        if sentence is not None:
            yield sentence


def state_users(path: Path) -> frozenset[int]:
    """The users who may own a directory of ours: that of this process; for root the directory's owner too.

    Raises `OSError`.
    """
    return frozenset({os.geteuid() or path.stat().st_uid})
