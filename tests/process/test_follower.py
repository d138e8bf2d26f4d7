"""The follower's keeper: when the last good copy is written, and when it is left alone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreUnavailable
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.processes import until
from tests.fixtures.running import wait_until
from tests.fixtures.service import made_state, state
from tests.fixtures.silent import SILENCE
from tvs.answers.lastgood import read_last_good
from tvs.answers.seed import read_seed
from tvs.config.settings import Config
from tvs.errors import StateError
from tvs.process.follower import TURN, Keeper, run_follower
from tvs.process.followersetup import FollowerSetup
from tvs.system.board import Board
from tvs.system.fork import fork
from tvs.system.heartbeat import Heartbeat
from tvs.system.nudge import Nudge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tvs.answers.lastgood import LastGood
    from tvs.state import StateDirectory

__all__ = ["made_state", "state"]

LATER = certificate("CN=later", 0x61)


@pytest.fixture
def problems() -> list[str]:
    """Sentences of the keeper."""
    return []


@pytest.fixture
def keeper(state: StateDirectory, problems: list[str]) -> Iterator[Keeper]:
    """A keeper as the follower has it, whose cache has read the database."""
    config = Config(state=state.path)
    with closing(state.lazy_store()) as store:
        keeper = Keeper(state, store, read_seed(config, lambda *_: None), config.time_to_live, problems.append)
        keeper.cache.refresh()
        yield keeper


def change(state: StateDirectory) -> None:
    """Imports a certificate, as a command does."""
    with closing(state.store()) as store:
        store.import_certificate(LATER, Purpose.Phone_SAST_trust)


def kept(state: StateDirectory) -> LastGood:
    """The copy."""
    found = read_last_good(state)
    assert found is not None
    return found


def test_the_copy_is_what_the_database_has(keeper: Keeper, state: StateDirectory, problems: list[str]) -> None:
    """Certificates, own certificate, mode and identity are those of the database."""
    keeper.keep()
    with closing(state.store()) as store:
        own = store.entry(Purpose.TVS, "TVS").certificate
        assert (kept(state).change_number, kept(state).database) == (store.change_number(), store.identity())
    assert kept(state).index.content == keeper.cache.index.content
    assert kept(state).certificate == own.der
    assert kept(state).expiry == (("TVS", "TVS.pem", own.not_after.timestamp()),)
    assert kept(state).security_mode == "1"
    assert problems == []


def test_a_change_is_copied(keeper: Keeper, state: StateDirectory) -> None:
    """A certificate that was imported later is in the next copy."""
    keeper.keep()
    change(state)
    keeper.cache.refresh()
    keeper.keep()
    assert kept(state).index.find(b"\x61", "CN=later") is not None


def test_another_mode_is_copied(keeper: Keeper, state: StateDirectory) -> None:
    """The security mode, which changes no certificate, is copied too."""
    keeper.keep()
    with closing(state.store()) as store:
        store.set_parameter("ClusterSecurityMode", "0")
    keeper.keep()
    assert kept(state).security_mode == "0"


def test_a_copy_is_written_once(keeper: Keeper, state: StateDirectory) -> None:
    """An unchanged copy is not written again; it is noted that it was compared."""
    keeper.keep()
    written = state.last_good.stat()
    os.utime(state.last_good, (1_000, 1_000))
    keeper.keep()
    after = state.last_good.stat()
    assert after.st_ino == written.st_ino
    assert after.st_mtime >= written.st_mtime


def test_a_copy_that_is_lost_is_made_again(keeper: Keeper, state: StateDirectory) -> None:
    """What somebody removed or damaged is written by the next turn."""
    keeper.keep()
    state.last_good.unlink()
    keeper.keep()
    assert kept(state).index.content == keeper.cache.index.content
    state.last_good.write_bytes(b"damaged")
    keeper.keep()
    assert kept(state).index.content == keeper.cache.index.content


def test_a_copy_that_is_damaged_inside(keeper: Keeper, state: StateDirectory) -> None:
    """What was damaged before the follower began is written anew, once: a start would refuse it."""
    keeper.keep()
    whole = state.last_good.read_bytes()
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    state.last_good.write_bytes(damaged)
    with pytest.raises(StateError, match="its signature is not good"):
        read_last_good(state)
    keeper.keep()
    assert state.last_good.read_bytes() == damaged, "a file of 100 MB is not read twice a minute"
    with closing(state.lazy_store()) as store:
        config = Config(state=state.path)
        begun = Keeper(state, store, read_seed(config, lambda *_: None), config.time_to_live, lambda _: None)
        begun.cache.refresh()
        begun.keep()
    assert kept(state).index.content == keeper.cache.index.content


def test_a_change_that_the_cache_has_not_read(keeper: Keeper, state: StateDirectory) -> None:
    """Nothing is copied that is not of one moment: the cache is a change behind."""
    change(state)
    keeper.keep()
    assert read_last_good(state) is None


def test_a_database_that_is_gone(keeper: Keeper, state: StateDirectory, problems: list[str]) -> None:
    """The copy stays as it was, and the reason is told: the workers need not have met it yet."""
    keeper.keep()
    before = state.last_good.read_bytes()
    for path in state.path.glob("tvs.db*"):
        path.unlink()
    with pytest.raises(StoreUnavailable):
        keeper.cache.load()
    keeper.keep()
    assert state.last_good.read_bytes() == before
    assert len(problems) == 1
    assert "tvs.db" in problems[0]


def test_a_copy_that_cannot_be_written(keeper: Keeper, state: StateDirectory, problems: list[str]) -> None:
    """The reason is told once, and again when it came back; the copy is made when it can be."""
    state.last_good.mkdir()
    keeper.keep()
    keeper.keep()
    assert len(problems) == 1
    assert "last-good: the copy cannot be written" in problems[0]
    state.last_good.rmdir()
    keeper.keep()
    assert kept(state).index.content == keeper.cache.index.content
    state.last_good.unlink()
    state.last_good.mkdir()
    keeper.keep()
    assert len(problems) == 2


async def test_changes_are_followed(keeper: Keeper, state: StateDirectory) -> None:
    """Beside the cache's monitor the keeper copies each change by itself."""
    tasks = [asyncio.create_task(work) for work in (keeper.cache.monitor(), keeper.run())]
    try:
        await until(state.last_good.exists, "the first copy")
        change(state)
        await until(lambda: kept(state).index.find(b"\x61", "CN=later") is not None, "the copy of the change")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_thread_that_hangs(
    state: StateDirectory, silent_name_server: str, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    """A process that looks at the database for too long gives no sign of life: the supervisor replaces it."""
    monkeypatch.setattr("tvs.process.follower.STUCK", 1.0 if hangs else SILENCE)
    config = Config(state=state.path)
    setup = FollowerSetup(
        config=replace(config, store=silent_name_server),
        seed=read_seed(config, lambda *_: None),
        board=Board(),
        cluster=Board(),
        wanted=Board(),
        nudge=Nudge(1),
        event=lambda *_, **__: None,
        load_config=lambda: config,
        heartbeat=Heartbeat(),
    )
    process = fork(lambda: run_follower(setup))
    try:
        wait_until(lambda: setup.heartbeat.count > 0, "the first sign of life")
        if hangs:
            wait_until(lambda: _is_still(setup.heartbeat), "the end of the signs")
        else:
            assert not _is_still(setup.heartbeat)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        setup.nudge.close()


def _is_still(heartbeat: Heartbeat) -> bool:
    """Whether there is no sign of life in four turns."""
    before = heartbeat.count
    time.sleep(4 * TURN)
    return heartbeat.count == before
