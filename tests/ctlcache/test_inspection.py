"""Inspection of the CTL file: its state, its content, and why it is not good."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from ctlcache.inspection import FileState, inspect_file
from ctlcache.trustlist import MAX_SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.inspection import Inspection


def inspected(path: Path) -> Inspection:
    """The first inspection of a file."""
    made = inspect_file(path, 60)
    assert made is not None
    return made


def test_a_good_list(tmp_path: Path, tokenless: bytes) -> None:
    """A good list has its header, its index with the given time to live, and nothing to complain of."""
    path = tmp_path / "list"
    path.write_bytes(tokenless)
    made = inspected(path)
    assert (made.state, made.detail, made.reason, made.torn) == (FileState.OK, "", "", False)
    assert made.content == hashlib.sha256(tokenless).digest()
    assert made.header is not None
    assert made.loaded is not None
    assert made.header.serial_number.hex().upper() == "70CAF64E090751B9DF22F49F754FC5BB"
    assert {entry.time_to_live for entry in made.loaded.index} == {60}


def test_the_known_content(tmp_path: Path, tokenless: bytes, regenerated: bytes) -> None:
    """Content that is known already gives nothing, also that of a file that is missing or bad."""
    path = tmp_path / "list"
    for content in (None, tokenless, b"rubbish", regenerated):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
        made = inspected(path)
        assert inspect_file(path, 60, made.content) is None
        again = inspect_file(path, 60, b"something else")
        assert again is not None
        assert (again.state, again.content, again.reason) == (made.state, made.content, made.reason)


def test_files_that_are_not_good(tmp_path: Path, tokenless: bytes) -> None:
    """Each bad file has its state, a detail from a closed set and a sentence, and is not for use."""
    changed = bytearray(tokenless)
    changed[-1] ^= 1
    cases = {
        b"": (FileState.DAMAGED, "truncated", "the file is damaged"),
        tokenless[:-1]: (FileState.DAMAGED, "truncated", "the file is damaged"),
        bytes(MAX_SIZE + 1): (FileState.DAMAGED, "too_large", "the file is damaged"),
        bytes(changed): (FileState.UNVERIFIED, "bad_signature", "the signature does not match"),
    }
    path = tmp_path / "list"
    for content, (state, detail, words) in cases.items():
        path.write_bytes(content)
        made = inspected(path)
        assert (made.state, made.detail) == (state, detail)
        assert made.reason.startswith(words)
        assert (made.header, made.loaded) == (None, None)


@pytest.mark.parametrize("kind", ["missing", "directory", "fifo"])
def test_paths_without_a_file(tmp_path: Path, kind: str) -> None:
    """A missing file is told from one that cannot be read; neither keeps the caller waiting."""
    path = tmp_path / "list"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    made = inspected(path)
    assert made.state is (FileState.MISSING if kind == "missing" else FileState.UNREADABLE)
    assert made.detail == str(made.state)
    assert made.reason in ("No such file or directory", f"{path} is not a regular file")
    assert made.loaded is None
