"""Trust lists between database and files: killed commands, files put in place by hand, damage, older versions."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from ctlcache.deletion import deletion_marker
from ctlcache.verification import verify
from tests.fixtures.generations import check_settled, files, generation, killed_at, stored
from tvs.cluster.applied import read_applied
from tvs.cluster.replication import Taken, apply_lists
from tvs.errors import StateError
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator, Done

DIGEST = ("set", "digest", "sha256")
"""A command that makes both lists."""
OTHER = ("set", "phones", "with-tvs")
"""A command that makes no list."""
DELETE = ("file", "delete", "tftp", CTL_NAME, "-y")


def apply(admin: Administrator) -> Taken:
    """Takes the lists of the database."""
    with admin.state.lock(), admin.store() as store:
        return apply_lists(admin.state, store)


def content(path: Path) -> dict[str, tuple[bytes, int]]:
    """Content and inode of each file of a directory."""
    return {file.name: (file.read_bytes(), file.stat().st_ino) for file in path.iterdir() if file.is_file()}


# -- killed commands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "old"),
    [(CTL_NAME, {CTL_NAME, ITL_NAME}), (ITL_NAME, {ITL_NAME}), ("cluster.json", set())],
)
def test_a_killed_command_is_completed(admin: Administrator, at: str, old: set[str]) -> None:
    """Killed behind the commit of the database, a command leaves old files; the next command puts the new in place."""
    before = files(admin.state)
    killed_at(admin.state, at, *DIGEST)
    new = stored(admin.state)
    assert generation(admin.state).number == 2
    assert {name for name, data in files(admin.state).items() if data == before[name]} == old
    assert {name for name, data in files(admin.state).items() if data == new[name]} == {CTL_NAME, ITL_NAME} - old
    done = admin.does(*OTHER)
    assert done.err.count("was not in place yet: took that of generation 2") == len(old)
    assert files(admin.state) == new
    check_settled(admin.state)
    for name in (CTL_NAME, ITL_NAME):
        assert (admin.state.tftp / f"{name}.1").read_bytes() == before[name], "the one before is kept"
    assert not list(admin.state.path.rglob(".*.new")), "nothing is left of the killed command"
    assert "not in place" not in admin.does(*OTHER).err


def test_a_killed_deletion_is_completed(admin: Administrator) -> None:
    """The deleted file goes, and leaves its marker, when the next command completes the deletion."""
    data = admin.state.ctl_file.read_bytes()
    killed_at(admin.state, deletion_marker(admin.state.ctl_file).name, *DELETE)
    assert admin.state.ctl_file.exists()
    assert stored(admin.state)[CTL_NAME] is None
    assert "CTLFile.tlv was not deleted yet: did so for generation 2" in admin.does(*OTHER).err
    assert not admin.state.ctl_file.exists()
    assert deletion_marker(admin.state.ctl_file).read_bytes() == data
    check_settled(admin.state)


def test_a_deletion_that_was_done_but_not_noted(admin: Administrator) -> None:
    """Killed behind the deletion, the next command changes neither the marker nor the files."""
    killed_at(admin.state, "cluster.json", *DELETE)
    before = content(admin.state.tftp)
    admin.does(*OTHER)
    assert content(admin.state.tftp) == before
    assert before[deletion_marker(admin.state.ctl_file).name][0], "the marker is still the deleted list"
    check_settled(admin.state)


def test_a_completed_change_is_published(admin: Administrator, tmp_path: Path) -> None:
    """Directories that servers hand out get what a killed command left behind, deletions too."""
    (admin.state.path / "tvs.toml").write_text(f'publish = ["{tmp_path / "srv"}"]\n')
    (tmp_path / "srv").mkdir()
    admin.does("publish")
    killed_at(admin.state, CTL_NAME, *DIGEST)
    admin.does(*OTHER)
    assert {path.name: path.read_bytes() for path in (tmp_path / "srv").iterdir()} == files(admin.state)
    killed_at(admin.state, deletion_marker(admin.state.ctl_file).name, *DELETE)
    admin.does(*OTHER)
    assert [path.name for path in (tmp_path / "srv").iterdir()] == [ITL_NAME]


def test_a_directory_that_missed_a_change(admin: Administrator, tmp_path: Path) -> None:
    """It gets the lists by the next command, whatever that changes; while it cannot, each says so and does its work."""
    served = tmp_path / "srv"
    (admin.state.path / "tvs.toml").write_text(f'publish = ["{served}"]\n')
    killed_at(admin.state, CTL_NAME, *DIGEST)
    for _ in range(2):
        done = admin.does(*OTHER)
        assert f"tvs: warning: {served}: cannot be published: No such file or directory; when" in done.err
    assert "Published" not in done.out
    served.mkdir()
    done = admin.does(*OTHER)
    assert "warning" not in done.err
    assert {path.name: path.read_bytes() for path in served.iterdir()} == files(admin.state)
    assert "Published" not in admin.does(*OTHER).out
    (served / CTL_NAME).unlink()
    assert admin.does("set", "cert", "import", "trust", "Phone-trust", own(admin, tmp_path)).lines[-1] == (
        f"Published in {served}"
    )
    (served / CTL_NAME).rename(tmp_path / "notes")
    (served / CTL_NAME).write_text("my notes")
    assert "is not a trust list" in admin.does("set", "csr", "gen", "CAPF").err


def own(admin: Administrator, folder: Path) -> Path:
    """A certificate in a file."""
    path = folder / "own.pem"
    path.write_text(admin.does("show", "cert", "own", "TVS", "--pem").out)
    return path


def test_publish_takes_the_lists_first(admin: Administrator, tmp_path: Path) -> None:
    """`tvs publish` after a killed command hands out the lists of the database, and removes a deleted one."""
    served = tmp_path / "srv"
    served.mkdir()
    killed_at(admin.state, CTL_NAME, *DIGEST)
    done = admin.does("publish", served)
    assert done.err.count("was not in place yet: took that of generation 2") == 2
    assert {path.name: path.read_bytes() for path in served.iterdir()} == stored(admin.state)
    check_settled(admin.state)
    killed_at(admin.state, deletion_marker(admin.state.ctl_file).name, *DELETE)
    done = admin.does("publish", served)
    assert f"removed   {served / CTL_NAME}" in done.lines
    assert [path.name for path in served.iterdir()] == [ITL_NAME]
    assert admin.does("publish", served).err == ""


def test_publish_without_the_database(admin: Administrator, tmp_path: Path) -> None:
    """While the database cannot be read, the lists that are in place are published, with a warning."""
    served = tmp_path / "srv"
    served.mkdir()
    for path in admin.state.path.glob("tvs.db*"):
        path.write_bytes(b"rubbish" * 1000)
    done = admin.does("publish", served)
    assert f"tvs: warning: {admin.state.database}: " in done.err
    assert "these are the lists that were in place, and may not be the last ones" in done.err
    assert {path.name: path.read_bytes() for path in served.iterdir()} == files(admin.state)


@pytest.mark.parametrize("held", [(), ("--held", "current")], ids=["recent", "current"])
@pytest.mark.parametrize(
    ("at", "words"), [(CTL_NAME, DIGEST), (f".{CTL_NAME}.deleted", DELETE)], ids=["made", "deleted"]
)
def test_a_plan_begins_with_the_lists_of_the_database(
    admin: Administrator, at: str, words: tuple[str, ...], held: tuple[str, ...]
) -> None:
    """After a killed command, a plan says what it says when the lists are in place; it puts nothing there itself."""
    killed_at(admin.state, at, *words)
    before = content(admin.state.tftp), admin.state.cluster_file.read_bytes()
    planned = admin("ctl", "plan", "regen", "CallManager", "--json", *held)
    assert (content(admin.state.tftp), admin.state.cluster_file.read_bytes()) == before
    assert f"tvs: {CTL_NAME} is not " in planned.err
    assert "yet as of generation 2: planned with" in planned.err
    admin.does("publish", admin.state.path.parent)
    again = admin("ctl", "plan", "regen", "CallManager", "--json", *held)
    assert again.err == ""
    assert planned.status == again.status
    assert facts(planned) == facts(again)


def facts(planned: Done) -> dict[str, Any]:
    """The facts of a plan, without the names of held files and what differs from proposal to proposal."""
    plan: dict[str, Any] = json.loads(planned.out)
    for outcome in plan["outcomes"]:
        del outcome["held"]
    return {key: plan[key] for key in ("safe", "outcomes")} | {"codes": [found["code"] for found in plan["findings"]]}


# -- files put in place by hand --------------------------------------------------------------------------------------


def test_a_file_put_in_place_by_hand_stays(admin: Administrator) -> None:
    """A good list that an administrator copied there stays, and the database gets it with the next change."""
    first = admin.state.ctl_file.read_bytes()
    admin.does(*DIGEST)
    assert stored(admin.state)[CTL_NAME] != first
    admin.state.ctl_file.write_bytes(first)
    assert apply(admin) == Taken(generation=2)
    assert admin.state.ctl_file.read_bytes() == first
    admin.does(*OTHER)
    assert admin.state.ctl_file.read_bytes() == first
    check_settled(admin.state)


def test_a_deleted_file_that_was_put_back(admin: Administrator) -> None:
    """A list that is copied back after its deletion counts again; a killed command that deletes it again counts."""
    first = admin.state.ctl_file.read_bytes()
    admin.does(*DELETE)
    admin.state.ctl_file.write_bytes(first)
    admin.does(*OTHER)
    assert stored(admin.state)[CTL_NAME] == first
    check_settled(admin.state)
    admin.does(*DELETE)
    admin.state.ctl_file.write_bytes(first)
    killed_at(admin.state, deletion_marker(admin.state.ctl_file).name, *DELETE)
    assert admin.state.ctl_file.exists()
    admin.does(*OTHER)
    assert not admin.state.ctl_file.exists()
    check_settled(admin.state)


@pytest.mark.parametrize("damaged", [True, False])
def test_a_damaged_or_missing_file(admin: Administrator, damaged: bool) -> None:
    """A file that is damaged or missing stays so in changes that do not make it; the database keeps its good list."""
    good, path = stored(admin.state), admin.state.ctl_file
    if damaged:
        path.write_bytes(path.read_bytes()[:-7])
    else:
        path.unlink()
    before = files(admin.state)
    admin.does(*OTHER)
    assert files(admin.state) == before
    assert stored(admin.state) == good
    admin.does("utils", "ctl", "update", "CTLFile", "-y", "--force")
    check_settled(admin.state)


# -- the record of what was applied ----------------------------------------------------------------------------------


def test_twice_is_once(admin: Administrator) -> None:
    """Lists that are in place are not touched: neither files nor the record of them."""
    killed_at(admin.state, CTL_NAME, *DIGEST)
    assert apply(admin) == Taken(generation=2, written=(CTL_NAME, ITL_NAME))
    before = content(admin.state.tftp), content(admin.state.path)["cluster.json"]
    assert apply(admin) == Taken(generation=2)
    assert (content(admin.state.tftp), content(admin.state.path)["cluster.json"]) == before


def test_the_record(admin: Administrator) -> None:
    """The record is for the owner alone, and names the generation."""
    admin.does(*DIGEST)
    path = admin.state.cluster_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_applied(admin.state).generation == admin.situation().generation == 2


@pytest.mark.parametrize(
    "data",
    [None, b"", b"{", b"[]", b'{"generation": 1}', b'{"generation": 1, "lists": {"CTLFile.tlv": 5}}', b"[" * 4000],
)
def test_a_damaged_record(admin: Administrator, data: bytes | None) -> None:
    """Without a usable record the files become those of the database; those that were there are kept."""
    if data is None:
        admin.state.cluster_file.unlink()
    else:
        admin.state.cluster_file.write_bytes(data)
    good = files(admin.state)
    admin.state.ctl_file.write_bytes(admin.state.itl_file.read_bytes())
    admin.does(*OTHER)
    assert files(admin.state) == good
    assert (admin.state.tftp / f"{CTL_NAME}.1").read_bytes() == good[ITL_NAME]
    check_settled(admin.state)


def test_a_record_that_is_not_a_file(admin: Administrator) -> None:
    """A FIFO in its place is named, and nothing waits for it."""
    admin.state.cluster_file.unlink()
    os.mkfifo(admin.state.cluster_file)
    done = admin(*OTHER)
    assert (done.status, done.err) == (
        1,
        f"tvs: {admin.state.cluster_file}: cannot be read: it is not a regular file; remove it\n",
    )


# -- other databases -------------------------------------------------------------------------------------------------


def test_a_list_that_phones_would_refuse(admin: Administrator) -> None:
    """A damaged list in the database is not put in place, and named; the next one that a command makes is."""
    before = files(admin.state)
    with admin.store() as store:
        store.advance(1, who="elsewhere", what="x", lists={CTL_NAME: b"rubbish", ITL_NAME: None})
    done = admin.does(*OTHER)
    assert "tvs: warning: CTLFile.tlv of generation 2 in the database: the file is damaged" in done.err
    assert files(admin.state) == {CTL_NAME: before[CTL_NAME], ITL_NAME: None}
    assert stored(admin.state)[CTL_NAME] == before[CTL_NAME], "the good file is the database's again"
    check_settled(admin.state)


def test_no_room(admin: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the lists of the database cannot be written here, the command is refused and the files stay."""
    killed_at(admin.state, CTL_NAME, *DIGEST)
    before, left = files(admin.state), set(admin.state.path.rglob(".*.new"))
    monkeypatch.setattr(os, "fsync", _no_room)
    with pytest.raises(StateError, match="cannot be written: No space left on device; nothing was changed"):
        apply(admin)
    monkeypatch.undo()
    assert files(admin.state) == before
    assert set(admin.state.path.rglob(".*.new")) <= left
    assert apply(admin).written == (CTL_NAME, ITL_NAME)


