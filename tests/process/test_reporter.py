"""The reporter: what it reports to a database that has taken the place of another one."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.errors import StoreUnavailable
from certstore.store import Node
from tests.fixtures.service import made_state, state
from tests.fixtures.sharing import NAME, reported
from tests.fixtures.statuses import service, slot
from tvs.answers.seed import read_seed
from tvs.config.settings import Config
from tvs.process.followersetup import FollowerSetup
from tvs.process.listtaker import ListTaker
from tvs.process.reporter import Reporter
from tvs.system.board import Board
from tvs.system.heartbeat import Heartbeat
from tvs.system.nudge import Nudge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.store import CertificateStore
    from tvs.state import StateDirectory

__all__ = ["made_state", "state"]

BEGAN = 1000.0


@pytest.fixture
def store(state: StateDirectory) -> Iterator[CertificateStore]:
    """The database, as the follower has it."""
    with closing(state.lazy_store()) as opened:
        yield opened


@pytest.fixture
def reporter(state: StateDirectory, store: CertificateStore) -> Reporter:
    """The reporter of a service that runs."""
    config = Config(state=state.path)
    board, nudge = Board(), Nudge(1)
    board.write(service(slot()).to_json())
    setup = FollowerSetup(
        config=config,
        seed=read_seed(config, lambda *_: None),
        board=board,
        cluster=Board(),
        wanted=Board(),
        nudge=nudge,
        event=lambda *_, **__: None,
        load_config=lambda: config,
        heartbeat=Heartbeat(),
    )
    return Reporter(state, store, setup, ListTaker(state, store, setup.event, nudge.all), BEGAN)


def counter(store: CertificateStore) -> int:
    """That of the last report; 0 before the first."""
    report = reported(store)
    return 0 if report is None else report.counter


def test_another_database(
    reporter: Reporter, state: StateDirectory, store: CertificateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that comes during an outage gets no report before it was looked at; the one of before does."""

    def fails() -> bool:
        raise StoreUnavailable("it is away")

    reporter.turn(BEGAN)
    assert counter(store) == 1
    with monkeypatch.context() as outage:
        outage.setattr(store, "changed", fails)
        reporter.turn(BEGAN + 10)
        assert counter(store) == 2, "it can be written"
        shutil.copyfile(state.database, state.path / "copy")
        (state.path / "copy").replace(state.database)
        for moment in (20, 30, 40):
            reporter.turn(BEGAN + moment)
        assert counter(store) == 2
    reporter.turn(BEGAN + 50)
    assert counter(store) == 3


@pytest.mark.parametrize("taken", [False, True])
def test_another_name(reporter: Reporter, store: CertificateStore, *, taken: bool) -> None:
    """A report under the old name, written since the command deleted it, goes, unless another node has the name."""
    reporter.turn(BEGAN)
    store.change_node(NAME, Node(name="other", address="127.0.0.1", publisher=True))
    if taken:
        store.add_node(Node(name=NAME.upper(), address="127.0.0.2", publisher=False))
    store.advance(store.generation().number, who="pub", what="rename")
    assert [report.node for report in store.reports()] == [NAME], "as one that was written after the change"
    reporter.turn(BEGAN + 2)
    assert [report.node for report in store.reports()] == ([NAME, "other"] if taken else ["other"])
    assert max(report.counter for report in store.reports()) == 2
