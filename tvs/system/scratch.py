"""The directory of the files in which workers count: private, in memory, removed with the service."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "tvs-metrics-"
_ATTEMPTS: Final = 10


class MetricsDirectory:
    """The directory, and the lock that keeps other services from removing it.

    Args:
        path: its path.
        lock: descriptor of the locked directory; None if it could not be locked.
    """

    def __init__(self, path: Path, lock: int | None) -> None:
        self.path = path
        self._lock = lock

    def restore(self) -> bool:
        """Makes the directory again if it was removed; whether it did.

        Raises `OSError` if it cannot be made, also if something else stands in its place, which is not touched.
        """
        if self._is_there():
            return False
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700)
        self._unlock()
        self._lock = _locked(self.path)
        return True

    def _is_there(self) -> bool:
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return False
        ours = None if self._lock is None else os.fstat(self._lock)
        if not stat.S_ISDIR(found.st_mode) or (ours is not None and not os.path.samestat(ours, found)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))
        return True

    def remove(self) -> None:
        """Removes the directory and its lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextlib.contextmanager
def metrics_directory() -> Iterator[MetricsDirectory]:
    """A new directory of mode 0700, removed at the end of the with-block. Raises `OSError`.

    Directories of services whose processes were all killed are removed here. A service holds a lock on its directory
    as long as one of its processes lives: forked processes share it.
    """
    parent = _parent()
    _sweep(parent)
    directory = MetricsDirectory(*_made(parent))
    try:
        yield directory
    finally:
        directory.remove()


def _made(parent: Path) -> tuple[Path, int | None]:
    """A new directory with its lock. Another service may remove it in the moment before it is locked."""
    for _ in range(_ATTEMPTS):
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = _locked(path)
        if lock is not None:
            break
    return path, lock


def _parent() -> Path:
    """A directory in memory: if the kernel wrote the files to a disk, it would delay the workers."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]  # set by systemd for RuntimeDirectory=
    for directory in (runtime, "/dev/shm"):  # noqa: S108 - mkdtemp makes a private directory in it
        if directory and os.access(directory, os.W_OK | os.X_OK):
            return Path(directory)
    return Path(tempfile.gettempdir())


def _locked(path: Path) -> int | None:
    """A descriptor that holds the directory's lock; None if another process has it, or another user the directory."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_uid == os.geteuid():
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{PREFIX}*"):
        lock = _locked(path)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
