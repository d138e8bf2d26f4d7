"""The trust lists that are in place: what ``cluster.json`` says, and the CTL file as workers report it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.deletion import deletion_marker
from ctlcache.inspection import FileState, inspect_file
from tvs.cluster.applied import Applied, read_applied
from tvs.status.sources import content_text
from tvs.units import CTL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.config.settings import Config
    from tvs.state import StateDirectory

_Identity = tuple[tuple[int, int, int, int] | None, ...]


class Placed:
    """Looks at the files again and again; reads those that have changed.

    Args:
        state: the state directory.
        config: settings of the service: the CTL file that its workers watch, and where the lists are published.

    Attributes:
        applied: which lists of the database were put in place.
        ctl: what workers report of the CTL file in its place, or of its copy in a directory that it is published to;
            None if they watch another file, or if there is no list to be published.
    """

    def __init__(self, state: StateDirectory, config: Config) -> None:
        self._state = state
        self._time_to_live = config.time_to_live
        self._watched = config.ctl_path == state.ctl_file
        self._published = config.ctl_path in {directory / CTL_NAME for directory in config.publish}
        self._seen: tuple[_Identity, ...] = ()
        self.applied = Applied()
        self.ctl: str | None = None

    def look(self) -> None:
        """Reads what has changed. Raises `StateError`.

        ``cluster.json`` comes first: the lists are replaced before it.
        """
        seen = tuple(map(_identity, (self._state.cluster_file, self._state.ctl_file, self._marker)))
        if seen == self._seen:
            return
        self.applied = read_applied(self._state)
        if self._watched or self._published:
            inspection = inspect_file(self._state.ctl_file, self._time_to_live)
            if inspection is None or (self._published and inspection.state is FileState.MISSING):
                self.ctl = None
            else:
                self.ctl = content_text(inspection.content)
        self._seen = seen

    @property
    def _marker(self) -> Path:
        return deletion_marker(self._state.ctl_file)


def _identity(path: Path) -> _Identity:
    """What changes when a file is replaced or written, or the one that a symbolic link leads to: workers read that."""
    return tuple(_status(path, follow=follow) for follow in (False, True))


def _status(path: Path, *, follow: bool) -> tuple[int, int, int, int] | None:
    """None without a file."""
    try:
        status = path.stat(follow_symlinks=follow)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
