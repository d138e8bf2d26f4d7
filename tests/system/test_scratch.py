"""The directory of the files in which workers count."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from tvs.system.memory import resident_memory
from tvs.system.scratch import PREFIX, metrics_directory

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_directory_lives_with_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is private, in systemd's runtime directory if there is one, and gone with its contents at the end."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:/other")
    with metrics_directory() as directory:
        assert (directory.parent, stat.S_IMODE(directory.stat().st_mode)) == (tmp_path, 0o700)
        (directory / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_left_over_directories_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories of killed services are removed; those of running services, files and links stay."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    left, target = tmp_path / f"{PREFIX}left", tmp_path / "target"
    left.mkdir()
    (left / "file").touch()
    target.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(target)
    (tmp_path / f"{PREFIX}file").touch()
    with metrics_directory() as first, metrics_directory() as second:
        assert not left.exists()
        assert first.is_dir()
        assert second.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"target", f"{PREFIX}link", f"{PREFIX}file"}


def test_memory_of_a_process() -> None:
    """The memory of a process that runs, in bytes; None for one that does not."""
    here = resident_memory(os.getpid())
    assert here is not None
    assert here > 1_000_000
    assert resident_memory(2**22 + 1) is None
