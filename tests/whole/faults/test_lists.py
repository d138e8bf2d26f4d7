"""The CTL file breaks while the service runs: phones get the answers of the last good one, from new workers too."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tests.whole.faults.scenario import Moved

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whole.faults.scenario import Fault, GoThrough


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


FAULTS: list[type[Fault]] = [
    ListMissing,
    ListDamaged,
    ListUnsigned,
    ListFIFO,
    ListDirectory,
    ListClosed,
]


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_last_good_answers(go_through: GoThrough, kind: type[Fault]) -> None:
    """Phones are answered correctly before, during and after the fault, whatever dies; new changes come after it."""
    await go_through(kind)
