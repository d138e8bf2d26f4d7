"""What the follower sees of the trust lists that are in place."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.fixtures.administrator import Administrator
from tests.fixtures.service import made_state, state
from tvs.config.settings import Config
from tvs.process.placed import Placed

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
