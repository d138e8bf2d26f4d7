"""Rights of a directory's owner: what root runs touches such a directory with these and no more.

A state directory belongs to the service's user. Whatever that user put there (a symbolic link to a secret of root's, a
FIFO, a file with another name) can then lead a command of root's only to what that user could reach anyway, and files
that the command makes belong to the user whose service must read them.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tvs.system.exposure import exposures
from tvs.system.imports import imports_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tvs.system.rights import Setters


@contextmanager
def as_owner(directory: Path) -> Iterator[None]:
    """Runs a block with the effective user and group of the directory's owner; as before for other users than root.

    In the main thread the rights are those of the whole process, in another one its own, see `tvs.system.rights`.
    Blocks can be nested. Modules that the block imports are read with root's rights: Python itself may be readable for
    root only.

    Raises `OSError` if the directory cannot be looked at, if this root may not change its user, or if another user
    than root and the owner can put another directory in its place: that user would choose the rights.
    """
    if os.geteuid() != 0:
        yield
        return
    status = directory.stat()
    for above in {directory.absolute().parent, directory.resolve().parent}:
        _check_place(above, status.st_uid, directory)
    with _rights_of(status):
        yield


@contextmanager
def as_owner_below(directory: Path) -> Iterator[None]:
    """`as_owner` for what is made in a directory that may not exist yet: with the owner of the first one that does."""
    if os.geteuid() != 0:
        yield
        return
    there = next(above for above in (directory, *directory.parents) if above.is_dir())
    status = there.stat()
    _check_place(there, status.st_uid, directory)
    with _rights_of(status):
        yield


@contextmanager
def _rights_of(status: os.stat_result) -> Iterator[None]:
    """Runs a block with the rights of an owner."""
    if status.st_uid == 0:
        yield
        return
    take, groups, group = _setters(), os.getgroups(), os.getegid()
    try:
        take.groups([status.st_gid])
        take.group(status.st_gid)
        take.user(status.st_uid)
        with imports_in(as_caller):
            yield
    finally:
        take.user(0)
        take.group(group)
        take.groups(groups)


def _setters() -> Setters:
    from tvs.system.rights import setters  # noqa: PLC0415 - most commands are not root's

    return setters()


def _check_place(above: Path, owner: int, directory: Path) -> None:
    """Raises `OSError` if others than root and the owner can replace what a directory, or one above it, holds."""
    for sentence in exposures(above, owner):
        raise OSError(errno.EPERM, f"root does not work below a directory of others: {sentence}", str(directory))


@contextmanager
def as_caller() -> Iterator[None]:
    """Runs a block inside `as_owner` with the caller's rights: for a file that the caller named."""
    user, group = os.geteuid(), os.getegid()
    if user == os.getuid():
        yield
        return
    take = _setters()
    take.user(os.getuid())
    take.group(os.getgid())
    try:
        yield
    finally:
        take.group(group)
        take.user(user)
