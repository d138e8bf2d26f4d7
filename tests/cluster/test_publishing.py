"""Trust lists in the directories that TFTP and web servers hand out: `tvs publish`, and the setting of that name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator

NAMES = ("CTLFile.tlv", "ITLFile.tlv")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The directories of a TFTP and of a web server."""
    folders = (tmp_path / "srv tftp", tmp_path / "www")
    for folder in folders:
        folder.mkdir()
    return folders


def same(admin: Administrator, *folders: Path) -> bool:
    """Whether the directories hold the lists of the state directory, and nothing else."""
    made = {path.name: path.read_bytes() for path in (admin.state.ctl_file, admin.state.itl_file) if path.exists()}
    return all({path.name: path.read_bytes() for path in folder.iterdir()} == made for folder in folders)


def configured(admin: Administrator, *folders: object) -> None:
    """Names the directories in the settings."""
    names = ", ".join(f'"{folder}"' for folder in folders)
    (admin.state.path / "tvs.toml").write_text(f"publish = [{names}]\n")


def test_into_directories(admin: Administrator, folders: tuple[Path, Path]) -> None:
    """Both lists come into each directory, readable for everybody; what is there already is not written again."""
    done = admin.does("publish", *folders)
    assert done.lines == [f"written   {folder / name}" for folder in folders for name in NAMES]
    assert same(admin, *folders)
    before = [(folder / name).stat() for folder in folders for name in NAMES]
    assert {status.st_mode & 0o777 for status in before} == {0o644}
    done = admin.does("publish", *folders, "--json")
    assert {file["step"] for file in json.loads(done.out)["published"]} == {"unchanged"}
    assert [(folder / name).stat().st_ino for folder in folders for name in NAMES] == [old.st_ino for old in before]


def test_after_each_change(admin: Administrator, folders: tuple[Path, Path]) -> None:
    """With the setting, a change puts its lists there; one that changes no list says nothing."""
    configured(admin, *folders)
    done = admin.does("utils", "ctl", "update", "CTLFile", "-y")
    assert done.lines[-2:] == [f"Published in {folder}" for folder in folders]
    assert same(admin, *folders)
    done = admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current", "--json")
    assert [(file["step"]) for file in json.loads(done.out)["published"]].count("written") >= 2
    assert same(admin, *folders)
    assert "Published" not in admin.does("set", "phones", "with-tvs").out


def test_check_of_the_files(admin: Administrator, folders: tuple[Path, Path]) -> None:
    """`tvs check files` finds what a change has not put there, and `tvs publish` mends it."""
    configured(admin, *folders)
    admin.does("publish")
    sources = [word for folder in folders for word in ("--from", folder)]
    admin.does("check", "files", *sources)
    configured(admin)
    admin.does("utils", "itl", "update", "ITLFile", "-y")
    done = admin("check", "files", *sources)
    assert (done.status, done.out.count("has another ITLFile.tlv")) == (2, 2), done.out
    admin.does("publish", *folders)
    admin.does("check", "files", *sources)


def test_deleted_list(admin: Administrator, folders: tuple[Path, Path]) -> None:
    """A list that is deleted with the command disappears there as well, one that vanished by accident does not."""
    admin.does("publish", *folders)
    configured(admin, folders[0])
    admin.does("file", "delete", "tftp", "CTLFile.tlv", "-y", "--force")
    assert [path.name for path in folders[0].iterdir()] == ["ITLFile.tlv"]
    assert f"removed   {folders[1] / 'CTLFile.tlv'}" in admin.does("publish", *folders).lines
    admin.state.itl_file.unlink()
    done = admin.does("publish", *folders)
    assert done.lines == [f"left      {folder / 'ITLFile.tlv'}" for folder in folders]
    assert all((folder / "ITLFile.tlv").exists() for folder in folders)


