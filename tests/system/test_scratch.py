"""The directory of the files in which workers count."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from tvs.system.memory import resident_memory
from tvs.system.scratch import PREFIX, metrics_directory

if TYPE_CHECKING:
    from pathlib import Path


def test_directory_lives_with_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is private, in systemd's runtime directory if there is one, and gone with its contents at the end."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{tmp_path}:/other")
    with metrics_directory() as directory:
        path = directory.path
        assert (path.parent, stat.S_IMODE(path.stat().st_mode)) == (tmp_path, 0o700)
        (path / "file").touch()
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
        assert first.path.is_dir()
        assert second.path.is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"target", f"{PREFIX}link", f"{PREFIX}file"}


def test_directory_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made again at its path, private and locked, also without its parent; what stands in its place stays."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(runtime))
    with metrics_directory() as directory:
        assert not directory.restore()
        shutil.rmtree(runtime)
        assert directory.restore()
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
        with metrics_directory():
            assert directory.path.is_dir()
        assert not directory.restore()
        directory.path.rmdir()
        directory.path.symlink_to(tmp_path)
        with pytest.raises(FileExistsError):
            directory.restore()
        assert directory.path.is_symlink()
        directory.path.unlink()
        assert directory.restore()


def test_memory_of_a_process() -> None:
    """The memory of a process that runs, in bytes; None for one that does not."""
    here = resident_memory(os.getpid())
    assert here is not None
    assert here > 1_000_000
    assert resident_memory(2**22 + 1) is None
