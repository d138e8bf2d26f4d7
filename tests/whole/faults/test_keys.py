"""The service's own key or certificate breaks while it runs: phones meet those in use, also with new workers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

import pytest

from certstore.purposes import Purpose
from tests.fixtures.processes import rotate
from tests.whole.faults.scenario import Fault, Moved

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whole.faults.scenario import GoThrough


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
    KeyMissing,
    KeyDamaged,
    KeyMismatched,
    KeyClosed,
    KeyDirectoryGone,
    CertificateReplaced,
]


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
async def test_last_good_answers(go_through: GoThrough, kind: type[Fault]) -> None:
    """Phones are answered correctly before, during and after the fault, whatever dies; new changes come after it."""
    await go_through(kind)