@pytest.mark.parametrize("name", NAMES)
def test_deleted_while_the_directory_was_away(admin: Administrator, tmp_path: Path, name: str) -> None:
    """A directory that missed the deletion loses the list when it is back; a list of accident stays there."""
    folder, away = tmp_path / "srv", tmp_path / "away"
    folder.mkdir()
    configured(admin, folder)
    admin.does("publish")
    folder.rename(away)
    done = admin("file", "delete", "tftp", name, "-y", "--force")
    assert (done.status, "when this is mended, run: tvs publish" in done.err) == (1, True), done.err
    away.rename(folder)
    (other,) = set(NAMES) - {name}
    (admin.state.tftp / other).unlink()
    steps = [f"removed   {folder / name}", f"left      {folder / other}"]
    assert sorted(admin.does("publish").lines) == sorted(steps)
    assert [path.name for path in folder.iterdir()] == [other]


def test_a_list_that_was_made_again_is_not_a_deleted_one(admin: Administrator, folders: tuple[Path, Path]) -> None:
    """The deletion counts until there is another list: that one can vanish by accident."""
    admin.does("file", "delete", "tftp", "ITLFile.tlv", "-y", "--force")
    admin.does("utils", "itl", "update", "ITLFile", "-y", "--force")
    admin.does("publish", folders[0])
    admin.state.itl_file.unlink()
    assert f"left      {folders[0] / 'ITLFile.tlv'}" in admin.does("publish", folders[0]).lines


def test_other_file_is_kept(admin: Administrator, folders: tuple[Path, Path]) -> None:
    """A file of that name that is not a trust list is kept and named; the other directory has the lists."""
    (folders[0] / "CTLFile.tlv").write_text("my notes")
    done = admin("publish", *folders)
    assert (done.status, done.out) == (1, "")
    assert f"tvs: {folders[0] / 'CTLFile.tlv'}: is not a trust list, and is kept" in done.err
    assert (folders[0] / "CTLFile.tlv").read_text() == "my notes"
    assert same(admin, folders[1])


def test_directory_that_is_missing(admin: Administrator, folders: tuple[Path, Path], tmp_path: Path) -> None:
    """A change says that it was made and not published, and how it is mended; that works."""
    missing = tmp_path / "missing"
    configured(admin, missing, folders[0])
    before = admin.state.ctl_file.read_bytes()
    done = admin("utils", "ctl", "update", "CTLFile", "-y")
    assert done.status == 1
    assert f"tvs: {missing}: cannot be published: No such file or directory\n" in done.err
    assert "the change is made, but phones do not find all of it yet" in done.err
    assert admin.state.ctl_file.read_bytes() != before
    assert same(admin, folders[0])
    missing.mkdir()
    admin.does("publish")
    assert same(admin, missing)


def test_damaged_list(admin: Administrator, folders: tuple[Path, Path]) -> None:
    """A list that phones would refuse is not published, and neither is the other one."""
    data = bytearray(admin.state.ctl_file.read_bytes())
    data[-40] ^= 1
    admin.state.ctl_file.write_bytes(data)
    done = admin("publish", *folders)
    assert (done.status, "phones would refuse it" in done.err) == (1, True), done.err
    assert not any(path for folder in folders for path in folder.iterdir())


def test_directory_of_the_lists_themselves(admin: Administrator) -> None:
    """The directory in which the lists are made is refused."""
    done = admin("publish", admin.state.tftp)
    assert (done.status, "name another directory" in done.err) == (1, True)


def test_no_directory(admin: Administrator) -> None:
    """Without a directory and the setting, the command says what to do."""
    done = admin("publish")
    assert (done.status, 'set publish = ["DIR"] in tvs.toml' in done.err) == (2, True)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('publish = ["srv/tftp"]', "'srv/tftp' is not a whole path"),
        ("publish = 5", "5 is not an array of directories"),
        ("publish = [5]", "5 is not a text"),
        ('publish = ["/srv", ""]', "the path is empty"),
    ],
)
def test_wrong_setting(admin: Administrator, line: str, problem: str) -> None:
    """A setting that cannot be meant stops the change before it is made."""
    (admin.state.path / "tvs.toml").write_text(line + "\n")
    before = admin.state.ctl_file.read_bytes()
    done = admin("utils", "ctl", "update", "CTLFile", "-y")
    assert (done.status, problem in done.err) == (2, True), done.err
    assert admin.state.ctl_file.read_bytes() == before


def test_setting_in_the_environment(
    admin: Administrator, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the environment, colons stand between the directories."""
    monkeypatch.setenv("TVS_PUBLISH", ":".join(map(str, folders)))
    admin.does("publish")
    assert same(admin, *folders)
