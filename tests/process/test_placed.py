"""What the follower sees of the trust lists that are in place."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ctlcache.inspection import FileState, inspect_file
from tests.fixtures.administrator import Administrator
from tests.fixtures.service import made_state, state
from tvs.config.settings import Config
from tvs.process.placed import Placed
from tvs.status.sources import content_text

if TYPE_CHECKING:
    from pathlib import Path

    from tvs.state import StateDirectory

__all__ = ["made_state", "state"]


def digest(data: bytes) -> str:
    """As workers report it."""
    return hashlib.sha256(data).hexdigest()[:32]


def test_a_ctl_file_behind_a_symbolic_link(state: StateDirectory, tmp_path: Path) -> None:
    """It is read again when the file that the link leads to is replaced, and when the link leads to another one."""
    old = state.ctl_file.read_bytes()
    Administrator(state).does("utils", "ctl", "update", "CTLFile", "-y")
    new = state.ctl_file.read_bytes()
    assert old != new
    target = tmp_path / "target.tlv"
    target.write_bytes(old)
    state.ctl_file.unlink()
    state.ctl_file.symlink_to(target)
    placed = Placed(state, Config(state=state.path))
    placed.look()
    assert placed.ctl == digest(old)
    (tmp_path / "new.tlv").write_bytes(new)
    (tmp_path / "new.tlv").replace(target)
    placed.look()
    assert placed.ctl == digest(new)
    (tmp_path / "other.tlv").write_bytes(old)
    (tmp_path / "link").symlink_to(tmp_path / "other.tlv")
    (tmp_path / "link").replace(state.ctl_file)
    placed.look()
    assert placed.ctl == digest(old)


def test_a_published_ctl_file(state: StateDirectory, tmp_path: Path) -> None:
    """Workers that watch a published copy must have the list that is published; one that nobody publishes is theirs."""
    folder, elsewhere = tmp_path / "share", tmp_path / "elsewhere"
    both = [
        Placed(state, Config(state=state.path, ctl_file=place / "CTLFile.tlv", publish=(tmp_path, folder)))
        for place in (folder, elsewhere)
    ]

    def seen() -> list[str | None]:
        for placed in both:
            placed.look()
        return [placed.ctl for placed in both]

    assert seen() == [digest(state.ctl_file.read_bytes()), None]
    kept = state.ctl_file.rename(tmp_path / "kept")
    assert seen() == [None, None], "a published list that vanished here is left"
    kept.rename(state.ctl_file)
    Administrator(state).does("file", "delete", "tftp", "CTLFile.tlv", "-y", "--force")
    published = inspect_file(folder / "CTLFile.tlv", 1, copy_of=state.ctl_file)
    assert published is not None
    assert published.state is FileState.DELETED
    assert seen() == [content_text(published.content), None]
