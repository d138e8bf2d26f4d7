"""Files replaced atomically, with the previous ones kept."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tvs.system.files import KEPT, write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def names(directory: Path) -> set[str]:
    """Names of the files in a directory."""
    return {path.name for path in directory.iterdir()}


def test_a_new_file(tmp_path: Path) -> None:
    """The file has the content and can be read by a TFTP server; nothing is left beside it."""
    path = tmp_path / "CTLFile.tlv"
    write_atomically(path, b"one", keep=True)
    assert path.read_bytes() == b"one"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names(tmp_path) == {"CTLFile.tlv"}


def test_replacing_without_keeping(tmp_path: Path) -> None:
    """Without `keep` the old file is gone; the mode is the one that was asked for."""
    path = tmp_path / "key.pem"
    write_atomically(path, b"one", mode=0o600)
    write_atomically(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == {"key.pem"}


def test_previous_files_are_kept(tmp_path: Path) -> None:
    """NAME.1 is the newest of the previous ones, and only so many are kept."""
    path = tmp_path / "CTLFile.tlv"
    for number in range(KEPT + 3):
        write_atomically(path, b"%d" % number, keep=True)
    contents = [path.with_name(f"CTLFile.tlv.{number}").read_bytes() for number in range(1, KEPT + 1)]
    assert path.read_bytes() == b"7"
    assert contents == [b"6", b"5", b"4", b"3", b"2"]
    assert len(names(tmp_path)) == KEPT + 1


def test_a_file_behind_a_symbolic_link(tmp_path: Path) -> None:
    """The link is replaced, and what it pointed to stays and is kept."""
    target, path = tmp_path / "target", tmp_path / "CTLFile.tlv"
    target.write_bytes(b"old")
    path.symlink_to(target)
    write_atomically(path, b"new", keep=True)
    assert (path.read_bytes(), path.is_symlink(), target.read_bytes()) == (b"new", False, b"old")
    assert (tmp_path / "CTLFile.tlv.1").read_bytes() == b"old"


@pytest.mark.parametrize("broken", ["fsync", "link", "fchmod"])
def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """If any step of writing fails, the old file is in place and nothing is left beside it."""
    path = tmp_path / "CTLFile.tlv"
    path.write_bytes(b"old")

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new", keep=True)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"CTLFile.tlv"}
