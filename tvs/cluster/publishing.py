"""Publication of trust lists: copies in the directories that TFTP and web servers hand out, replaced atomically."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ctlcache.deletion import is_deleted
from ctlcache.trustlist import MAX_SIZE, parse_trust_list
from ctlcache.verification import verify
from proto.errors import RemoteProtocolError
from tvs.cluster.applied import read_applied
from tvs.cluster.situation import read_list
from tvs.config.loading import load_config
from tvs.config.places import SETTINGS_FILE
from tvs.errors import StateError
from tvs.system.files import read_regular, remove_left_over, write_atomically
from tvs.system.owner import as_caller, as_owner
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tvs.cluster.applied import Applied
    from tvs.state import StateDirectory


class Step(StrEnum):
    """What became of a published file."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    """It has the same bytes already."""
    REMOVED = "removed"
    """Its list was deleted by an administrator."""
    LEFT = "left"
    """Its list is missing here, and nobody deleted it with a command."""


@dataclass(frozen=True, slots=True)
class Published:
    """One file of a directory that a server hands out.

    Attributes:
        path: the file.
        step: what became of it.
    """

    path: Path
    step: Step

    @property
    def is_changed(self) -> bool:
        """Whether it is another one than before, or gone."""
        return self.step in (Step.WRITTEN, Step.REMOVED)


class NotPublished(StateError):  # noqa: N818 - a state
    """Some directories do not have the lists that they should have; one sentence each."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """Directories into which lists are published.

    Attributes:
        directories: whole paths, or those of a command line.
        by_caller: whether the caller named them: root then writes with the rights of each directory's owner. Otherwise
            the settings' file did, which belongs to another user than root: it leads root only to where the owner of
            the state directory may write.
        by_root: whether this user is not root, and commands that root runs publish there, as root's settings say.
    """

    directories: tuple[Path, ...]
    by_caller: bool = True
    by_root: bool = False


def destinations(state: StateDirectory) -> Destinations:
    """The directories of the setting ``publish``. Raises `ConfigError`."""
    directories = load_config({"state": str(state.path)}).publish
    if "TVS_PUBLISH" in os.environ:
        return Destinations(directories)
    owner, user = _only_owner(state.path / SETTINGS_FILE), os.getuid()
    return Destinations(directories, by_caller=owner == user, by_root=owner == 0 != user)


def _only_owner(path: Path) -> int | None:
    """The user to whom a file belongs; None if others may write to it, or if it is not a file."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_uid if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o022 else None


def publish_lists(
    state: StateDirectory, to: Destinations, on_closed: Callable[[Path], None] | None = None
) -> tuple[Published, ...]:
    """Puts the CTL and the ITL of a state directory into directories; call it with `StateDirectory.lock` held.

    A file is replaced in one step, and only if it differs. One whose list an administrator deleted is removed, however
    long ago that was. Nothing else is touched: a file of that name that is not a trust list is an error.

    Args:
        state: the state directory.
        to: the directories.
        on_closed: called with a directory into which this user may not look and root's commands publish; it is left
            out. None if that is an error as any other.

    Raises `NotPublished` if a directory could not get them; the others have them then. Raises `StateError` for a list
    that phones would refuse; nothing is published then.
    """
    applied = read_applied(state)
    lists = {path.name: _list_of(path, applied) for path in (state.ctl_file, state.itl_file)}
    done: list[Published] = []
    problems = []
    for directory in to.directories:
        try:
            _check_other(directory, state)
            if on_closed is not None and to.by_root and _is_closed(directory):
                on_closed(directory)
                continue
            with _rights(directory, to):
                done += _into(directory, lists)
        except OSError as error:
            problem = f"{error.filename or directory}: cannot be published: {error.strerror or error}"
            problems.append(problem + _advice(state, to, error))
        except StateError as error:
            problems.append(str(error))
    if problems:
        raise NotPublished("\n".join(problems))
    return tuple(done)


@contextmanager
def _rights(directory: Path, to: Destinations) -> Iterator[None]:
    if not to.by_caller:
        yield
        return
    with as_caller(), as_owner(directory):
        yield


def _advice(state: StateDirectory, to: Destinations, error: OSError) -> str:
    if to.by_caller or os.getuid() != 0 or error.errno not in (errno.EACCES, errno.EPERM):
        return ""
    return f"; the settings are not root's, who writes nowhere else for them: chown root: {state.path / SETTINGS_FILE}"


def publish_after(state: StateDirectory, to: Destinations) -> tuple[Published, ...]:
    """`publish_lists` after a change that was made; its errors say so."""
    try:
        return publish_lists(state, to)
    except StateError as error:
        raise NotPublished(
            f"{error}\nthe change is made, but phones do not find all of it yet: when this is mended, run: tvs publish"
        ) from None


def _list_of(path: Path, applied: Applied) -> bytes | Step:
    """The list's bytes, or what becomes of a published one without it."""
    data = read_list(path)
    if data is None:
        return Step.REMOVED if applied.is_deleted(path.name) or is_deleted(path, None) else Step.LEFT
    if not (found := verify(data)).ok:
        raise StateError(f"{path}: {found.sentence}; phones would refuse it, so it is not published")
    return data


def _check_other(directory: Path, state: StateDirectory) -> None:
    if directory.resolve() == state.tftp.resolve():
        raise StateError(f"{directory}: is where the lists are made; name another directory")


def _is_closed(directory: Path) -> bool:
    """Whether this user may not look at the lists that are there. Raises another error than that."""
    try:
        for name in (CTL_NAME, ITL_NAME):
            _published_list(directory / name)
    except PermissionError:
        return True
    return False


def _into(directory: Path, lists: dict[str, bytes | Step]) -> Iterator[Published]:
    for name in (CTL_NAME, ITL_NAME):
        path, wanted = directory / name, lists[name]
        found = _published_list(path)
        if isinstance(wanted, bytes):
            step = Step.UNCHANGED if found == wanted else Step.WRITTEN
            if step is Step.WRITTEN:
                remove_left_over(path)
                write_atomically(path, wanted)
            yield Published(path, step)
        elif found is not None:
            if wanted is Step.REMOVED:
                path.unlink()
            yield Published(path, wanted)


def _published_list(path: Path) -> bytes | None:
    """The list that is there now; None without one. Raises `StateError` for another file."""
    try:
        data = read_regular(path, MAX_SIZE)
    except FileNotFoundError:
        return None
    try:
        parse_trust_list(data)
    except RemoteProtocolError:
        raise StateError(f"{path}: is not a trust list, and is kept; move it away or name another directory") from None
    return data
