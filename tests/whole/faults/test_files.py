"""Database, CTL file and key break while the service runs: phones get the last good answers, from new workers too."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any, ClassVar

import pytest

from certstore.purposes import Purpose
from tests.fixtures.processes import rotate
from tests.whole.faults.scenario import Fault, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Workers = Callable[[Running], list[int]]

PENDING_BYTE = 0x40000000
"""The byte of a database that SQLite locks while a program waits for the whole file (SQLite, "File Locking")."""


class Moved(Fault):
    """A file is moved away, and something else may come into its place; then it comes back."""

    @property
    def path(self) -> Path:
        """The file."""
        raise NotImplementedError

    def break_it(self) -> None:
        """Moves it away."""
        self.path.rename(self.folder / "moved")
        self.replace()

    def replace(self) -> None:
        """Puts something else there."""

    def mend(self) -> None:
        """Moves it back."""
        if self.path.is_dir():
            self.path.rmdir()
        (self.folder / "moved").replace(self.path)


class List(Moved):
    """The CTL file."""

    changes_arrive: ClassVar = True
    state_shown: ClassVar = "damaged"

    @property
    def path(self) -> Path:
        """The file."""
        return self.state.ctl_file

    def told(self, readiness: dict[str, Any]) -> bool:
        """Its state is shown; the last good one answers."""
        return super().told(readiness) and readiness["ctl"]["state"] == self.state_shown


class ListMissing(List):
    """It is lost. A reload is taken: non-secure clusters have none."""

    state_shown: ClassVar = "missing"
    notice: ClassVar = "ctl_missing"


class ListDamaged(List):
    """It is cut."""

    notice: ClassVar = "ctl_damaged"
    refusal: ClassVar = "the CTL file is damaged"

    def replace(self) -> None:
        """Half of it."""
        data = (self.folder / "moved").read_bytes()
        self.path.write_bytes(data[: len(data) // 2])


class ListUnsigned(List):
    """One byte in a record is another."""

    state_shown: ClassVar = "unverified"
    notice: ClassVar = "ctl_unverified"
    refusal: ClassVar = "the CTL file is unverified"

    def replace(self) -> None:
        """The last byte."""
        data = bytearray((self.folder / "moved").read_bytes())
        data[-1] ^= 1
        self.path.write_bytes(data)


class ListFIFO(List):
    """A FIFO stands in its place, which a careless reader would wait for."""

    state_shown: ClassVar = "unreadable"
    notice: ClassVar = "ctl_unreadable"
    refusal: ClassVar = "the CTL file is unreadable"

    def replace(self) -> None:
        """A FIFO."""
        os.mkfifo(self.path)


class ListDirectory(ListFIFO):
    """A directory stands in its place."""

    def replace(self) -> None:
        """A directory."""
        self.path.mkdir()


class ListClosed(ListFIFO):
    """The service may not read it."""

    def replace(self) -> None:
        """A copy without rights."""
        shutil.copy(self.folder / "moved", self.path)
        self.path.chmod(0)


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


class Key(Moved):
    """The TVS key: workers have it in memory."""

    changes_arrive: ClassVar = True

    @property
    def path(self) -> Path:
        """The key's file."""
        (path,) = self.state.keys.glob("TVS-*.key")
        return path

    def break_it(self) -> None:
        """Remembers the path first."""
        self._path = self.path
        super().break_it()

    def mend(self) -> None:
        """Moves it back."""
        (self.folder / "moved").replace(self._path)


class KeyMissing(Key):
    """It is gone."""

    refusal: ClassVar = "the private key of the TVS certificate is not there"


class KeyDamaged(Key):
    """It is cut."""

    refusal: ClassVar = "key"

    def replace(self) -> None:
        """Half of it."""
        data = (self.folder / "moved").read_bytes()
        self._write(data[: len(data) // 2])

    def _write(self, data: bytes) -> None:
        self._path.write_bytes(data)
        self._path.chmod(0o600)


class KeyMismatched(KeyDamaged):
    """It is that of another certificate."""

    refusal: ClassVar = "key"

    def replace(self) -> None:
        """The key of CAPF."""
        (other,) = self.state.keys.glob("CAPF-*.key")
        self._write(other.read_bytes())


class KeyClosed(KeyDamaged):
    """The service may not read it."""

    refusal: ClassVar = "key"

    def replace(self) -> None:
        """A copy without rights."""
        self._write((self.folder / "moved").read_bytes())
        self._path.chmod(0)


class KeyDirectoryGone(Fault):
    """The directory of all keys is gone."""

    refusal: ClassVar = "the private key of the TVS certificate is not there"
    changes_arrive: ClassVar = True

    def break_it(self) -> None:
        """Moves it away."""
        self.state.keys.rename(self.folder / "keys")

    def mend(self) -> None:
        """Moves it back."""
        (self.folder / "keys").rename(self.state.keys)


class CertificateReplaced(Fault):
    """The certificate was replaced in the database, and its key is missing: the old one is shown."""

    refusal: ClassVar = "the private key of the TVS certificate is not there"
    changes_arrive: ClassVar = True

    def break_it(self) -> None:
        """A new certificate, whose key is lost."""
        with closing(self.state.store()) as store:
            self._before = store.entry(Purpose.TVS, "TVS")
        keys = set(self.state.keys.glob("TVS-*.key"))
        rotate(self.state)
        (lost,) = set(self.state.keys.glob("TVS-*.key")) - keys
        lost.unlink()

    def mend(self) -> None:
        """The old certificate, whose key is there, comes back."""
        with closing(self.state.store()) as store:
            store.import_certificate(self._before.certificate.der, Purpose.TVS, node=self._before.node, replace=True)


FAULTS: list[type[Fault]] = [
    ListMissing,
    ListDamaged,
    ListUnsigned,
    ListFIFO,
    ListDirectory,
    ListClosed,
    DatabaseClosed,
    Locked,
    KeyMissing,
    KeyDamaged,
    KeyMismatched,
    KeyClosed,
    KeyDirectoryGone,
    CertificateReplaced,
]


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_last_good_answers(
    serve: Serve,
    probe: Probe,
    workers: Workers,
    state: StateDirectory,
    tmp_path: Path,
    require_program: RequireProgram,
    kind: type[Fault],
) -> None:
    """Phones are answered correctly before, during and after the fault, whatever dies; new changes come after it."""
    folder = tmp_path / "aside"
    folder.mkdir()
    plain = (require_program("setpriv"), "--bounding-set", "-dac_override,-dac_read_search")  # root reads all otherwise
    fault = kind(state=state, folder=folder, start={"prefix": plain if os.geteuid() == 0 else ()})
    await run(fault, serve, probe, workers)
