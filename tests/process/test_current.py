"""Settings, credentials and seed in use: the CTL file is verified once for each change."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import tvs.process.current
from certstore.cache import CertificateDBCache
from certstore.purposes import Purpose
from certstore.relational.store import RelationalStore
from ctlcache.inspection import inspect_file
from tests.fixtures.certificates import certificate
from tests.fixtures.silent import SILENCE
from tvs.answers.seed import last_good_list, read_seed
from tvs.config.loading import load_config
from tvs.process.current import Current
from tvs.server.credentials import read_credentials
from tvs.status.sources import DatabaseStatus
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.inspection import Inspection
    from tvs.config.settings import Config
    from tvs.state import StateDirectory


@pytest.fixture
def current(state: StateDirectory) -> Current:
    """Settings, credentials and seed of a fresh state directory."""
    config = load_config({"state": str(state.path)}, environment={})
    return Current(config, read_credentials(config), read_seed(config, lambda *_: None))


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[Inspection | None]:
    """The results of all verifications of the CTL file."""
    results: list[Inspection | None] = []

    def counting(config: Config, known: Inspection | None) -> Inspection | None:
        results.append(last_good_list(config, known))
        return results[-1]

    monkeypatch.setattr(tvs.process.current, "last_good_list", counting)
    return results


def content(current: Current) -> str:
    """The digest of the CTL file as workers report it."""
    inspection = inspect_file(current.config.ctl_path, 1)
    assert inspection is not None
    return inspection.content.hex()[:32]


def seeded(current: Current) -> bytes:
    """The content of the list that a new worker would start with."""
    assert current.seed.ctl is not None
    return current.seed.ctl.content


def test_changed_file_is_verified_once(
    current: Current, state: StateDirectory, verified: list[Inspection | None]
) -> None:
    """While two workers report different content, at every heartbeat, a changed file is verified once."""
    old = content(current)
    for slot in (0, 1):
        current.list_reported(slot, old)
    verified.clear()
    write_atomically(state.ctl_file, state.itl_file.read_bytes())
    new = content(current)
    assert new != old
    for _ in range(50):
        current.list_reported(0, new)
        current.list_reported(1, old)
    assert len(verified) == 1
    for _ in range(50):
        current.list_reported(0, new)
        current.list_reported(1, new)
    assert len(verified) == 1
    assert seeded(current).hex().startswith(new)


def test_file_that_changes_back_is_verified_again(
    current: Current, state: StateDirectory, verified: list[Inspection | None]
) -> None:
    """A file that gets its old content again has changed too: the next worker gets that content."""
    first, second = state.ctl_file.read_bytes(), state.itl_file.read_bytes()
    old = content(current)
    for slot in (0, 1):
        current.list_reported(slot, old)
    write_atomically(state.ctl_file, second)
    current.list_reported(0, content(current))
    write_atomically(state.ctl_file, first)
    current.list_reported(0, old)
    current.list_reported(1, old)
    assert seeded(current).hex().startswith(old)
    assert len(verified) == 3


def test_damaged_file_leaves_the_last_good_list(
    current: Current, state: StateDirectory, verified: list[Inspection | None]
) -> None:
    """While the file is damaged a new worker gets the last good list; a damaged file is verified once too."""
    good = seeded(current)
    write_atomically(state.ctl_file, b"\x01\x00\x02 nothing that was signed")
    for _ in range(10):
        current.list_reported(0, content(current))
        current.list_reported(1, None)
    assert len(verified) == 1
    assert seeded(current) == good


def test_settings_with_another_list(current: Current, state: StateDirectory) -> None:
    """New settings that name another CTL file bring its list, and none if it is not there."""
    listed = replace(current.config, ctl_file=state.itl_file)
    current.swap(listed, current.credentials)
    assert seeded(current).hex().startswith(content(current))
    current.swap(replace(listed, ctl_file=state.path / "missing"), current.credentials)
    assert current.seed.ctl is None


# -- the database ----------------------------------------------------------------------------------------------------


def add(state: StateDirectory, serial: int) -> None:
    """Imports a certificate."""
    with closing(state.store()) as store:
        store.import_certificate(certificate("CN=added", serial), Purpose.Phone_SAST_trust)


def reported(state: StateDirectory, *, certificates: int = 5, up: bool = True) -> DatabaseStatus:
    """A worker's report that it has the database's last change."""
    with closing(state.store()) as store:
        number = store.change_number()
    return DatabaseStatus(up=up, certificates=certificates, generation=2, change_number=number)


def test_changes_that_a_worker_reports_are_in_the_seed(current: Current, state: StateDirectory) -> None:
    """The next worker starts with what the others have; entries that did not change are not made again."""
    before = set(map(id, current.seed.index))
    add(state, 0x61)
    status = reported(state)
    current.database_reported(status, 1000.0)
    assert (len(current.seed.index), current.seed.change_number) == (5, status.change_number)
    assert len(before & set(map(id, current.seed.index))) == 4
    assert not current.seed.behind


def test_changes_in_quick_succession(current: Current, state: StateDirectory) -> None:
    """Between two reads there is a pause, in which the seed is behind."""
    add(state, 0x61)
    current.database_reported(reported(state), 1000.0)
    add(state, 0x62)
    current.database_reported(reported(state), 1000.1)
    assert (len(current.seed.index), current.seed.behind) == (5, True)
    current.database_reported(reported(state), 2000.0)
    assert (len(current.seed.index), current.seed.behind) == (6, False)


def test_database_that_fails_before_it_is_read(current: Current, state: StateDirectory) -> None:
    """The seed stays as it was, and is behind; the report of a worker without database changes nothing."""
    seed = current.seed
    add(state, 0x61)
    status = reported(state)
    current.database_reported(replace(status, up=False), 1000.0)
    assert current.seed is seed
    state.database.unlink()
    current.database_reported(status, 1000.0)
    assert (current.seed.index, current.seed.behind) == (seed.index, True)


@pytest.mark.parametrize(("certificates", "read"), [(20_000, True), (20_001, False)])
def test_database_in_whose_place_another_one_was_put(
    current: Current, state: StateDirectory, certificates: int, *, read: bool
) -> None:
    """A small one is read as a whole; a large one would hold the supervisor up, and leaves the seed behind."""
    copy = state.path / "restored.db"
    with sqlite3.connect(state.database) as original, sqlite3.connect(copy) as restored:
        original.backup(restored)
    original.close()
    restored.close()
    copy.chmod(0o600)
    for path in state.path.glob("tvs.db*"):
        path.unlink()
    copy.replace(state.database)
    add(state, 0x61)
    current.database_reported(reported(state, certificates=certificates), 1000.0)
    assert (len(current.seed.index), current.seed.behind) == ((5, False) if read else (4, True))


@pytest.mark.parametrize(("certificates", "read"), [(20_000, True), (20_001, False)])
@pytest.mark.parametrize("emptied", [False, True])
def test_log_without_the_last_change(
    current: Current,
    state: StateDirectory,
    monkeypatch: pytest.MonkeyPatch,
    certificates: int,
    *,
    emptied: bool,
    read: bool,
) -> None:
    """A large database whose log was emptied is not read as a whole, however few changes the numbers tell of."""
    reads = state.path / "reads"  # a child process reads
    reads.touch()
    trusted = RelationalStore.trusted

    def reading(self: Any, on_bad_row: Any = None) -> Any:
        with reads.open("a") as file:
            file.write("whole\n")
        return trusted(self, on_bad_row)

    monkeypatch.setattr(RelationalStore, "trusted", reading)
    if emptied:
        with closing(sqlite3.connect(state.database)) as connection:
            connection.execute("delete from certificatechangelog")
            connection.commit()
    add(state, 0x61)
    current.database_reported(reported(state, certificates=certificates), 1000.0)
    assert (len(current.seed.index), current.seed.behind) == ((5, False) if read or not emptied else (4, True))
    assert reads.read_text() == "whole\n" * (read and emptied)


def test_restored_database_with_the_same_change_number(current: Current, state: StateDirectory) -> None:
    """It is known by its content, and read as a whole, once; the report of a worker that has less is not read again."""
    copy = state.path / "backup.db"
    _copied(state.database, copy)
    add(state, 0x61)
    current.database_reported(reported(state), 1000.0)
    _copied(copy, state.database)
    add(state, 0x62)
    with closing(state.store()) as store:
        cache = CertificateDBCache(store, default_time_to_live=current.config.time_to_live)
        cache.load()
    assert cache.change_number == current.seed.change_number
    current.database_reported(replace(reported(state), content=cache.index.content), 2000.0)
    assert current.seed.index.content == cache.index.content
    seed = current.seed
    for late in (3000.0, 4000.0):
        current.database_reported(replace(reported(state), content="0" * 32), late)
    assert current.seed.index.content == cache.index.content
    again = current.seed
    current.database_reported(replace(reported(state), content="0" * 32), 5000.0)
    assert current.seed is again is not seed


def test_database_that_is_silent(current: Current, state: StateDirectory, silent_name_server: str) -> None:
    """The supervisor waits some seconds only: the seed is behind, and what the database has comes when it answers."""
    config = replace(current.config, store=silent_name_server)
    add(state, 0x61)
    status = reported(state)
    answering, current.config = current.config, config
    before, began = current.seed.index, time.monotonic()
    current.database_reported(status, 1000.0)
    assert time.monotonic() - began < SILENCE / 2
    assert (current.seed.index, current.seed.behind) == (before, True)
    current.config = answering
    current.database_reported(status, 2000.0)
    assert (len(current.seed.index), current.seed.behind) == (5, False)


def test_no_process_for_the_read(current: Current, state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be forked the seed is behind, and the supervisor goes on."""

    def fail() -> int:
        raise BlockingIOError

    add(state, 0x61)
    monkeypatch.setattr("os.fork", fail)
    current.database_reported(reported(state), 1000.0)
    assert (len(current.seed.index), current.seed.behind) == (4, True)


def _copied(source: Path, target: Path) -> None:
    """Copies a database into another one's file, as `.restore` of SQLite's shell does."""
    with closing(sqlite3.connect(source)) as before, closing(sqlite3.connect(target)) as after:
        before.backup(after)


def test_list_that_could_not_be_read_here_is_tried_again(
    current: Current, state: StateDirectory, no_descriptors: Callable[[], None], free: Callable[[], None]
) -> None:
    """A list that workers use, and that this process had no descriptor to read, is read at the next report."""
    current.list_reported(0, content(current), good=True)
    write_atomically(state.ctl_file, state.itl_file.read_bytes())
    new = content(current)
    no_descriptors()
    current.list_reported(0, new, good=True)
    free()
    assert not seeded(current).hex().startswith(new)
    current.list_reported(0, new, good=True)
    assert seeded(current).hex().startswith(new)
