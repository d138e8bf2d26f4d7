"""A CTL cache, its file, and a collector of its trace lines and events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ctlcache.cache import CertificateCTLCache

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Listener:
    """Collects trace lines and events."""

    lines: list[str] = field(default_factory=list)
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def trace(self, event: str, text: str, /, **_fields: object) -> None:
        """A trace line."""
        assert event.isidentifier()
        self.lines.append(text)

    def event(self, name: str, fields: dict[str, object]) -> None:
        """An event."""
        self.events.append((name, fields))

    @property
    def names(self) -> list[str]:
        """The events' names."""
        return [name for name, _ in self.events]


@pytest.fixture
def listener() -> Listener:
    """Collects trace lines and events of the cache."""
    return Listener()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Path of the file."""
    return tmp_path / "CTLFile.tlv"


@pytest.fixture
def cache(path: Path, listener: Listener) -> CertificateCTLCache:
    """A cache of that file."""
    return CertificateCTLCache(path, on_event=listener.event, trace=listener.trace)
