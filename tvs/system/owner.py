"""Rights of a directory's owner: commands that root runs touch such a directory with these and no more.

A state directory belongs to the service's user. Whatever that user put there (a symbolic link to a secret of root's, a
FIFO, a file with another name) can then lead a command of root's only to what that user could reach anyway, and files
that the command makes belong to the user whose service must read them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def as_owner(directory: Path) -> Iterator[None]:
    """Runs a block with the effective user and group of the directory's owner; as before for other users than root.

    The rights are those of the whole process: only for processes of one thread, as commands are. Blocks can be nested.

    Raises `OSError` if the directory cannot be looked at, or this root may not change its user.
    """
    if os.geteuid() != 0:
        yield
        return
    status = directory.stat()
    if status.st_uid == 0:
        yield
        return
    groups = os.getgroups()
    group = os.getegid()
    os.setgroups([status.st_gid])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@contextmanager
def as_caller() -> Iterator[None]:
    """Runs a block inside `as_owner` with the caller's rights: for a file that the caller named."""
    user, group = os.geteuid(), os.getegid()
    if user == os.getuid():
        yield
        return
    os.seteuid(os.getuid())
    os.setegid(os.getgid())
    try:
        yield
    finally:
        os.setegid(group)
        os.seteuid(user)
