"""The database is destroyed while the service runs: phones get the last good answers, until a backup is restored."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, ClassVar

import pytest

from tests.whole.faults.scenario import Fault

if TYPE_CHECKING:
    from tests.whole.faults.scenario import GoThrough


class Remains(Fault):
    """Something happens to the database that leaves the service with nothing to read; a backup is restored."""

    notice: ClassVar = "db_refresh_failed"

    def break_it(self) -> None:
        """Makes the backup first, while the service has the database open."""
        for path in self.state.path.glob("tvs.db*"):
            shutil.copy2(path, self.folder)
        self.destroy()

    def destroy(self) -> None:
        """Breaks it."""
        raise NotImplementedError

    def mend(self) -> None:
        """Takes the remains away, and puts the backup in their place."""
        for path in self.state.path.glob("tvs.db*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.folder.glob("tvs.db*"):
            shutil.copy2(path, self.state.path)


class DatabaseDeleted(Remains):
    """It is deleted, with what SQLite keeps beside it."""

    refusal: ClassVar = "holds no tvs.db"

    def destroy(self) -> None:
        """Deletes it."""
        for path in self.state.path.glob("tvs.db*"):
            path.unlink()


class DatabaseTruncated(Remains):
    """It is cut to nothing."""

    refusal: ClassVar = "the database is empty"

    def destroy(self) -> None:
        """Cuts it."""
        os.truncate(self.state.database, 0)


class DatabaseDamaged(Remains):
    """It is overwritten in place with something else."""

    refusal: ClassVar = "not an SQLite database"

    def destroy(self) -> None:
        """Overwrites it."""
        self.state.database.write_bytes(b"not a database" * 4000)


class DatabaseTorn(Remains):
    """Its second half is overwritten: the header says that all is well, and only who reads more notices."""

    notice: ClassVar = ""
    at_start: ClassVar = "db_refresh_failed"
    refusal: ClassVar = "malformed"

    def destroy(self) -> None:
        """Overwrites it, and what SQLite keeps beside it."""
        with self.state.database.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        for path in self.state.path.glob("tvs.db-*"):
            os.truncate(path, 0)


class DatabaseDirectory(Remains):
    """A directory stands in its place."""

    refusal: ClassVar = "not a regular file"

    def destroy(self) -> None:
        """Makes the directory."""
        self.state.database.unlink()
        self.state.database.mkdir()


FAULTS: list[type[Fault]] = [
    DatabaseDeleted,
    DatabaseTruncated,
    DatabaseDamaged,
    DatabaseTorn,
    DatabaseDirectory,
]


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_last_good_answers(go_through: GoThrough, kind: type[Fault]) -> None:
    """Phones are answered correctly before, during and after the fault, whatever dies; new changes come after it."""
    await go_through(kind)
