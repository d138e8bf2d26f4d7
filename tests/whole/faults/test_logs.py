"""Log and TLS key log are replaced by something else: phones are answered, and lines come again without a restart."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, ClassVar

import pytest

from tests.whole.faults.logs import LogFault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whole.faults.scenario import GoThrough


class Replaced(LogFault):
    """Both files are moved away, and something else stands in their places."""

    def break_it(self) -> None:
        """Moves them, and puts something else there."""
        for path in self.paths:
            path.rename(path.with_suffix(".moved"))
            self.replace(path)

    def replace(self, path: Path) -> None:
        """Puts something else there."""
        raise NotImplementedError

    def mend(self) -> None:
        """Moves the files back."""
        for path in self.paths:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            path.with_suffix(".moved").rename(path)


@dataclass(kw_only=True)
class FIFO(Replaced):
    """FIFOs, whose readers do not read: writing to them would stop a worker as soon as they are full.

    They are removed later, and the files stay where they are.
    """

    _readers: tuple[IO[bytes], ...] = ()

    def replace(self, path: Path) -> None:
        """A FIFO with a reader."""
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._readers += (os.fdopen(reader, "rb"),)

    def mend(self) -> None:
        """Removes them: new files are made."""
        for path in self.paths:
            path.unlink()

    async def afterwards(self) -> None:
        """Nothing was written to them."""
        await super().afterwards()
        for reader in self._readers:
            assert reader.read() == b""

    def close(self) -> None:
        """Closes the FIFOs."""
        super().close()
        for reader in self._readers:
            reader.close()


class LonelyFIFO(FIFO):
    """FIFOs without a reader: to open one waits for ever."""

    def replace(self, path: Path) -> None:
        """A FIFO."""
        os.mkfifo(path)


class Directory(Replaced):
    """Directories."""

    def replace(self, path: Path) -> None:
        """A directory."""
        path.mkdir()


class Link(Replaced):
    """Symbolic links to a file that is not the service's."""

    @property
    def _victim(self) -> Path:
        return self.folder / "victim"

    def replace(self, path: Path) -> None:
        """A link."""
        self._victim.touch(0o644)
        path.symlink_to(self._victim)

    async def afterwards(self) -> None:
        """The file behind it is as it was."""
        await super().afterwards()
        assert (self._victim.read_bytes(), self._victim.stat().st_mode & 0o777) == (b"", 0o644)


class Closed(LogFault):
    """The service may not open its files any more; processes that have them open go on to write."""

    modes: ClassVar = (0o640, 0o600)

    def break_it(self) -> None:
        """Takes all rights."""
        for path in self.paths:
            path.chmod(0)

    def mend(self) -> None:
        """Gives them back."""
        for path, mode in zip(self.paths, self.modes, strict=True):
            path.chmod(mode)


@pytest.mark.parametrize("kind", [FIFO, LonelyFIFO, Directory, Link, Closed], ids=lambda kind: kind.__name__)
async def test_answers_go_on(go_through: GoThrough, kind: type[LogFault]) -> None:
    """Phones are answered before, during and after the fault, whatever dies; lines come again without a restart."""
    await go_through(kind)
