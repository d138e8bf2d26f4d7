"""The list taker: what it takes, what it says when it cannot, and when it tries again."""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.disks import make_disk
from tests.fixtures.running import wait_until
from tests.fixtures.sharing import does, elsewhere
from tests.fixtures.users import GROUP, STRANGER, USER, copy_for_user, open_folder
from tvs.cluster.applied import read_applied
from tvs.process.listtaker import ListTaker
from tvs.state import StateDirectory
from tvs.system import rights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fixtures.disks import Disk, MakeDisk
    from tvs.process.publisher import Level

__all__ = ["make_disk", "open_folder"]


class Site:
    """A state directory on a file system of its own, whose database is changed by another node's commands.

    Attributes:
        events: names of the events.
        problems: their problems.
        nudges: how often the workers were told to look.
    """

    def __init__(self, disk: Disk, made: Path, folder: Path) -> None:
        self.disk = disk
        shutil.copytree(made, disk.path / "state")
        shutil.copytree(made, folder / "database")
        self.database = StateDirectory(folder / "database")
        (disk.path / "state" / "tvs.db").unlink()
        (disk.path / "state" / "tvs.toml").write_text(f'store = "sqlite://{self.database.database}"\n')
        self.state = StateDirectory(disk.path / "state")
        self.other = elsewhere(self.database)
        self.events: list[str] = []
        self.problems: list[object] = []
        self.nudges = 0

    def event(self, level: Level, event: str, **fields: object) -> None:  # noqa: ARG002 - as it is called
        """Takes an event."""
        self.events.append(event)
        self.problems.append(fields.get("problem"))

    def nudge(self) -> None:
        """Counts."""
        self.nudges += 1


@pytest.fixture
def site(make_disk: MakeDisk, made_state: Path, tmp_path: Path) -> Site:
    """A state directory whose file system can be made read-only."""
    return Site(make_disk(4096), made_state, tmp_path)


@pytest.fixture
def taker(site: Site) -> Iterator[ListTaker]:
    """Its list taker."""
    with closing(site.state.lazy_store()) as store:
        yield ListTaker(site.state, store, site.event, site.nudge)


def test_a_read_only_state_directory(site: Site, taker: ListTaker) -> None:
    """The problem is told once, however often it is tried; the lists come when the directory can be written."""
    does(site.other, "utils", "ctl", "update", "CTLFile", "-y")
    site.disk.make_read_only()
    try:
        assert [taker.take() for _ in range(3)] == [False, False, False]
    finally:
        site.disk.make_writable()
    assert site.events == ["lists_not_taken"]
    assert "mount it read-write" in str(site.problems[0])
    assert taker.problem == site.problems[0]
    assert taker.take() is True
    assert (taker.problem, site.events, site.nudges) == ("", ["lists_not_taken", "lists_taken"], 1)
    assert site.state.ctl_file.read_bytes() == site.other.ctl_file.read_bytes()
    assert taker.take() is True
    assert site.nudges == 1, "a second time there is nothing to take"


def test_a_file_that_was_put_there_by_hand(site: Site, taker: ListTaker) -> None:
    """It stays until the database gets another list of that name."""
    by_hand = site.state.itl_file.read_bytes()
    does(site.other, "utils", "itl", "update", "ITLFile", "-y")
    assert taker.take()
    shutil.copyfile(site.state.itl_file, site.state.itl_file.with_suffix(".saved"))
    site.state.itl_file.write_bytes(by_hand)
    does(site.other, "utils", "ctl", "update", "CTLFile", "-y")
    assert taker.take()
    assert site.state.itl_file.read_bytes() == by_hand
    does(site.other, "utils", "itl", "update", "ITLFile", "-y")
    assert taker.take()
    assert site.state.itl_file.read_bytes() == site.other.itl_file.read_bytes()


def test_directories_that_cannot_be_published_to(site: Site, taker: ListTaker, tmp_path: Path) -> None:
    """The lists are in place, the problem names the directory, and it gets them when it is there."""
    folder = tmp_path / "published"
    with (site.state.path / "tvs.toml").open("a") as settings:
        settings.write(f'publish = ["{folder}"]\n')
    does(site.other, "utils", "ctl", "update", "CTLFile", "-y")
    assert taker.take() is False
    assert taker.take() is False
    assert site.events == ["lists_taken", "lists_not_taken"]
    assert str(folder) in taker.problem
    assert not taker.published
    assert site.state.ctl_file.read_bytes() == site.other.ctl_file.read_bytes()
    folder.mkdir()
    assert taker.take() is True
    assert (folder / "CTLFile.tlv").read_bytes() == site.other.ctl_file.read_bytes()
    assert (taker.problem, taker.published) == ("", True)


