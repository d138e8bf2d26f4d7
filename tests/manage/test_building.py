"""Directories that are filled under another name: placed, taken back, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tvs.errors import StateError
from tvs.manage.building import building

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[False, True], ids=["new", "empty"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The place of a directory that does not exist, and of one that is empty."""
    path = tmp_path / "place"
    if request.param:
        path.mkdir()
    return path


def left(place: Path) -> list[str]:
    """The names of everything that is in the place, and beside it."""
    return sorted(str(path.relative_to(place.parent)) for path in place.parent.rglob("*") if path != place)


def test_placed(place: Path) -> None:
    """Everything is in its place at the end, and nothing else is left."""
    with building(place) as made:
        (made.folder / "a").touch()
        (made.folder / "b").mkdir()
        made.place(last="a")
    assert left(place) == ["place/a", "place/b"]


def test_not_placed(place: Path) -> None:
    """What was not placed is removed."""
    with building(place) as made:
        (made.folder / "a").touch()
    assert left(place) == []


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("bad"), KeyboardInterrupt()], ids=repr)
def test_taken_back(place: Path, error: BaseException) -> None:
    """A failure after everything is in its place takes it back; an error of the system is a sentence."""
    existed = place.exists()
    with (  # noqa: PT012 - the block is what fails
        pytest.raises(StateError if isinstance(error, OSError) else type(error)) as failed,
        building(place) as made,
    ):
        (made.folder / "a").touch()
        made.place(last="a")
        assert (place / "a").is_file()
        raise error
    if isinstance(error, OSError):
        assert str(failed.value) == f"{place}: cannot be made: Input/output error"
    assert left(place) == []
    assert place.exists() is existed


def test_a_part_cannot_be_placed(tmp_path: Path) -> None:
    """If the last file cannot get its place, the others do not stay in theirs."""
    with pytest.raises(StateError, match="cannot be made: Is a directory"), building(tmp_path) as made:  # noqa: PT012 - likewise
        (made.folder / "a").touch()
        (made.folder / "z").mkdir()
        (tmp_path / "a").mkdir()  # another program's, in the meantime
        made.place(last="a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").is_dir()
