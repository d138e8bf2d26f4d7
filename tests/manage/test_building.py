"""Directories that are filled under another name: placed, taken back, removed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import run_tvs
from tests.fixtures.stores import ROOT
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


# -- what killed commands leave beside --------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from tvs.cli.main import main
def hook(event, arguments):
    if event == "os.rename" and os.path.basename(str(arguments[1])) == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
sys.exit(main(sys.argv[2:]))
"""


def begins(path: Path, name: str) -> Path:
    """Runs ``tvs init`` up to the moment at which a file or the directory gets its name; returns what that leaves."""
    before = set(path.parent.iterdir())
    words = ["init", "--state", str(path), "--name", "pub"]
    killed = subprocess.run([sys.executable, "-c", _KILLED, name, *words], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (folder,) = set(path.parent.iterdir()) - before
    return folder


def warned(path: Path) -> list[str]:
    """The warnings of ``tvs init`` that makes a directory."""
    done = run_tvs("init", "--state", path, "--name", "pub")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(path)
    return done.stderr.splitlines()


@pytest.mark.parametrize("name", ["ITLFile.tlv", "cluster.json", "place"])
def test_keys_that_a_killed_init_left_are_named(tmp_path: Path, name: str) -> None:
    """The next init of the same directory says where they are and how to remove them, until that is done."""
    folder = begins(tmp_path / "place", name)
    assert list((folder / "keys").glob("CallManager-*.key"))
    for _ in range(2):
        (line,) = warned(tmp_path / "place")
        assert line == (
            f"tvs: warning: {folder}: an init that was killed left it, with private keys that nothing uses; "
            f"remove it: rm -r {folder}"
        )
    assert warned(tmp_path / "other") == []
    subprocess.run(line.rpartition(": ")[2].split(), check=True)
    assert warned(tmp_path / "place") == []


def test_what_is_not_left_over(tmp_path: Path) -> None:
    """A folder that is being filled is not named, nor a backup of a directory in use, nor what is another user's."""
    path = tmp_path / "place"
    assert run_tvs("init", "--state", path, "--name", "pub").returncode == 0
    assert run_tvs("set", "phones", "with-tvs", "--state", path).returncode == 0
    path.rename(tmp_path / ".place-20261129")
    (tmp_path / ".place-somebody").mkdir()
    (tmp_path / ".place-somelink").symlink_to(begins(tmp_path / "other", "other"))
    if os.geteuid() == 0:
        foreign = begins(path, "place").rename(tmp_path / ".place-stranger")
        os.chown(foreign, 65531, 65531)
    with building(path) as made:
        shutil.copytree(tmp_path / ".place-somelink" / "keys", made.folder / "keys")
        assert warned(path) == []