def _no_room(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_restored_database_brings_its_lists(admin: Administrator, tmp_path: Path) -> None:
    """A backup of the database in its place brings the lists of then; those that were there are kept."""
    with closing(sqlite3.connect(admin.state.database)) as source, closing(sqlite3.connect(tmp_path / "copy")) as copy:
        source.backup(copy)
    first = files(admin.state)
    admin.does(*DIGEST)
    second = files(admin.state)
    for side in ("-wal", "-shm"):
        admin.state.database.with_name(f"tvs.db{side}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy", admin.state.database)
    admin.does(*OTHER)
    assert files(admin.state) == first
    assert (admin.state.tftp / f"{CTL_NAME}.1").read_bytes() == second[CTL_NAME]
    check_settled(admin.state)
    assert generation(admin.state).number == 2


def test_a_directory_of_an_earlier_version(admin: Administrator) -> None:
    """Without lists in the database the files stay as they are, and the first change puts both into it."""
    admin.state.cluster_file.unlink()
    with closing(sqlite3.connect(admin.state.database)) as connection, connection:
        connection.execute("drop table clustergeneration")
        connection.execute("drop table trustlist")
        connection.execute("drop trigger changetoken")
        connection.execute("alter table certificatechangelog drop column token")
        connection.execute("pragma user_version = 2")
    before = files(admin.state)
    assert apply(admin) == Taken(generation=0)
    assert not admin.state.cluster_file.exists()
    admin.does(*OTHER)
    assert files(admin.state) == stored(admin.state) == before
    assert generation(admin.state).number == 1
    check_settled(admin.state)


def test_a_new_directory(admin: Administrator) -> None:
    """`tvs init` makes generation 1, with both lists in the database."""
    first = generation(admin.state)
    assert (first.number, first.who, first.what) == (1, "cucm-1051-a-pub", "init")
    assert all(verify(data or b"").ok for data in stored(admin.state).values())
    check_settled(admin.state)
