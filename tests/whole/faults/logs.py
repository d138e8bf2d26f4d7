"""Faults of the files that the service logs to: the log, and the key log of TLS."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tests.fixtures.processes import children, until
from tests.whole.faults.scenario import KNOWN, WORKERS, Fault, answers, count

if TYPE_CHECKING:
    from typing import IO

CONVERSATIONS = 10
"""Conversations after which the files must have lines of them."""
_REQUEST, _SECRET = b" | info request ", b"SERVER_TRAFFIC_SECRET_0 "
"""One in the log for each request, one in the key log for each connection with TLS 1.3."""


@dataclass(kw_only=True)
class LogFault(Fault):
    """Both files are in a directory of their own, and something happens to both at once.

    Attributes:
        place: the directory; None for a new one.
    """

    place: Path | None = None
    _first: IO[bytes] = field(init=False)
    changes_arrive: ClassVar = True
    at_start: ClassVar = "log_not_opened"
    refusal: ClassVar = "the log cannot be written"
    lost: ClassVar = True
    """Whether workers that start meanwhile cannot open the files."""

    @property
    def paths(self) -> tuple[Path, Path]:
        """Log and key log."""
        assert self.place is not None
        return self.place / "tvs.log", self.place / "keys.log"

    def prepare(self) -> None:
        """Makes the directory, and names both files."""
        if self.place is None:
            self.place = self.folder / "logs"
            self.place.mkdir()
        log, keys = self.paths
        self.options = ("--log-file", str(log), "--tls-keylog", str(keys))

    def started(self) -> None:
        """Opens the log: whatever becomes of its name, this is the file that the supervisor writes to."""
        self._first = self.paths[0].open("rb")
        self.service.other_log = self._logged

    def _logged(self) -> str:
        """The file that was the log at first, and the one that is it now."""
        number = self._first.fileno()
        first = os.fstat(number)
        found = os.pread(number, first.st_size, 0)
        log = self.paths[0]
        if log.is_file() and not log.is_symlink() and log.stat().st_ino != first.st_ino and os.access(log, os.R_OK):
            found += b"\n" + log.read_bytes()
        return found.decode()

    async def reload(self) -> None:
        """A refusal names both files."""
        problem = "the TLS key log cannot be written"
        wanted = count(self.service, problem) + bool(self.refusal)
        await super().reload()
        await until(lambda: count(self.service, problem) >= wanted, f"a line with {problem!r}")
        assert count(self.service, problem) == wanted

    async def mended(self) -> None:
        """The workers have both files again, without a reload; the supervisor's line comes with the next one."""
        for event in ("log_opened", "tls_keylog_opened") if self.lost else ():
            await until(lambda event=event: count(self.service, event) >= WORKERS, f"lines with {event}")  # type: ignore[misc] # mypy infers no type for such a default
        await self.written()

    async def written(self) -> None:
        """Phones ask, and both files get a line for each."""
        log, keys = self.paths
        before = _count(log, _REQUEST), _count(keys, _SECRET)
        for _ in range(CONVERSATIONS):
            await answers(self.service, KNOWN)
        await until(lambda: _count(log, _REQUEST) >= before[0] + CONVERSATIONS, "lines of all requests")
        await until(lambda: _count(keys, _SECRET) >= before[1] + CONVERSATIONS, "secrets of all connections")

    async def afterwards(self) -> None:
        """After the last reload: lines of supervisor and workers are in the files, and no other file is open."""
        assert _count(self.paths[0], b" | info reloaded")
        await self.written()
        await until(lambda: self._open_files() == set(map(str, self.paths)), "no other file is open")

    def close(self) -> None:
        """Closes the log."""
        self._first.close()

    def _open_files(self) -> set[str]:
        """Files in the directory and beside it that a process of the service has open."""
        supervisor = self.service.process.pid
        found = set()
        for process in (supervisor, *children(supervisor)):
            for descriptor in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    target = os.readlink(descriptor)  # noqa: PTH115 - the text of the link, not what it leads to
                    if target.startswith((str(self.place), str(self.folder))):
                        found.add(target)
        return found


def _count(path: Path, text: bytes) -> int:
    """Number of lines with a text; 0 without a file."""
    return sum(text in line for line in path.read_bytes().splitlines()) if path.is_file() else 0
