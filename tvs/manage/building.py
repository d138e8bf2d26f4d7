"""A new directory, filled under another name and then put in its place: all of it or nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tvs.errors import StateError
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator


class Building:
    """A directory that is being filled.

    Args:
        path: where it will be; nothing, or an empty directory that keeps its owner and mode, such as a mount point.

    Attributes:
        folder: where it is until `place`: in `path` if that exists, else beside it. It is locked meanwhile.
        kept: whether a failure leaves what was placed where it is.

    Raises `OSError` if no directory can be made there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._above = path if path.is_dir() else path.parent
        self._above.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=self._above))
        self.kept = False
        self._placed: list[str] = []
        self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Removes what was not placed, and unlocks."""
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)
        os.close(self._lock)

    def write(self, name: str, text: str) -> None:
        """Writes a file that all users may read. Raises `OSError`."""
        write_atomically(self.folder / name, text.encode())

    def place(self, *, last: str, first: str = "") -> None:
        """Puts everything in its place. Raises `OSError`; then `take_back` is needed.

        Args:
            last: name of the file that comes last into a directory that exists.
            first: name of the one that comes first, if it matters.
        """
        if self._above != self.path:
            self.folder.chmod(0o755)  # the TFTP server reads tftp/; keys/ and the database are closed to it
            self.folder.rename(self.path)
            return
        names = [one.name for one in self.folder.iterdir()]
        for name in sorted(names, key=lambda name: (name == last) - (name == first)):
            (self.folder / name).rename(self.path / name)
            self._placed.append(name)

    def take_back(self) -> None:
        """Undoes `place`, as far as it came. Raises `OSError`."""
        if not self.folder.exists():
            self.path.rename(self.folder)
        while self._placed:
            name = self._placed.pop()
            (self.path / name).rename(self.folder / name)


@contextlib.contextmanager
def building(path: Path) -> Iterator[Building]:
    """A `Building` for a with-block. Raises `StateError` for an `OSError`, also in the block.

    An exception in the block takes back what was placed. What is not in its place at the end is removed.
    """
    above = path if path.is_dir() else path.parent
    try:
        made = Building(path)
    except OSError as error:
        raise StateError(f"{above}: no directory can be made here: {error.strerror}") from None
    try:
        yield made
    except BaseException as error:
        if not made.kept:
            with contextlib.suppress(OSError):
                made.take_back()
        if isinstance(error, OSError):
            raise StateError(f"{path}: cannot be made: {error.strerror}") from error
        raise
    finally:
        made.close()


def left_over(path: Path) -> list[Path]:
    """What killed commands left in a directory that they were filling."""
    return _begun(path, path)


def left_beside(path: Path) -> list[Path]:
    """What killed commands left beside a directory that they were making: folders of this user with private keys.

    A folder that a running command fills is not among them, nor is a copy of a state directory in use, whatever its
    name: such a one holds more, at least the lock of the first command.
    """
    try:
        return [folder for folder in _begun(path, path.parent) if _is_left(folder)]
    except OSError:
        return []


_MADE = re.compile(r"keys|tftp|joining|cluster\.json|tvs\.toml|tvs\.db(-wal|-shm|-journal)?|\..+\.new")
"""Names of all that a command puts into a directory that it makes."""


def _begun(path: Path, above: Path) -> list[Path]:
    """Folders of a directory with the names of those that become `path`."""
    name = re.compile(rf"\.{re.escape(path.name)}-[a-z0-9_]{{8}}")
    return [one for one in above.iterdir() if name.fullmatch(one.name) and one.is_dir() and not one.is_symlink()]


def _is_left(folder: Path) -> bool:
    try:
        if folder.stat().st_uid != os.geteuid() or _locked(folder):
            return False
        return all(_MADE.fullmatch(one.name) for one in folder.iterdir()) and any((folder / "keys").iterdir())
    except OSError:  # it is gone by now, say
        return False


def in_progress(path: Path) -> bool:
    """Whether a command is filling a directory, or has placed it and not ended yet."""
    return any(map(_locked, (path, *left_over(path))))


def _locked(folder: Path) -> bool:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_left_over(path: Path) -> None:
    """Removes what killed commands left in a directory; nothing while a command fills it. Raises `OSError`."""
    if path.is_dir() and not in_progress(path):
        for folder in left_over(path):
            shutil.rmtree(folder)
