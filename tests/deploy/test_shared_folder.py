"""Folders that several testing processes share: filled once, there for all, gone after the last one."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.fixtures.machines import shared_folder
from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

USERS = 4


def test_users_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Users that come at once, want two folders in any order and leave late all get both; nobody waits for an end."""
    tmp_path_factory.getbasetemp()  # made here: threads would make several
    names = [f"shared-{os.getpid()}-{number}" for number in range(2)]
    filled: list[Path] = []
    all_there = threading.Barrier(USERS, timeout=PATIENCE)

    def fill(folder: Path) -> None:
        folder.mkdir()
        (folder / "content").touch()
        filled.append(folder)

    def use(number: int) -> list[bool]:
        with contextlib.ExitStack() as stack:
            wanted = names if number % 2 else names[::-1]
            folders = [stack.enter_context(shared_folder(tmp_path_factory, name, fill)) for name in wanted]
            all_there.wait()
            return [(folder / "content").exists() for folder in folders]

    with ThreadPoolExecutor(USERS) as pool:
        assert list(pool.map(use, range(USERS))) == [[True, True]] * USERS
    assert sorted(folder.name for folder in filled) == names
    assert not any(folder.exists() for folder in filled)
