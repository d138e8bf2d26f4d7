"""The database breaks while the service runs: phones get the last good answers, from new workers too."""

from __future__ import annotations

import fcntl
import shutil
from typing import IO, TYPE_CHECKING, ClassVar

import pytest

from tests.whole.faults.scenario import Fault, Moved

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whole.faults.scenario import GoThrough

PENDING_BYTE = 0x40000000
"""The byte of a database that SQLite locks while a program waits for the whole file (SQLite, "File Locking")."""


class Locked(Fault):
    """Another program locks the database for long: who has it open reads on, nobody else gets in."""

    refusal: ClassVar = "another program has held the database for"
    at_start: ClassVar = "db_refresh_failed"
    _file: IO[bytes]

    def break_it(self) -> None:
        """Locks it."""
        self._file = self.state.database.open("r+b")
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, PENDING_BYTE)

    def mend(self) -> None:
        """Lets it go."""
        self._file.close()


class DatabaseClosed(Moved):
    """The service may not read the database any more: another file has taken its place."""

    refusal: ClassVar = "unable to open database file"
    notice: ClassVar = "db_refresh_failed"

    @property
    def path(self) -> Path:
        """The database."""
        return self.state.database

    def replace(self) -> None:
        """A copy without rights."""
        shutil.copy(self.folder / "moved", self.path)
        self.path.chmod(0)


FAULTS: list[type[Fault]] = [DatabaseClosed, Locked]


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_last_good_answers(go_through: GoThrough, kind: type[Fault]) -> None:
    """Phones are answered correctly before, during and after the fault, whatever dies; new changes come after it."""
    await go_through(kind)