def test_a_directory_that_missed_it_before_a_reload(site: Site, taker: ListTaker, tmp_path: Path) -> None:
    """A new list taker publishes at its start: what another one could not, and what a killed command has not."""
    folder = tmp_path / "published"
    with (site.state.path / "tvs.toml").open("a") as settings:
        settings.write(f'publish = ["{folder}"]\n')
    does(site.other, "file", "delete", "tftp", "ITLFile.tlv", "-y", "--force")
    assert taker.take() is False
    with closing(site.state.lazy_store()) as store:
        first, second = [ListTaker(site.state, store, site.event, site.nudge) for _ in range(2)]
        assert first.publish() is False
        assert str(folder) in first.problem
        folder.mkdir()
        (folder / "ITLFile.tlv").write_bytes(site.database.itl_file.read_bytes())
        threading.Thread(target=second.run, daemon=True).start()
        wait_until(lambda: [path.name for path in folder.iterdir()] == ["CTLFile.tlv"], "the deletion")
    assert (folder / "CTLFile.tlv").read_bytes() == site.state.ctl_file.read_bytes()
    assert site.events == ["lists_taken", "lists_not_taken", "lists_not_taken"]


def test_a_start_with_nothing_to_publish(site: Site, taker: ListTaker, tmp_path: Path) -> None:
    """Without directories the lock is not asked for; with unchanged files nothing is written or said."""
    with site.state.lock():
        assert taker.publish() is True
        assert taker.published
    with (site.state.path / "tvs.toml").open("a") as settings:
        settings.write(f'publish = ["{tmp_path / "published"}"]\n')
    (tmp_path / "published").mkdir()
    with closing(site.state.lazy_store()) as store:
        assert ListTaker(site.state, store, site.event, site.nudge).publish() is True
    before = {path.name: path.stat().st_ino for path in (tmp_path / "published").iterdir()}
    with closing(site.state.lazy_store()) as store:
        assert ListTaker(site.state, store, site.event, site.nudge).publish() is True
    assert {path.name: path.stat().st_ino for path in (tmp_path / "published").iterdir()} == before
    assert (len(before), site.events) == (2, [])


class Impatient(StateDirectory):
    """A state directory whose lock is not waited for."""

    @contextmanager
    def lock(self, patience: float = 0.0) -> Iterator[None]:
        """The lock."""
        with super().lock(patience):
            yield


def test_a_command_that_holds_the_lock(site: Site) -> None:
    """It is the problem, and nothing for the log; the lists come a second after its end, however long that takes."""
    does(site.other, "utils", "ctl", "update", "CTLFile", "-y")
    with closing(site.state.lazy_store()) as store:
        taker = ListTaker(Impatient(site.state.path), store, site.event, site.nudge)
        with site.state.lock():
            assert [(taker.take(), taker.retry) for _ in range(8)] == [(False, 1.0)] * 8
            assert "another command is changing" in taker.problem
        assert taker.take() is True
    assert (taker.problem, taker.retry, site.events) == ("", None, ["lists_taken"])


def test_each_situation_is_tried_once(site: Site, taker: ListTaker) -> None:
    """A wish for what was tried is not one; another generation is."""
    applied = read_applied(site.state)
    threading.Thread(target=taker.run, daemon=True).start()
    does(site.other, "utils", "ctl", "update", "CTLFile", "-y")
    taker.want(applied.generation + 1, applied)
    wait_until(lambda: site.nudges == 1, "the lists")
    written = site.state.cluster_file.stat().st_mtime_ns
    for _ in range(20):
        taker.want(applied.generation + 1, applied)
    does(site.other, "utils", "itl", "update", "ITLFile", "-y")
    assert site.state.cluster_file.stat().st_mtime_ns == written
    taker.want(applied.generation + 2, read_applied(site.state))
    wait_until(lambda: site.nudges == 2, "the next lists")


def test_other_threads_keep_their_rights(made_state: Path, open_folder: Path) -> None:
    """While a service of root publishes in directories of others, its other threads have root's rights all the time."""
    if os.uname().machine not in rights._NUMBERS:
        pytest.skip("here threads have the rights of their process")
    state = StateDirectory(copy_for_user(made_state, open_folder / "state"))
    state.path.chmod(0o700)
    folders = [open_folder / f"served{number}" for number in range(20)]
    for folder in folders:
        folder.mkdir(mode=0o755)
        os.chown(folder, STRANGER, STRANGER)
    settings = state.path / "tvs.toml"
    settings.write_text(f"publish = {[str(folder) for folder in folders]}\n")
    (secret := open_folder / "secret").write_text("secret")
    secret.chmod(0o600)
    found = set()
    with closing(state.lazy_store()) as store, ThreadPoolExecutor(1) as pool:
        publication = pool.submit(ListTaker(state, store, lambda *_, **__: None, lambda: None).publish)
        while not publication.done():
            found.add((os.geteuid(), os.getegid(), secret.read_text()))
        assert publication.result() is True
    assert found == {(0, 0, "secret")}
    for folder in folders:
        lists = {path.name: path for path in folder.iterdir()}
        assert lists["CTLFile.tlv"].read_bytes() == state.ctl_file.read_bytes()
        assert {(path.stat().st_uid, path.stat().st_gid) for path in lists.values()} == {(STRANGER, STRANGER)}
    assert (state.path / "lock").stat().st_uid == USER
    assert (state.path / "lock").stat().st_gid == GROUP
